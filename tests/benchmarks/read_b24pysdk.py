"""b24pysdk, the official SDK: ``as_list_fast``, its quickest way to read a whole list."""

from __future__ import annotations

from collections.abc import Callable

from b24pysdk import BitrixWebhook, Client
from job import SELECT, Job, carry_out, count_rows


def prepare(job: Job) -> Callable[[], Callable[[], dict[str, int]]]:
    """Return the reading."""
    portal = Client(BitrixWebhook(domain=job.host, webhook_token=f"{job.user}/{job.code}"))

    def work() -> Callable[[], dict[str, int]]:
        rows = list(portal.crm.deal.list(select=SELECT).as_list_fast().result)
        return lambda: count_rows(rows)

    return work


if __name__ == "__main__":
    carry_out(prepare)
