"""b24pysdk, the official SDK: ``call_batches`` with the whole list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from b24pysdk import BitrixWebhook
from job import METHOD, Job, carry_out


def prepare(job: Job) -> Callable[[], dict[str, Any]]:
    """Return the call."""
    portal = BitrixWebhook(domain=job.host, webhook_token=f"{job.user}/{job.code}")

    def work() -> dict[str, Any]:
        answer = portal.call_batches([(METHOD, params) for params in job.params()])
        result = answer["result"]
        return {"success": len(result["result"]), "failure": len(result["result_error"])}

    return work


if __name__ == "__main__":
    carry_out(prepare)
