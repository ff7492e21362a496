"""The reference: the shortest loop over requests that reads every command's outcome. It keeps no limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import requests
from job import BATCH, METHOD, Job, carry_out


def prepare(job: Job) -> Callable[[], dict[str, int]]:
    """Return the loop over all batches."""
    session = requests.Session()
    session.verify = job.ca_bundle

    def work() -> dict[str, int]:
        params = list(job.params())
        written = 0
        for first in range(0, len(params), BATCH):
            written += send(session, job.webhook, params[first : first + BATCH])
        return {"written": written}

    return work


def send(session: requests.Session, webhook: str, chunk: list[dict[str, Any]]) -> int:
    """Send one batch and count what was written."""
    commands = {str(position): command(params) for position, params in enumerate(chunk)}
    response = session.post(f"{webhook}batch", json={"halt": 0, "cmd": commands}, timeout=65)
    response.raise_for_status()
    body = response.json()["result"]
    results, errors = by_key(body["result"]), by_key(body["result_error"])
    return sum(results.get(key) is True for key in commands if key not in errors)


def command(params: dict[str, Any]) -> str:
    """One command of a batch."""
    pairs = [("id", params["id"])]
    for position, item in enumerate(params["items"]):
        pairs += [(f"items[{position}][{name}]", value) for name, value in item.items()]
    return f"{METHOD}?{urlencode(pairs)}"


def by_key(part: Any) -> dict[str, Any]:
    """PHP writes a map whose keys are 0..n as a list."""
    return {str(key): value for key, value in enumerate(part)} if isinstance(part, list) else part


if __name__ == "__main__":
    carry_out(prepare)
