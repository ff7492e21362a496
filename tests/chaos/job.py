"""What a round is to do, and whether it was done exactly: portal, report and the export's file."""

import json
import time
from collections import Counter
from pathlib import Path

from airflow_provider_b24.sandbox import JournalEntry, Operating, Portal

CODE = "canary0code0of0the0webhook"
SET = "crm.contact.company.items.set"
ADMIN = 1
LATENCY = 0.3  # seconds of each request
LIST_LATENCY = 1.0  # seconds more of each request with pages of a list
WINDOW = 150  # seconds: much longer than a task waits in its slot


class Job:
    """
    A sync of some of a portal's contacts, and an export of all.

    :param contacts: how many the sync is about.
    :param rows: how many the portal has.
    """

    def __init__(self, contacts: int, rows: int) -> None:
        self.contacts = contacts
        self.rows = rows

    def make_portal(self, defers: bool) -> Portal:
        """Return a portal; ``defers``: its operating limit makes the sync wait for more than a minute."""
        portal = Portal()
        portal.add_webhook(ADMIN, CODE)
        portal.add_generated(contacts=self.rows, companies=50)
        for contact in range(1, self.contacts + 1):
            if company := company_before(contact):
                portal.bind(contact, [(company, 10, True)])
        portal.journal_limit = 0
        portal.latency = LATENCY
        portal.on_request = slow_down_lists
        if defers:
            cost = {SET: 480.0 / (self.contacts * 0.4)}  # the limit is met after 60 % of the writes
            portal.operating = Operating(limit=480.0, window=WINDOW, cost=cost)
        return portal

    def write_wanted(self, path: Path) -> None:
        """Write the file that the sync reads."""
        lines = (
            json.dumps({"contact_id": contact, "items": [company_wanted(contact)]})
            for contact in range(1, self.contacts + 1)
        )
        path.write_text("".join(f"{line}\n" for line in lines))

    def progress(self, portal: Portal, name: str) -> float:
        """Return how much of the sync or the export is done, from 0 to 1."""
        if name == "sync":
            return len(portal.writes) / (self.contacts * 2 / 3)
        return portal.executed["crm.contact.list"] / (self.rows / 50)

    def mistakes(self, portal: Portal, report: Path, rows: Path) -> list[str]:
        """Return what is not exact; nothing if all is well."""
        every = range(1, self.contacts + 1)
        wrong = [one for one in every if companies(portal.bindings(one)) != [company_wanted(one)]]
        found = [f"{len(wrong)} contacts are wrong in the portal, {wrong[:3]}"] if wrong else []
        found += mistakes_of_report(report, self.contacts)
        ids = Counter(int(row["ID"]) for row in read(rows))
        missing = self.rows - len(ids)
        repeated = sum(ids.values()) - len(ids)
        if missing or repeated:
            found.append(f"the export's file lacks {missing} rows and repeats {repeated}")
        return found


def mistakes_of_report(report: Path, contacts: int) -> list[str]:
    """Return what is wrong in a report: contacts missing or repeated, or not as they were before."""
    lines = read(report)
    found = []
    if [line["contact_id"] for line in lines] != list(range(1, contacts + 1)):
        count = len({line["contact_id"] for line in lines})
        found.append(f"the report has {len(lines)} lines about {count} contacts, or in another order")
    wrong = [line for line in lines if companies(line["before"]) != expected(line["contact_id"])]
    if wrong:
        found.append(f"the report is wrong about {len(wrong)} contacts before, {wrong[:2]}")
    if statuses := {line["status"] for line in lines} - {"written", "unchanged"}:
        found.append(f"the report has the statuses {statuses}")
    return found


def company_wanted(contact: int) -> int:
    """Return the company that a contact is to have."""
    return contact % 50 + 1


def company_before(contact: int) -> int | None:
    """Return the company that a contact has at first: the right one, another, or none."""
    return (company_wanted(contact), contact % 49 + 2 - contact // 49 % 2, None)[contact % 3]


def expected(contact: int) -> list[int]:
    """Return a contact's companies at first, as the report is to say."""
    company = company_before(contact)
    return [] if company is None else [company]


def companies(items: list[dict]) -> list[int]:
    """Return the companies of bindings."""
    return [int(item["COMPANY_ID"]) for item in items]


def slow_down_lists(entry: JournalEntry) -> None:
    """Make pages of lists as slow as they are in a large portal."""
    if any(method == "crm.contact.list" for method, _ in entry.commands or []):
        time.sleep(LIST_LATENCY)


def read(path: Path) -> list[dict]:
    """Return the objects of a file of JSON lines; a file that does not exist has none."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
