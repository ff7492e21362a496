"""This package: all rows of a list, one after another, none kept."""

from __future__ import annotations

from collections.abc import Callable

from client_ours import make_hook
from job import LIST, SELECT, Job, carry_out


def prepare(job: Job) -> Callable[[], dict[str, int]]:
    """Return the reading."""
    hook = make_hook(job)
    hook.get_conn()

    def work() -> dict[str, int]:
        count = sum(1 for _ in hook.iterate(LIST, {"select": SELECT}))
        return {"rows": count, "ids": count}

    return work


if __name__ == "__main__":
    carry_out(prepare)
