"""
What a sync is given, read row by row: records with ``items``, flat rows, lines of a report to undo.

Every row becomes a ``Wanted`` or a ``Rejected`` that names its line; none is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from airflow_provider_b24.crm.bindings import CompanyBinding, parse_bindings
from airflow_provider_b24.crm.values import parse_id
from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.sync.idset import IdSet

_CONTACT_KEYS = ("contact_id", "CONTACT_ID", "id", "ID")
_COMPANY_KEYS = ("company_id", "COMPANY_ID")
_UNDONE = frozenset(
    {"written", "unknown"}
)  # the outcomes of a report that changed, or may have changed, something


@dataclass(frozen=True, slots=True)
class Wanted:
    """The companies a contact shall have, and the line of the input that says so."""

    line: int
    contact_id: int
    bindings: tuple[CompanyBinding, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that cannot be used, and why."""

    line: int
    contact_id: int | None
    reason: str


def parse_wanted(
    rows: Iterable[tuple[int, Any]],
    *,
    columns: Sequence[str] | None = None,
    allow_empty: bool = False,
    undo: bool = False,
) -> Iterator[Wanted | Rejected]:
    """
    Read rows, each with its line number.

    :param rows: records ``{"contact_id": 82, "items": [...]}``, flat rows
        ``{"contact_id": 82, "company_id": 8, "is_primary": "Y", "sort": 100}`` (those of one contact stand
        together; no company at all means an empty set), or flat rows as tuples.
    :param columns: names of the columns of tuples.
    :param allow_empty: whether a contact may end without companies.
    :param undo: the rows are lines of a report; what it wrote is to become what was before.
    """
    seen = IdSet()
    read = _undone if undo else _group
    for line, contact, items in read(_named(rows, columns)):
        yield _checked(line, contact, items, allow_empty or undo, seen)


def together(rows: Sequence[Any], columns: Sequence[str] | None) -> list[tuple[int, Any]]:
    """Number the rows of a list and bring the flat rows of one contact together; a query may mix them."""
    numbered = list(enumerate(rows, start=1))
    first: dict[Any, int] = {}
    for position, (_, row) in enumerate(_named(numbered, columns)):
        if isinstance(row, Mapping) and "items" not in row:
            contact = _plain_contact(row)
            if contact is not None:
                first.setdefault(contact, position)
    if not first:
        return numbered

    def place(numbered_row: tuple[int, Any]) -> int:
        line = numbered_row[0]
        named = next(iter(_named([numbered_row], columns)))[1]
        contact = _plain_contact(named) if isinstance(named, Mapping) and "items" not in named else None
        return first[contact] if contact is not None else line - 1

    return sorted(numbered, key=place)


def _named(rows: Iterable[tuple[int, Any]], columns: Sequence[str] | None) -> Iterator[tuple[int, Any]]:
    """Give tuples the names of their columns; a row of another length stays and is rejected later."""
    for line, row in rows:
        if columns is not None and isinstance(row, list | tuple) and len(row) == len(columns):
            yield line, dict(zip(columns, row, strict=True))
        else:
            yield line, row


def _group(rows: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any, Any]]:
    """Yield (line, contact, items): a record alone, neighbouring flat rows of one contact as one."""
    for (kind, contact, _), group in groupby(rows, key=_kind):
        if kind == "flat":
            lines = list(group)
            yield lines[0][0], contact, _flat_items(lines)
            continue
        for line, row in group:
            yield line, contact, row["items"] if kind == "record" else _what_is_wrong(row)


def _kind(numbered: tuple[int, Any]) -> tuple[str, Any, int]:
    line, row = numbered
    if not isinstance(row, Mapping):
        return "bad", None, line
    contact = next((row[key] for key in _CONTACT_KEYS if key in row), None)
    if "items" in row:
        unknown = [key for key in row if key not in (*_CONTACT_KEYS, "items")]
        return ("record", contact, line) if not unknown else ("bad", contact, line)
    if any(key in row for key in _COMPANY_KEYS):
        plain = _plain_contact(row)
        return "flat", contact if plain is None else plain, 0 if plain is not None else line
    return "bad", contact, line


def _plain_contact(row: Mapping[str, Any]) -> int | None:
    value = next((row[key] for key in _CONTACT_KEYS if key in row), None)
    try:
        return parse_id(value, "contact_id")
    except Bitrix24InputError:
        return None


def _flat_items(lines: list[tuple[int, Mapping[str, Any]]]) -> Any:
    items = [
        {key: None if value == "" else value for key, value in row.items() if key not in _CONTACT_KEYS}
        for _, row in lines
    ]
    if len(items) == 1 and all(items[0].get(key) is None for key in _COMPANY_KEYS):
        return []  # an outer join's way to say: no companies
    return _FlatItems(items, [line for line, _ in lines])


class _FlatItems(list[Any]):
    """Flat rows of one contact, with the line of each for messages."""

    def __init__(self, items: list[Any], lines: list[int]) -> None:
        super().__init__(items)
        self.lines = lines


def _undone(rows: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any, Any]]:
    for line, row in rows:
        if not isinstance(row, Mapping) or not {"contact_id", "before", "outcome"} <= set(row):
            yield line, None, Bitrix24InputError("not a line of a report")
        elif row["outcome"] in _UNDONE:
            missing = Bitrix24InputError(
                "the report does not hold the state before (mode='replace' does not read it), "
                "so this cannot be undone"
            )
            yield line, row["contact_id"], missing if row["before"] is None else row["before"]


def _checked(line: int, contact: Any, items: Any, allow_empty: bool, seen: IdSet) -> Wanted | Rejected:
    contact_id: int | None = None
    try:
        if isinstance(items, Bitrix24InputError):
            raise items
        contact_id = parse_id(contact, "contact_id")
        if not seen.add(contact_id):
            raise Bitrix24InputError(
                f"contact {contact_id} comes again; its companies must stand in one record, "
                "or its rows together"
            )
        return Wanted(line, contact_id, tuple(_parse(items, allow_empty)))
    except Bitrix24InputError as error:
        return Rejected(line, contact_id, str(error))


def _parse(items: Any, allow_empty: bool) -> list[CompanyBinding]:
    if not isinstance(items, _FlatItems):
        return parse_bindings(items, allow_empty=allow_empty)
    try:
        return parse_bindings(items, allow_empty=allow_empty, field="row")
    except Bitrix24InputError as error:
        text = str(error)
        for index, number in enumerate(items.lines):  # the line says more than the position in the group
            text = text.replace(f"row[{index}]", f"line {number}")
        raise Bitrix24InputError(text) from None


def _what_is_wrong(row: Any) -> Bitrix24InputError:
    if isinstance(row, Bitrix24InputError):
        return row
    if isinstance(row, Mapping):
        return Bitrix24InputError(
            "a row needs contact_id with items, or contact_id with company_id, is_primary and sort; "
            f"got the keys {sorted(map(str, row))!r:.120}"
        )
    return Bitrix24InputError(f"a row must be a dict, or a tuple as long as columns, got {row!r:.80}")
