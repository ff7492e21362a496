"""What the portal knows: contacts, companies and the bindings between them."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from typing import Any, Literal, NamedTuple

from airflow_provider_b24.sandbox.model import people
from airflow_provider_b24.sandbox.model.offline_queue import OfflineQueue

Record = dict[str, Any]
Rules = Literal["documented", "observed"]


class Binding(NamedTuple):
    """A row of b_crm_contact_company without the contact's id."""

    company_id: int
    sort: int
    primary: bool
    role_id: int = 0

    def row(self) -> dict[str, Any]:
        """The row as crm.contact.company.items.get returns it."""
        return {
            "COMPANY_ID": self.company_id,
            "SORT": self.sort,
            "ROLE_ID": self.role_id,
            "IS_PRIMARY": "Y" if self.primary else "N",
        }


@lru_cache(maxsize=65536)
def shared(binding: Binding) -> Binding:
    """One object for equal rows: a million contacts then cost little memory."""
    return binding


class Records:
    """Records of one kind by id: those added, over a generated range 1..N that takes no memory."""

    def __init__(self, generate: Callable[[int], Record]) -> None:
        self._generate = generate
        self._generated = 0
        self._added: dict[int, Record] = {}
        self._deleted: set[int] = set()
        self._beyond: list[int] | None = None

    def add(self, record_id: int | None, fields: Record) -> int:
        """Store a record under this id (None: the next free one) and return the id."""
        number = self.last_id + 1 if record_id is None else record_id
        self._added[number] = {"ID": number, **fields}
        self._deleted.discard(number)
        self._beyond = None
        return number

    def generate(self, count: int) -> None:
        """Make the ids 1..count exist."""
        self._generated = max(self._generated, count)
        self._beyond = None

    def delete(self, record_id: int) -> bool:
        """Remove a record; False when there was none."""
        if record_id not in self:
            return False
        self._added.pop(record_id, None)
        self._deleted.add(record_id)
        self._beyond = None
        return True

    def get(self, record_id: int) -> Record | None:
        """The record, or None. A generated one is made anew each time."""
        if record_id not in self:
            return None
        return self._added.get(record_id) or {"ID": record_id, **self._generate(record_id)}

    def __contains__(self, record_id: int) -> bool:
        if record_id in self._deleted:
            return False
        return 0 < record_id <= self._generated or record_id in self._added

    @property
    def last_id(self) -> int:
        """The highest id ever used among those that exist."""
        return max(self._generated, max(self._added, default=0))

    def ids(self, low: int = 1, high: int | None = None, descending: bool = False) -> Iterator[int]:
        """Existing ids from low to high, in order, without making the records."""
        inside, beyond = self._spans(low, high)
        runs: Iterable[int] = chain(inside, beyond)
        if descending:
            runs = chain(reversed(beyond), reversed(inside))
        return (number for number in runs if number not in self._deleted)

    def count(self, low: int = 1, high: int | None = None) -> int:
        """How many ids lie from low to high."""
        inside, beyond = self._spans(low, high)
        return len(inside) + len(beyond) - sum(number in inside for number in self._deleted)

    def _spans(self, low: int, high: int | None) -> tuple[range, list[int]]:
        if self._beyond is None:
            self._beyond = sorted(number for number in self._added if number > self._generated)
        top = self._generated if high is None else min(high, self._generated)
        end = len(self._beyond) if high is None else bisect_right(self._beyond, high)
        return range(max(1, low), max(1, low, top + 1)), self._beyond[bisect_left(self._beyond, low) : end]


class State:
    """The portal's data and the set-up methods that tests and demos use to fill it."""

    def __init__(self, rules: Rules = "documented", clock: Callable[[], float] = time.time) -> None:
        self.rules = rules
        self.clock = clock
        self.lock = threading.RLock()
        self.contacts = Records(people.contact)
        self.companies = Records(people.company)
        self.company_read_check = False
        self.forbidden_contacts: set[int] = set()
        self.forbidden_companies: set[int] = set()
        self.messages: list[dict[str, Any]] = []
        self.events = OfflineQueue(clock)
        self.prefix = ""
        self.writes: Counter[int] = Counter()
        self._bindings: dict[int, tuple[Binding, ...]] = {}
        self._left_over: dict[int, int] = {}

    def add_contact(self, id: int | None = None, **fields: Any) -> int:  # noqa: A002 - the API's own name
        """Add a contact (fields in the API's upper case: NAME, LAST_NAME, POST, PHONE...)."""
        with self.lock:
            return self.contacts.add(id, people.CONTACT_DEFAULTS | self._stamps() | fields)

    def add_company(self, id: int | None = None, **fields: Any) -> int:  # noqa: A002 - the API's own name
        """Add a company (TITLE, INDUSTRY, PHONE...)."""
        with self.lock:
            return self.companies.add(id, people.COMPANY_DEFAULTS | self._stamps() | fields)

    def _stamps(self) -> Record:
        now = datetime.fromtimestamp(self.clock(), UTC).isoformat(timespec="seconds")
        return {"DATE_CREATE": now, "DATE_MODIFY": now}

    def add_generated(self, contacts: int = 0, companies: int = 0) -> None:
        """Make contacts 1..N and companies 1..M exist, with data made from the id; takes no memory."""
        with self.lock:
            self.contacts.generate(contacts)
            self.companies.generate(companies)

    def contact(self, contact_id: int) -> Record | None:
        """The contact with its COMPANY_ID, or None."""
        with self.lock:
            record = self.contacts.get(contact_id)
            return None if record is None else {**record, "COMPANY_ID": self.primary_company(contact_id)}

    def company(self, company_id: int) -> Record | None:
        """The company, or None."""
        with self.lock:
            record = self.companies.get(company_id)
            return None if record is None else dict(record)

    def delete_contact(self, contact_id: int) -> bool:
        """Delete a contact with its bindings; False when it did not exist."""
        with self.lock:
            self.store(contact_id, ())
            return self.contacts.delete(contact_id)

    def delete_company(self, company_id: int) -> bool:
        """Delete a company with its bindings. Nobody is promoted: COMPANY_ID falls to the lowest id left."""
        with self.lock:
            for contact_id in self.contacts_of(company_id):
                self._unbind_deleted(contact_id, company_id)
            return self.companies.delete(company_id)

    def _unbind_deleted(self, contact_id: int, company_id: int) -> None:
        was_primary = self.primary_company(contact_id) == company_id
        self.store(contact_id, (row for row in self.rows(contact_id) if row.company_id != company_id))
        left = [row.company_id for row in self.rows(contact_id)]
        if was_primary and left:
            self._left_over[contact_id] = min(left)

    def bind(
        self, contact_id: int, companies: Iterable[tuple[int, int, bool] | tuple[int, int, bool, int]]
    ) -> None:
        """Set a contact's bindings as they are given: (company id, SORT, primary), perhaps a role id."""
        with self.lock:
            self.store(contact_id, (Binding(*row) for row in companies))

    def bindings(self, contact_id: int) -> list[dict[str, Any]]:
        """The contact's bindings as crm.contact.company.items.get returns them."""
        with self.lock:
            return [row.row() for row in self.rows(contact_id)]

    def rows(self, contact_id: int) -> tuple[Binding, ...]:
        """The contact's bindings by (SORT, COMPANY_ID)."""
        return self._bindings.get(contact_id, ())

    def store(self, contact_id: int, rows: Iterable[Binding]) -> None:
        """Replace the contact's bindings."""
        kept = tuple(sorted((shared(row) for row in rows), key=lambda row: (row.sort, row.company_id)))
        self._left_over.pop(contact_id, None)
        if kept:
            self._bindings[contact_id] = kept
        else:
            self._bindings.pop(contact_id, None)

    def primary_company(self, contact_id: int) -> int | None:
        """The contact's COMPANY_ID: the lowest primary company, or None."""
        primary = [row.company_id for row in self.rows(contact_id) if row.primary]
        return min(primary) if primary else self._left_over.get(contact_id)

    def contacts_of(self, company_id: int) -> list[int]:
        """Ids of the contacts bound to a company."""
        return sorted(
            contact_id
            for contact_id, rows in self._bindings.items()
            if any(row.company_id == company_id for row in rows)
        )

    def forbid_contacts(self, ids: Iterable[int]) -> None:
        """Refuse these contacts to every user: rows that fail for ever."""
        self.forbidden_contacts.update(ids)

    def forbid_companies(self, ids: Iterable[int]) -> None:
        """Make these companies unreadable to every user."""
        self.forbidden_companies.update(ids)
