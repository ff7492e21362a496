"""fast_bitrix24, one call with the whole list, as its manual shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fast_bitrix24 import Bitrix
from job import METHOD, Job, carry_out


def prepare(job: Job) -> Callable[[], dict[str, Any]]:
    """Return the call."""
    portal = Bitrix(job.webhook)

    def work() -> dict[str, Any]:
        answers = portal.call(METHOD, list(job.params()))
        return {"answers": len(answers)}

    return work


if __name__ == "__main__":
    carry_out(prepare)
