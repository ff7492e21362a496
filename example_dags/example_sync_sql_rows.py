"""Sync the rows of an SQL query that says which contact belongs to which companies.

The connection ``warehouse`` may be of any type that the common-sql provider supports (Postgres, Snowflake,
SQLite, ...). The rows travel through XCom, which is fine for a few thousand. For more, use a file
(``example_sync_file``).
"""

from airflow.providers.common.compat.sdk import dag
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator

from airflow_provider_b24.operators.sync import SyncContactCompaniesOperator

FILL = """
DROP TABLE IF EXISTS memberships;
CREATE TABLE memberships (contact_id INTEGER, company_id INTEGER, main TEXT, position INTEGER);
INSERT INTO memberships VALUES
    (82, 8, 'Y', 100), (82, 9, 'N', 200), (82, 10, 'N', 400),
    (83, 8, 'N', 20), (83, 31, 'Y', 10),
    (86, 11, NULL, NULL);
"""


@dag(schedule=None, tags=["bitrix24"], doc_md=__doc__)
def example_sync_sql_rows():
    fill_table = SQLExecuteQueryOperator(
        task_id="fill_table", conn_id="warehouse", sql=FILL, split_statements=True
    )
    read_table = SQLExecuteQueryOperator(
        task_id="read_table",
        conn_id="warehouse",
        sql="SELECT contact_id, company_id, main, position FROM memberships",
    )
    SyncContactCompaniesOperator(
        task_id="sync",
        bindings=read_table.output,
        columns=["contact_id", "company_id", "is_primary", "sort"],  # the names of the query's columns
    )
    fill_table >> read_table


example_sync_sql_rows()
