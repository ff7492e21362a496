"""Which contact belongs to which companies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple


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
    """One object for equal rows, so that a million contacts need little memory."""
    return binding


class Bindings:
    """The bindings of every contact, and how often each contact's were written through REST."""

    def __init__(self) -> None:
        self.writes: Counter[int] = Counter()
        self._rows: dict[int, tuple[Binding, ...]] = {}
        self._left_over: dict[int, int] = {}

    def rows(self, contact_id: int) -> tuple[Binding, ...]:
        """The contact's bindings by (SORT, COMPANY_ID)."""
        return self._rows.get(contact_id, ())

    def store(self, contact_id: int, rows: Iterable[Binding]) -> None:
        """Replace the contact's bindings."""
        kept = tuple(sorted((shared(row) for row in rows), key=lambda row: (row.sort, row.company_id)))
        self._left_over.pop(contact_id, None)
        if kept:
            self._rows[contact_id] = kept
        else:
            self._rows.pop(contact_id, None)

    def write(self, contact_id: int, rows: Iterable[Binding]) -> None:
        """Replace the contact's bindings and count the write."""
        self.writes[contact_id] += 1
        self.store(contact_id, rows)

    def primary_company(self, contact_id: int) -> int | None:
        """The contact's COMPANY_ID: the lowest primary company, or None."""
        primary = [row.company_id for row in self.rows(contact_id) if row.primary]
        return min(primary) if primary else self._left_over.get(contact_id)

    def contacts_of(self, company_id: int) -> list[int]:
        """Ids of the contacts bound to a company."""
        return sorted(
            contact_id
            for contact_id, rows in self._rows.items()
            if any(row.company_id == company_id for row in rows)
        )

    def remove_company(self, contact_id: int, company_id: int) -> None:
        """Unbind a company without promoting another one: COMPANY_ID becomes the lowest id left."""
        was_primary = self.primary_company(contact_id) == company_id
        self.store(contact_id, [row for row in self.rows(contact_id) if row.company_id != company_id])
        left = [row.company_id for row in self.rows(contact_id)]
        if was_primary and left:
            self._left_over[contact_id] = min(left)
