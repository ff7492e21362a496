"""fast_bitrix24: ``get_all``, as its manual shows."""

from __future__ import annotations

from collections.abc import Callable

from fast_bitrix24 import Bitrix
from job import LIST, SELECT, Job, carry_out, count_rows


def prepare(job: Job) -> Callable[[], Callable[[], dict[str, int]]]:
    """Return the reading."""
    portal = Bitrix(job.webhook)

    def work() -> Callable[[], dict[str, int]]:
        rows = portal.get_all(LIST, {"select": SELECT})
        return lambda: count_rows(rows)

    return work


if __name__ == "__main__":
    carry_out(prepare)
