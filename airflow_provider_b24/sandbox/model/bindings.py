"""Links between records: the companies of contacts, the contacts of deals, leads and quotes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple


class Binding(NamedTuple):
    """A link of a record, such as a contact, to a member, such as a company."""

    member_id: int
    sort: int
    primary: bool
    role_id: int = 0

    def row(self, member: str = "COMPANY_ID") -> dict[str, Any]:
        """The row as crm.contact.company.items.get and its siblings return it."""
        return {
            member: self.member_id,
            "SORT": self.sort,
            "ROLE_ID": self.role_id,
            "IS_PRIMARY": "Y" if self.primary else "N",
        }


@lru_cache(maxsize=65536)
def shared(binding: Binding) -> Binding:
    """One object for equal rows, so that a million contacts need little memory."""
    return binding


class Bindings:
    """The bindings of all owners of one kind, and how often each owner's were written through REST.

    Owners are contacts and members are companies, or owners are deals, leads or quotes and members contacts.
    """

    def __init__(self) -> None:
        self.writes: Counter[int] = Counter()
        self.version = 0
        self._rows: dict[int, tuple[Binding, ...]] = {}
        self._left_over: dict[int, int] = {}

    def rows(self, owner_id: int) -> tuple[Binding, ...]:
        """The owner's bindings by (SORT, member id)."""
        return self._rows.get(owner_id, ())

    def store(self, owner_id: int, rows: Iterable[Binding]) -> None:
        """Replace the owner's bindings."""
        kept = tuple(sorted((shared(row) for row in rows), key=lambda row: (row.sort, row.member_id)))
        self._left_over.pop(owner_id, None)
        self.version += 1
        if kept:
            self._rows[owner_id] = kept
        else:
            self._rows.pop(owner_id, None)

    def write(self, owner_id: int, rows: Iterable[Binding]) -> None:
        """Replace the owner's bindings and count the write."""
        self.writes[owner_id] += 1
        self.store(owner_id, rows)

    def primary(self, owner_id: int) -> int | None:
        """The id of the lowest primary member, or None."""
        primary = [row.member_id for row in self.rows(owner_id) if row.primary]
        return min(primary) if primary else self._left_over.get(owner_id)

    def owners_of(self, member_id: int) -> list[int]:
        """Ids of the owners bound to a member."""
        return sorted(
            owner_id
            for owner_id, rows in self._rows.items()
            if any(row.member_id == member_id for row in rows)
        )

    def remove(self, owner_id: int, member_id: int) -> None:
        """Unbind a member without promoting another one: the owner's field shows the lowest id left."""
        was_primary = self.primary(owner_id) == member_id
        self.store(owner_id, [row for row in self.rows(owner_id) if row.member_id != member_id])
        left = [row.member_id for row in self.rows(owner_id)]
        if was_primary and left:
            self._left_over[owner_id] = min(left)
