"""Cut a large file into slices, and sync each slice in a task instance of its own, on any worker.

A portal limits requests per source address, and all processes of one machine share that limit. Workers on
several machines behind one address share it if ``[bitrix24] pacing_redis_url`` is set. Only workers with
addresses of their own have limits of their own, and only then are more slices faster. In any case, a slice
that fails is retried alone.
"""

import json
import os
import tempfile
from itertools import islice
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath, dag, task

from airflow_provider_b24.operators.sync import SyncContactCompaniesOperator

FOLDER = os.environ.get("BITRIX24_EXAMPLES", tempfile.gettempdir())  # use one that all workers see: s3://...
SLICE = 10  # contacts; use some ten thousand


@dag(schedule=None, tags=["bitrix24"], doc_md=__doc__)
def example_sharded_sync():
    @task
    def export() -> str:
        """Stand in for the system that writes the file, one line per contact."""
        path = ObjectStoragePath(FOLDER) / "all.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [{"contact_id": contact, "items": [8, 50 + contact % 12]} for contact in range(100, 136)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return str(path)

    @task
    def cut(whole: str, run_id: str | None = None) -> list[dict[str, Any]]:
        """Write the slices, holding one at a time in memory. Return the arguments of each task instance."""
        folder = ObjectStoragePath(FOLDER) / f"slices-{run_id}"  # every run has slices and reports of its own
        folder.mkdir(parents=True, exist_ok=True)
        arguments = []
        with ObjectStoragePath(whole).open() as file:
            lines = iter(file.readline, "")
            while piece := list(islice(lines, SLICE)):
                path = folder / f"slice-{len(arguments):04d}.jsonl"
                path.write_text("".join(piece))
                report = path.with_name(f"report-{path.name}")
                arguments.append({"bindings_path": str(path), "report_path": str(report)})
        return arguments

    SyncContactCompaniesOperator.partial(
        task_id="sync",
        max_active_tis_per_dagrun=4,
        map_index_template="{{ task.bindings_path.split('/')[-1] }}",
    ).expand_kwargs(cut(export()))


example_sharded_sync()
