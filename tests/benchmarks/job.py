"""What every client of the lab does the same way: read its job, wait for the start, work, say what it took.

It runs in the environments of all clients, so it needs no more than the standard library.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

METHOD = "crm.contact.company.items.set"
BATCH = 50
COMPANIES = 50
LIST = "crm.deal.list"
SELECT = ["ID", "TITLE", "OPPORTUNITY", "STAGE_ID", "DATE_MODIFY"]


@dataclass(frozen=True)
class Job:
    """
    Set the companies of contacts ``first`` to ``last`` of one portal, or read all rows of a list.

    ``options`` are extra fields of our connection. ``file`` holds the contacts where a sync is to read them,
    or takes the rows of an export; ``since`` is the time after which an export reads changes.
    """

    host: str
    user: int
    code: str
    ca_bundle: str
    first: int
    last: int
    options: dict[str, Any]
    file: str
    since: str = ""

    @property
    def webhook(self) -> str:
        """The address that most clients ask for."""
        return f"https://{self.host}/rest/{self.user}/{self.code}/"

    def params(self) -> Iterator[dict[str, Any]]:
        """The parameters of each call, in the shape of the documentation's example."""
        for contact_id in range(self.first, self.last + 1):
            yield {"id": contact_id, "items": wanted_items(contact_id)}


def wanted_items(contact_id: int) -> list[dict[str, Any]]:
    """The companies that a contact is to have."""
    first, second = wanted_companies(contact_id)
    return [
        {"COMPANY_ID": first, "IS_PRIMARY": "Y", "SORT": 100},
        {"COMPANY_ID": second, "IS_PRIMARY": "N", "SORT": 200},
    ]


def wanted_companies(contact_id: int) -> tuple[int, int]:
    """Their ids, the primary one first."""
    return contact_id % COMPANIES + 1, (contact_id + 7) % COMPANIES + 1


def carry_out(prepare: Callable[[Job], Callable[[], Any]]) -> None:
    """
    Run the client: ``prepare`` builds it from the job and returns the work that is measured.

    The work may return a mapping, which becomes part of the result, or a function that returns one and is
    called when time and memory have been measured.
    """
    job = Job(**json.loads(sys.stdin.readline()))
    work = prepare(job)
    gc.collect()
    gc.freeze()  # as Airflow does before it forks workers: no collection walks what was imported
    print("ready", flush=True)
    sys.stdin.readline()
    started, cpu = time.perf_counter(), cpu_seconds()
    died, said = "", None
    try:
        said = work()
    except Exception as error:  # noqa: BLE001 - whatever ends a client is its result
        died = f"{type(error).__name__}: {error}".replace(job.code, "***")[:120]
    result = {
        "seconds": time.perf_counter() - started,
        "cpu": cpu_seconds() - cpu,
        "peak_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "died": died,
    }
    result["said"] = said() if callable(said) else said
    print(json.dumps(result), flush=True)
    os._exit(bool(died))  # a client that died may have threads that wait for ever


def cpu_seconds() -> float:
    """User and system seconds of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def count_rows(rows: Iterable[Any]) -> dict[str, int]:
    """How many rows were read, and how many different ids they have."""
    ids = [int(row["ID"]) for row in rows]
    return {"rows": len(ids), "ids": len(set(ids))}
