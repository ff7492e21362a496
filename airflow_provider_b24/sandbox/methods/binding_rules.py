"""How *.items.set turns what it receives into bindings: coercion, SORT, the primary one, duplicates."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from airflow_provider_b24.sandbox.model import php
from airflow_provider_b24.sandbox.model.bindings import Binding

SORT_STEP = 10

Stored = dict[int, Binding]


class Item(NamedTuple):
    """An element of ``items`` after coercion, and its position there; ``sort`` is None if it is missing."""

    position: int
    member_id: int
    sort: int | None
    primary: bool


SortRule = Callable[[list[Item], Stored], list[int]]


def normalize(sent: php.Array, member: str, stored: Stored, sort_rule: SortRule) -> list[Binding]:
    """The rows that a request asks for. ``member`` is the name of the members' id, such as COMPANY_ID."""
    items = _usable(sent, member)
    first = next((i for i, one in enumerate(items) if one.primary), 0)
    return [
        Binding(one.member_id, sort, primary=i == first)
        for i, (one, sort) in enumerate(zip(items, sort_rule(items, stored), strict=True))
    ]


def _usable(sent: php.Array, member: str) -> list[Item]:
    # The server counts from 0 to the number of elements, so it never sees elements under other keys.
    found = []
    for position in range(len(sent)):
        item = php.item(sent, position)
        member_id = php.to_int(php.item(item, member))
        if member_id > 0:
            sort = php.item(item, "SORT")
            found.append(
                Item(
                    position,
                    member_id,
                    None if sort is None else php.to_int(sort),
                    php.item(item, "IS_PRIMARY") == "Y",
                )
            )
    return found


def sort_by_position(items: list[Item], stored: Stored) -> list[int]:
    """The server's code: a SORT that is missing or not above 0 becomes the position times 10."""
    return [
        one.sort if one.sort is not None and one.sort > 0 else (one.position + 1) * SORT_STEP for one in items
    ]


def sort_as_documented(items: list[Item], stored: Stored) -> list[int]:
    """The page of crm.contact.company.items.set: bound companies keep SORT, new ones get the highest + 10.

    The highest is that of all stored and all sent values, wherever they stand in the request.
    """
    sent = [one.sort for one in items if one.sort is not None]
    highest = max([0, *(row.sort for row in stored.values()), *sent])
    sorts = []
    for one in items:
        known = stored.get(one.member_id)
        default = known.sort if known else highest + SORT_STEP
        sort = default if one.sort is None else one.sort
        highest = max(highest, sort)
        sorts.append(sort)
    return sorts


def changes(stored: Stored, wanted: list[Binding]) -> Stored:
    """The rows to write. The last duplicate wins; for a bound member, the first whose SORT differs."""
    latest = {row.member_id: row for row in wanted}
    written = {member_id: row for member_id, row in latest.items() if member_id not in stored}
    for row in wanted:
        if row.member_id not in written and row.sort != stored[row.member_id].sort:
            written[row.member_id] = row
    old, new = _primary(stored.values()), _primary(wanted)
    if old != new:
        if new is not None and new not in written:
            written[new] = latest[new]._replace(primary=True)
        if old is not None and old in latest:
            written[old] = latest[old]._replace(primary=False)
    return written


def _primary(rows: Iterable[Binding]) -> int | None:
    primary = [row.member_id for row in rows if row.primary]
    return primary[-1] if primary else None
