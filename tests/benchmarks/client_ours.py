"""This package: the client of its hook, built from an Airflow connection."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable

from job import METHOD, Job, carry_out

from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook
from airflow_provider_b24.rest.calls import Call


def prepare(job: Job) -> Callable[[], dict[str, int]]:
    """Return a run over all calls; ``options`` are extra fields of the connection."""
    client = make_hook(job).get_conn()

    def work() -> dict[str, int]:
        calls = (Call(METHOD, params) for params in job.params())
        return Counter(outcome.status for outcome in client.bulk(calls))

    return work


def make_hook(job: Job) -> Bitrix24Hook:
    """The hook, its connection in the environment."""
    connection = {
        "conn_type": "bitrix24",
        "host": f"https://{job.host}",
        "login": str(job.user),
        "password": job.code,
        "extra": {"ca_bundle": job.ca_bundle, **job.options},
    }
    os.environ["AIRFLOW_CONN_BITRIX24_DEFAULT"] = json.dumps(connection)
    return Bitrix24Hook()


if __name__ == "__main__":
    carry_out(prepare)
