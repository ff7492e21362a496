"""Sync all contacts every night. Most of them are up to date already, and only what differs is written.

Up to 5% of the contacts may fail. The report lists them, and the next night tries them again. If the portal
dictates a wait of more than a minute, the task frees its worker slot in the meantime. That needs a triggerer.
"""

import json
import os
import tempfile
from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import AirflowSkipException, ObjectStoragePath, dag, task

from airflow_provider_b24.operators.sync import SyncContactCompaniesOperator

FOLDER = os.environ.get("BITRIX24_EXAMPLES", tempfile.gettempdir())


@dag(
    schedule="0 3 * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,  # a late run and the next one must not write at the same time
    is_paused_upon_creation=True,
    tags=["bitrix24"],
    doc_md=__doc__,
)
def example_nightly_diff():
    @task
    def export() -> str:
        """Stand in for the system that knows all contacts. The portal does not have contact 99."""
        path = ObjectStoragePath(FOLDER) / "nightly.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [{"contact_id": contact, "items": [50 + contact % 12]} for contact in range(99, 136)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return str(path)

    sync = SyncContactCompaniesOperator(
        task_id="sync",
        bindings_path=export(),
        report_path=f"{FOLDER}/nightly-{{{{ run_id }}}}.jsonl",
        max_failures=0.05,
        deferrable=True,
        retries=3,
        retry_delay=timedelta(minutes=5),
    )

    @task
    def list_failures(summary: dict[str, Any] | None) -> list[str]:
        """List all contacts that failed. The summary holds only the first 20."""
        if summary is None:  # the sync failed before it had one: its log says why
            raise AirflowSkipException("There is no report")
        report = ObjectStoragePath(summary["report_path"]).read_text()
        lines = [json.loads(line) for line in report.splitlines()]
        return [
            f"{line['contact_id']}: {line['error']['description']}"
            for line in lines
            if line["status"] in ("failed", "unknown")
        ]

    # A teardown also runs if the sync fails, and unlike trigger_rule="all_done" it leaves the run failed.
    list_failures(sync.output).as_teardown()


example_nightly_diff()
