"""This package: all rows of a list, from the hook's iterator."""

from __future__ import annotations

from collections.abc import Callable

from client_ours import make_hook
from job import LIST, SELECT, Job, carry_out, count_rows


def prepare(job: Job) -> Callable[[], Callable[[], dict[str, int]]]:
    """Return the reading."""
    hook = make_hook(job)
    hook.get_conn()

    def work() -> Callable[[], dict[str, int]]:
        rows = list(hook.iterate(LIST, {"select": SELECT}))
        return lambda: count_rows(rows)

    return work


if __name__ == "__main__":
    carry_out(prepare)
