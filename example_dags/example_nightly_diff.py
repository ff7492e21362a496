"""Every night the whole list; most of it is in the portal already, and only what differs is written.

One contact in twenty may fail. The report names them, and the next night tries them again. If the portal
dictates a wait of more than a minute, the task leaves its worker slot and comes back. It needs a triggerer.
"""

import json
import os
import tempfile
from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import ObjectStoragePath, dag, task

from airflow_provider_b24.operators.sync import SyncContactCompaniesOperator

FOLDER = os.environ.get("BITRIX24_EXAMPLES", tempfile.gettempdir())


@dag(
    schedule="0 3 * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,  # the night's run and a late one must not write at the same time
    is_paused_upon_creation=True,
    tags=["bitrix24"],
    doc_md=__doc__,
)
def example_nightly_diff():
    @task
    def export() -> str:
        """Stand in for the system that knows all; contact 99 is one that the portal lacks."""
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

    @task(trigger_rule="all_done")
    def list_failures(summary: dict[str, Any]) -> list[str]:
        """Name the contacts that failed, all of them: the summary holds the first 20 only."""
        report = ObjectStoragePath(summary["report_path"]).read_text()
        lines = [json.loads(line) for line in report.splitlines()]
        return [
            f"{line['contact_id']}: {line['error']['description']}"
            for line in lines
            if line["outcome"] in ("failed", "unknown")
        ]

    list_failures(sync.output)


example_nightly_diff()
