"""This package: an export to the file that the job names, everything or what changed since a time."""

from __future__ import annotations

import functools
import gzip
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from client_ours import make_hook
from job import LIST, SELECT, Job, carry_out, count_rows

from airflow_provider_b24.export import publish, reading


class Meter:
    """Adds up the CPU seconds of functions, which run in one thread."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def on(self, owner: Any, name: str) -> None:
        """Measure a function of a class or module from now on."""
        function = getattr(owner, name)

        @functools.wraps(function)
        def measured(*args: Any) -> Any:
            started = time.thread_time()
            try:
                return function(*args)
            finally:
                self.seconds += time.thread_time() - started

        setattr(owner, name, measured)


def prepare(job: Job) -> Callable[[], Callable[[], dict[str, Any]]]:
    """Return the export."""
    meter = Meter()
    meter.on(reading, "encode_rows")
    meter.on(publish, "_copy")
    hook = make_hook(job)
    hook.get_conn()
    path = Path(job.file)
    changes = {"incremental": "DATE_MODIFY", "since": job.since, "overlap": 0} if job.since else {}

    def work() -> Callable[[], dict[str, Any]]:
        hook.export(LIST, {"select": SELECT}, path=path, **changes)
        return lambda: {**count_rows(read_ids(path)), "writing": meter.seconds}

    return work


def read_ids(path: Path) -> Iterator[dict[str, int]]:
    """Yield what a file holds, as far as it is needed to count its rows."""
    if path.suffix == ".parquet":
        import pyarrow.parquet

        for batch in pyarrow.parquet.ParquetFile(path).iter_batches(columns=["ID"]):
            yield from batch.to_pylist()
        return
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        yield from map(json.loads, file)


if __name__ == "__main__":
    carry_out(prepare)
