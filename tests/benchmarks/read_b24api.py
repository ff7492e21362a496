"""b24api: ``iter_list_counted``, its way to read a whole list that needs the fewest requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from b24api import Bitrix24, IdentityCoercion, IdentitySpec, ReplaySafety, Request, RouteKind
from job import LIST, SELECT, Job, carry_out, count_rows

ID = IdentitySpec(
    item_path=("ID",), filter_key="ID", order_key="ID", coercion=IdentityCoercion.DECIMAL_STRING_INTEGER
)


def prepare(job: Job) -> Callable[[], Callable[[], dict[str, int]]]:
    """Return the reading."""

    async def read() -> list[Any]:
        request = Request(
            LIST, {"select": SELECT, "order": {"ID": "ASC"}}, ReplaySafety.SAFE, route=RouteKind.BARE
        )
        async with Bitrix24.from_webhook(job.webhook) as portal:
            stream = portal.iter_list_counted(request, identity=ID, page_size=50, batch_size=50)
            async with stream:
                return [row async for row in stream]

    def work() -> Callable[[], dict[str, int]]:
        rows = asyncio.run(read())
        return lambda: count_rows(rows)

    return work


if __name__ == "__main__":
    carry_out(prepare)
