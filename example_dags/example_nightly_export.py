"""Export every deal once, and after that every night what has changed, to a file for each night.

The folder may be on any storage that Airflow can open (``s3://``, ``gs://``, ...).
"""

import os
import tempfile

import pendulum
from airflow.providers.common.compat.sdk import dag

from airflow_provider_b24.operators.export import Bitrix24ExportOperator

FOLDER = os.environ.get("BITRIX24_EXAMPLES", tempfile.gettempdir())
DEALS = {"entityTypeId": 2, "select": ["id", "title", "stageId", "opportunity", "updatedTime"]}


@dag(
    schedule="0 3 * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    tags=["bitrix24"],
    doc_md=__doc__,
)
def example_nightly_export():
    Bitrix24ExportOperator(
        task_id="export_deals",
        method="crm.item.list",
        parameters=DEALS,
        output_path=f"{FOLDER}/deals-{{{{ run_id }}}}.jsonl.gz",
        incremental="updatedTime",
        readable=True,
    )


example_nightly_export()
