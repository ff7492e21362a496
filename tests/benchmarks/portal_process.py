"""The imitation portal in a process of its own, told over standard input what it is and asked what it saw.

The first line holds its settings. Each further line is a question, answered by a line of JSON.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

from job import METHOD, wanted_companies

from airflow_provider_b24.sandbox import Bucket, JournalEntry, Portal, PortalServer
from airflow_provider_b24.sandbox.http.control import stats
from airflow_provider_b24.sandbox.model.limits import Operating


def main() -> None:
    """Serve until standard input ends."""
    settings = json.loads(sys.stdin.readline())
    portal = make_portal(settings)
    batches: Counter[str] = Counter()
    if settings.get("watched"):
        portal.on_request = lambda entry: batches.update([kind(entry)])
    with PortalServer(portal, certfile=settings["certificate"], keyfile=settings["key"]) as server:
        say({"host": f"{server.host}:{server.port}"})
        for line in sys.stdin:
            question = json.loads(line)
            seen = stats(portal, server.connections)
            right = right_contacts(portal, question["last"]) if settings["contacts"] else 0
            say(seen | {"right": right, "batches": batches})


def make_portal(settings: dict[str, Any]) -> Portal:
    """The portal that the settings describe; nothing is journalled, so that it is fast."""
    portal = Portal()
    portal.add_webhook(settings["user"], settings["code"])
    portal.add_generated(
        contacts=settings["contacts"], companies=settings["companies"], deal=settings["deals"]
    )
    if settings["changed"]:
        for deal_id in range(settings["changed"], settings["deals"] + 1, settings["changed"]):
            portal.update_record("deal", deal_id, COMMENTS="changed")
    portal.journal_limit = 0
    portal.latency = settings.get("latency", 0.0)
    portal.command_latency = settings.get("command_latency", 0.0)
    if "bucket" in settings:
        portal.bucket = Bucket(**settings["bucket"])
    if "operating" in settings:
        portal.operating = Operating(**settings["operating"])
    for contact_id in range(1, settings.get("bound", 0) + 1):
        first, second = wanted_companies(contact_id)
        rows = [(first, 100, True), (second, 200, False)]
        portal.bind(contact_id, rows if contact_id % settings["differs_every"] else rows[1:])
    return portal


def kind(entry: JournalEntry) -> str:
    """Whether a request reads or writes bindings, or neither."""
    methods = {method for method, _ in entry.commands or []}
    if METHOD in methods:
        return "write"
    return "read" if "crm.contact.company.items.get" in methods else "other"


def right_contacts(portal: Portal, last: int) -> int:
    """How many of the contacts 1 to ``last`` have the companies that they are to have."""
    return sum(
        tuple(row.member_id for row in portal.rows(contact_id)) == wanted_companies(contact_id)
        for contact_id in range(1, last + 1)
    )


def say(answer: dict[str, Any]) -> None:
    """Answer on standard output."""
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
