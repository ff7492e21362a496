"""The portal's data: contacts, companies, the bindings between them, users, messages and events."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Literal

from airflow_provider_b24.sandbox.model import people
from airflow_provider_b24.sandbox.model.bindings import Bindings
from airflow_provider_b24.sandbox.model.calls import User
from airflow_provider_b24.sandbox.model.offline_queue import OfflineQueue
from airflow_provider_b24.sandbox.model.records import Record, Records

Rules = Literal["documented", "observed"]


class State:
    """What the portal stores. Methods of REST and set-up methods of tests change it under ``lock``."""

    def __init__(self, rules: Rules = "documented", clock: Callable[[], float] = time.time) -> None:
        self.rules = rules
        self.clock = clock
        self.lock = threading.RLock()
        self.company_read_check = False
        self.contacts = Records(people.contact)
        self.companies = Records(people.company)
        self.bindings = Bindings()
        self.users: dict[int, User] = {}
        self.messages: list[dict[str, Any]] = []
        self.events = OfflineQueue(clock)

    @property
    def now(self) -> str:
        """The portal's time as ISO 8601 with offset."""
        return datetime.fromtimestamp(self.clock(), UTC).isoformat(timespec="seconds")

    def add_contact(self, record_id: int | None, fields: Record) -> int:
        """Store a contact and return its id."""
        with self.lock:
            return self.contacts.add(record_id, people.CONTACT_DEFAULTS | self._stamps() | fields)

    def add_company(self, record_id: int | None, fields: Record) -> int:
        """Store a company and return its id."""
        with self.lock:
            return self.companies.add(record_id, people.COMPANY_DEFAULTS | self._stamps() | fields)

    def _stamps(self) -> Record:
        return {"DATE_CREATE": self.now, "DATE_MODIFY": self.now}

    def contact(self, contact_id: int) -> Record | None:
        """The contact with its COMPANY_ID, or None."""
        record = self.contacts.get(contact_id)
        if record is None:
            return None
        return {**record, "COMPANY_ID": self.bindings.primary_company(contact_id)}

    def company(self, company_id: int) -> Record | None:
        """The company, or None."""
        record = self.companies.get(company_id)
        return None if record is None else dict(record)

    def delete_contact(self, contact_id: int) -> bool:
        """Delete a contact with its bindings; False if it did not exist."""
        with self.lock:
            self.bindings.store(contact_id, ())
            return self.contacts.delete(contact_id)

    def delete_company(self, company_id: int) -> bool:
        """Delete a company with its bindings; False if it did not exist."""
        with self.lock:
            for contact_id in self.bindings.contacts_of(company_id):
                self.bindings.remove_company(contact_id, company_id)
            return self.companies.delete(company_id)

    def forbid(self, table: Records, ids: Iterable[int]) -> None:
        """Make these records unreadable for every user."""
        with self.lock:
            table.hidden.update(ids)
