"""The portal's data: records of every kind, the bindings between them, users, messages and events."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from airflow_provider_b24.sandbox.model import people, samples
from airflow_provider_b24.sandbox.model.bindings import Binding, Bindings
from airflow_provider_b24.sandbox.model.calls import User
from airflow_provider_b24.sandbox.model.kinds import crm_kinds, smart_process
from airflow_provider_b24.sandbox.model.moments import iso
from airflow_provider_b24.sandbox.model.offline_queue import OfflineQueue
from airflow_provider_b24.sandbox.model.records import Record, Records
from airflow_provider_b24.sandbox.model.schema import Kind

Rules = Literal["documented", "observed"]

SAMPLES: dict[str, Callable[[int, int], Record]] = {
    "contact": people.contact,
    "company": people.company,
    "deal": samples.deal,
    "lead": samples.lead,
    "quote": samples.quote,
    "task": samples.task,
    "elapsed_item": samples.elapsed_item,
    "user": samples.user,
    "department": samples.department,
    "call": samples.telephone_call,
    "stage_change": samples.stage_change,
    "status_change": samples.status_change,
    "activity": samples.activity,
    "address": samples.address,
    "list_element": samples.list_element,
    "dialog": samples.dialog,
    "signed_document": samples.signed_document,
    "calendar_event": samples.calendar_event,
    "data_source": samples.data_source,
}
DEFAULTS = {
    "contact": people.CONTACT_DEFAULTS,
    "company": people.COMPANY_DEFAULTS,
    "deal": samples.DEAL_DEFAULTS,
    "lead": samples.LEAD_DEFAULTS,
    "quote": samples.QUOTE_DEFAULTS,
}
MODIFIED = {"task": "CHANGED_DATE", "activity": "LAST_UPDATED", "dialog": "DATE_UPDATE"}
"""The field that holds a record's time of modification, where it is not DATE_MODIFY."""


@dataclass
class Behavior:
    """What differs between portals.

    ``rules`` says whether SORT and permissions follow the documentation or the server's code.
    With ``company_read_check`` a binding change is refused if it touches a company that the user may not
    read, as in newer portals. ``utc_offset`` is the portal's time zone in hours. ``offline_extended`` says
    whether the plan allows to reserve offline events.
    """

    rules: Rules = "documented"
    company_read_check: bool = False
    utc_offset: float = 0.0
    offline_extended: bool = True


class State:
    """What the portal stores. REST methods and the set-up methods of tests change it under ``lock``."""

    def __init__(self, rules: Rules = "documented", clock: Callable[[], float] = time.time) -> None:
        self.behavior = Behavior(rules)
        self.clock = clock
        self.lock = threading.RLock()
        self.kinds = crm_kinds()
        self.tables = {name: Records(sample) for name, sample in SAMPLES.items()}
        self.links = {name: Bindings() for name in ("contact", "deal", "lead", "quote")}
        self.users: dict[int, User] = {}
        self.messages: list[dict[str, Any]] = []
        self.events = OfflineQueue(clock)
        self.file_ids = itertools.count(1001)

    @property
    def contacts(self) -> Records:
        """The contacts."""
        return self.tables["contact"]

    @property
    def companies(self) -> Records:
        """The companies."""
        return self.tables["company"]

    @property
    def bindings(self) -> Bindings:
        """The companies of contacts."""
        return self.links["contact"]

    @property
    def now(self) -> str:
        """The portal's time as ISO 8601 with offset."""
        return iso(int(self.clock()), self.behavior.utc_offset)

    def table(self, name: str) -> Records:
        """A table by name; raises ``ValueError`` if the portal has no such table."""
        if name not in self.tables:
            raise ValueError(f"unknown table {name!r}; use one of {', '.join(sorted(self.tables))}")
        return self.tables[name]

    def add_user(self, user: User) -> None:
        """Add a portal user, or replace the one with the same id."""
        with self.lock:
            self.users[user.id] = user
            card = {"ACTIVE": user.active, "NAME": user.name, "LAST_NAME": user.last_name}
            email = f"{user.name}.{user.last_name}@example.com".lower()
            self.table("user").add(user.id, samples.user(user.id, 0) | card | {"EMAIL": email})

    def add_smart_process(self, type_id: int, title: str) -> Kind:
        """Add a smart process; its table is named ``dynamic_{type_id}``."""
        kind = smart_process(type_id, title)
        with self.lock:
            self.kinds[type_id] = kind
            self.tables.setdefault(kind.name, Records(samples.smart_item))
            self.links.setdefault(kind.name, Bindings())
        return kind

    def add(self, table: str, record_id: int | None, fields: Record) -> int:
        """Store a record with default fields and times, and return its id."""
        with self.lock:
            stamps = {"DATE_CREATE": self.now, self._modified(table): self.now}
            return self.table(table).add(record_id, DEFAULTS.get(table, {}) | stamps | _with_reach(fields))

    def update(self, table: str, record_id: int, fields: Record) -> None:
        """Change a record and its time of modification."""
        with self.lock:
            records = self.table(table)
            if record_id not in records:
                raise ValueError(f"{table} {record_id} does not exist")
            records.update(record_id, {self._modified(table): self.now} | _with_reach(fields))

    def _modified(self, table: str) -> str:
        return MODIFIED.get(table, "DATE_MODIFY")

    def get(self, table: str, record_id: int) -> Record | None:
        """A record with the fields that follow from its bindings, or None."""
        record = self.table(table).get(record_id)
        if record is None or table not in self.links:
            return record
        links = self.links[table]
        ids = [row.member_id for row in links.rows(record_id)]
        if table == "contact":
            return record | {"COMPANY_ID": links.primary(record_id), "COMPANY_IDS": ids}
        if not ids and record.get("CONTACT_ID"):
            ids = [record["CONTACT_ID"]]
        return record | {
            "CONTACT_ID": links.primary(record_id) or record.get("CONTACT_ID"),
            "CONTACT_IDS": ids,
        }

    def delete(self, table: str, record_id: int) -> bool:
        """Delete a record with its bindings; False if it did not exist."""
        with self.lock:
            if table in self.links:
                self.links[table].store(record_id, ())
            if table == "company":
                for contact_id in self.bindings.owners_of(record_id):
                    self.bindings.remove(contact_id, record_id)
            return self.table(table).delete(record_id)

    def move(self, table: str, record_id: int, member_id: int) -> None:
        """Set COMPANY_ID (CONTACT_ID): a member that is not bound yet replaces all bindings."""
        links = self.links[table]
        if member_id not in {row.member_id for row in links.rows(record_id)}:
            links.store(record_id, [Binding(member_id, 10, primary=True)] if member_id > 0 else [])

    def relink(self, table: str, record_id: int, member_ids: Iterable[int]) -> None:
        """Set COMPANY_IDS (CONTACT_IDS): the order becomes SORT, the first is primary, roles remain."""
        roles = {row.member_id: row.role_id for row in self.links[table].rows(record_id)}
        ids = dict.fromkeys(member_ids)
        self.links[table].store(
            record_id,
            [
                Binding(member_id, (i + 1) * 10, i == 0, roles.get(member_id, 0))
                for i, member_id in enumerate(ids)
            ],
        )

    def links_version(self, table: str) -> int:
        """A number that changes with the bindings of a table's records."""
        return self.links[table].version if table in self.links else 0

    def forbid(self, table: str, ids: Iterable[int]) -> None:
        """Make these records unreadable for every user."""
        with self.lock:
            self.table(table).hidden.update(ids)


def _with_reach(fields: Record) -> Record:
    """The fields with HAS_PHONE and HAS_EMAIL, which follow from PHONE and EMAIL."""
    given = [name for name in ("PHONE", "EMAIL") if name in fields]
    return {f"HAS_{name}": "Y" if fields[name] else "N" for name in given} | fields if given else fields
