"""Keep a database table equal to the portal's deals, and add them up with SQL.

The connection ``warehouse`` may be of PostgreSQL, of SQLite, or of any other database that the common-sql
provider supports. Needs the extra ``sql``.
"""

import pendulum
from airflow.providers.common.compat.sdk import dag
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator

from airflow_provider_b24.operators.export import Bitrix24ToSqlOperator

FIELDS = ["id", "title", "stageId", "opportunity", "currencyId", "updatedTime"]


@dag(
    schedule="@hourly",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    tags=["bitrix24"],
    doc_md=__doc__,
)
def example_deals_to_sql():
    load = Bitrix24ToSqlOperator(
        task_id="load_deals",
        method="crm.item.list",
        parameters={"entityTypeId": 2, "select": FIELDS},
        conn_id="warehouse",
        table="deals",
        incremental="updatedTime",  # after the first run, only what changed
        delete_missing=True,
        readable=True,
    )
    add_up = SQLExecuteQueryOperator(
        task_id="add_up",
        conn_id="warehouse",
        sql="SELECT stage_id, count(*), sum(opportunity) FROM deals GROUP BY stage_id ORDER BY stage_id",
    )
    load >> add_up


example_deals_to_sql()
