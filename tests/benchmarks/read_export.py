"""This package: an export to the file that the job names, everything or what changed since a time."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from client_ours import make_hook
from job import LIST, SELECT, Job, carry_out, count_rows


def prepare(job: Job) -> Callable[[], Callable[[], dict[str, int]]]:
    """Return the export."""
    hook = make_hook(job)
    hook.get_conn()
    path = Path(job.file)
    changes = {"incremental": "DATE_MODIFY", "since": job.since, "overlap": 0} if job.since else {}

    def work() -> Callable[[], dict[str, int]]:
        hook.export(LIST, {"select": SELECT}, path=path, **changes)
        return lambda: count_rows(read_ids(path))

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
