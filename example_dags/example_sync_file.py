"""Sync a file and keep a report. If far more changed than usual, use the report to undo the sync.

The folder may be on any storage that Airflow can open (``s3://``, ``gs://``, ...). All workers must see it.
"""

import os
import tempfile
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath, dag, task

from airflow_provider_b24.operators.sync import SyncContactCompaniesOperator

FOLDER = os.environ.get("BITRIX24_EXAMPLES", tempfile.gettempdir())
CSV = """contact_id,company_id,is_primary,sort
82,8,Y,100
82,9,N,200
83,8,,
83,31,,
84,10,,
85,12,,
"""
USUAL_CHANGES = 100  # contacts


@dag(schedule=None, tags=["bitrix24"], doc_md=__doc__)
def example_sync_file():
    @task
    def export() -> str:
        """Stand in for the system that writes the file."""
        path = ObjectStoragePath(FOLDER) / "wanted.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(CSV)
        return str(path)

    sync = SyncContactCompaniesOperator(
        task_id="sync",
        bindings_path=export(),
        report_path=f"{FOLDER}/report-{{{{ run_id }}}}.jsonl",
    )

    @task.short_circuit
    def changed_too_much(summary: dict[str, Any]) -> bool:
        """Return whether to undo the sync. If not, the next task is skipped."""
        return summary["written"] > USUAL_CHANGES

    undo = SyncContactCompaniesOperator(
        task_id="undo",
        bindings_path="{{ ti.xcom_pull('sync')['report_path'] }}",
        undo=True,
    )
    changed_too_much(sync.output) >> undo


example_sync_file()
