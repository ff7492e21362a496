"""Imitation portals whose network breaks down, and what a sync is to leave in them."""

import json
from collections.abc import Iterable
from pathlib import Path

from airflow_provider_b24.sandbox import Fault, Portal

CODE = "canary0code0of0the0webhook"
EVERY = 7  # each seventh request meets a fault, of one kind after the other
FAULTS = [
    ("reset", False),
    ("reset", True),
    ("html_502", False),
    ("html_503", True),
    ("truncated", True),
]


def make_portal(contacts: int, forbidden: Iterable[int] = (), latency: float = 0.0) -> Portal:
    """A portal with contacts 1..N and companies 1..50, some of the contacts out of reach forever."""
    portal = Portal()
    portal.add_webhook(1, CODE)
    portal.add_generated(contacts=contacts, companies=50)
    portal.forbid_contacts(forbidden)
    portal.latency = latency
    return portal


def break_network(portal: Portal) -> list[Fault]:
    """Let every seventh request fail: before or after its effect, by a reset, a page or half an answer."""
    for number, (kind, after) in enumerate(FAULTS):
        fault = portal.add_fault(Fault(kind, every=EVERY * len(FAULTS), after=after))
        fault.seen = EVERY * number
    return portal.faults


def company_of(contact: int) -> int:
    return contact % 50 + 1


def write_wanted(path: Path, contacts: int) -> Path:
    """A file that wants one company for each contact."""
    lines = (
        json.dumps({"contact_id": contact, "items": [company_of(contact)]})
        for contact in range(1, contacts + 1)
    )
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def wrong_contacts(portal: Portal, contacts: int) -> list[int]:
    """Those of the contacts that do not have the company they are to have."""
    return [
        contact
        for contact in range(1, contacts + 1)
        if [row["COMPANY_ID"] for row in portal.bindings(contact)] != [company_of(contact)]
    ]


def lines_of(report: Path) -> list[dict]:
    return [json.loads(line) for line in report.read_text().splitlines()]


def failed_contacts(report: Path) -> list[int]:
    return [line["contact_id"] for line in lines_of(report) if line["status"] == "failed"]


def unconfirmed_writes(portal: Portal) -> set[int]:
    """The contacts whose write was answered, and the answer lost by a fault: they may be written again."""
    return {
        int(params["id"])
        for entry in portal.journal
        if entry.fault is not None
        for method, params in entry.commands or []
        if method.endswith(".items.set")
    }
