"""b24api: ``batch_outcomes``, each request marked as safe to repeat: its manual leaves that to the caller."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from b24api import Bitrix24, ReplaySafety, Request, RouteKind
from b24api.contracts import Command
from job import METHOD, Job, carry_out


def prepare(job: Job) -> Callable[[], dict[str, int]]:
    """Return the run over all commands."""

    async def write() -> dict[str, int]:
        commands = (
            Command(
                Request(METHOD, params, ReplaySafety.SAFE, route=RouteKind.BARE), correlation=params["id"]
            )
            for params in job.params()
        )
        outcomes: Counter[str] = Counter()
        async with Bitrix24.from_webhook(job.webhook) as portal, portal.batch_outcomes(commands) as stream:
            async for outcome in stream:
                outcomes[type(outcome).__name__] += 1
        return outcomes

    return lambda: asyncio.run(write())


if __name__ == "__main__":
    carry_out(prepare)
