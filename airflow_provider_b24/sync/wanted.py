"""
The input of a sync, contact by contact: records with ``items``, flat rows, lines of a report to undo.

Every row becomes a ``Wanted`` or a ``Rejected`` that names its line; none is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_b24.crm.bindings import CompanyBinding, parse_bindings, parse_rows
from airflow_provider_b24.crm.idset import IdSet
from airflow_provider_b24.crm.values import parse_id
from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.sync.flat_rows import (
    COMPANY_KEYS,
    CONTACT_KEYS,
    bindings_of,
    contact_of,
    split_by_kind,
)
from airflow_provider_b24.sync.options import SyncOptions

_CHANGED = frozenset(
    {"written", "unknown"}
)  # statuses of a report's lines that something was, or may be, changed


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    The companies that a contact is to have.

    :param line: of the input; lines of later contacts are higher.
    :param exact: the bindings are a state that was read: nothing in them is left to a rule.
    :param planned_from: the state for which they were planned, if they were.
    """

    line: int
    contact_id: int
    bindings: tuple[CompanyBinding, ...]
    exact: bool = False
    planned_from: tuple[CompanyBinding, ...] | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that cannot be used, and why."""

    line: int
    contact_id: int | None
    reason: str


def parse_wanted(
    rows: Iterable[tuple[int, Any]],
    options: SyncOptions,
    on_warning: Callable[[int, int, str], None] = lambda contact_id, line, text: None,
) -> Iterator[Wanted | Rejected]:
    """
    Read rows, each with its line number.

    :param rows: records ``{"contact_id": 82, "items": [...]}``; flat rows
        ``{"contact_id": 82, "company_id": 8, "is_primary": "Y", "sort": 100}``, those of one contact next to
        one another; or, with ``undo`` or ``apply_plan``, lines of a report.
    :param on_warning: called with contact, line and a sentence.
    """
    seen = IdSet()
    if options.reads_report:
        parse = _undone if options.undo else _planned
        for line, row in rows:
            if (item := parse(line, row)) is not None:
                yield _once(item, seen)
        return
    for group in split_by_kind(rows):
        yield _once(_contact(group, options, on_warning), seen)


def _once(item: Wanted | Rejected, seen: IdSet) -> Wanted | Rejected:
    if isinstance(item, Rejected) or seen.add(item.contact_id):
        return item
    return Rejected(
        item.line,
        item.contact_id,
        f"contact {item.contact_id} appears more than once; put its companies into one record, "
        "or its rows next to one another",
    )


def _contact(
    group: list[tuple[int, Any]], options: SyncOptions, on_warning: Callable[[int, int, str], None]
) -> Wanted | Rejected:
    line, row = group[0]
    contact_id: int | None = None

    def warn(text: str) -> None:
        on_warning(contact_id or 0, line, text)

    try:
        _check_shape(row, options)
        contact_id = parse_id(contact_of(row), "contact_id")
        if "items" in row:
            bindings = parse_bindings(row["items"], allow_empty=options.allow_empty, on_warning=warn)
        else:
            bindings = bindings_of(
                group,
                allow_empty=options.allow_empty,
                ignore_extra=options.ignore_extra_columns,
                on_warning=warn,
            )
        return Wanted(line, contact_id, tuple(bindings))
    except Bitrix24InputError as error:
        return Rejected(line, contact_id, str(error))


def _check_shape(row: Any, options: SyncOptions) -> None:
    if isinstance(row, Bitrix24InputError):
        raise row
    if isinstance(row, list | tuple):
        columns = options.form.columns
        if columns is None:
            raise Bitrix24InputError(
                f"the row is a {type(row).__name__}, {row!r:.60}; name its fields with columns, "
                "for example columns=['contact_id', 'company_id']"
            )
        raise Bitrix24InputError(
            f"the row has {len(row)} fields, but columns names {len(columns)}: {row!r:.60}"
        )
    if not isinstance(row, Mapping):
        raise Bitrix24InputError(f"a row must be a dict, or a tuple as long as columns, got {row!r:.80}")
    if "items" in row:
        unknown = [key for key in row if key not in (*CONTACT_KEYS, "items")]
        if not unknown or options.ignore_extra_columns:
            return
    elif any(key in row for key in COMPANY_KEYS):
        return
    raise Bitrix24InputError(
        "a row needs contact_id with items, or contact_id with company_id, is_primary and sort; "
        f"got the keys {sorted(map(str, row))!r:.120}"
    )


def _undone(line: int, row: Any) -> Wanted | Rejected | None:
    """The state before a line of a report; None for a line that changed nothing."""
    contact_id = _contact_of_line(line, row, _CHANGED)
    if not isinstance(contact_id, int):
        return contact_id
    if row["before"] is None:
        return Rejected(
            line,
            contact_id,
            "the report does not contain the state before (mode='replace' does not read it), "
            "so this contact cannot be undone",
        )
    before = parse_state(row["before"])
    if before is None:
        return Rejected(line, contact_id, f"the state before cannot be read: {row['before']!r:.80}")
    return Wanted(line, contact_id, before, exact=True)


def _planned(line: int, row: Any) -> Wanted | Rejected | None:
    """What a line of a dry run's report would have written; None for a line that planned nothing."""
    contact_id = _contact_of_line(line, row, frozenset({"planned"}))
    if not isinstance(contact_id, int):
        return contact_id
    before = parse_state(row["before"])
    if before is None:
        return Rejected(line, contact_id, f"the state before cannot be read: {row['before']!r:.80}")
    try:
        wanted = parse_bindings(row.get("wanted"), allow_empty=True)  # the dry run has checked it
    except Bitrix24InputError as error:
        return Rejected(line, contact_id, str(error))
    return Wanted(line, contact_id, tuple(wanted), planned_from=before)


def _contact_of_line(line: int, row: Any, statuses: frozenset[str]) -> int | Rejected | None:
    """The contact of a line of a report; None if its status is another."""
    if isinstance(row, Bitrix24InputError):
        return Rejected(line, None, str(row))
    if not isinstance(row, Mapping) or not {"contact_id", "before", "status"} <= set(row):
        return Rejected(line, None, "not a line of a report")
    if row["status"] not in statuses:
        return None
    try:
        return parse_id(row["contact_id"], "contact_id")
    except Bitrix24InputError as error:
        return Rejected(line, None, str(error))


def parse_state(rows: Any) -> tuple[CompanyBinding, ...] | None:
    """Read bindings as a report or the portal states them, in a stable order; None if they are none."""
    try:
        return tuple(parse_rows(rows))
    except (TypeError, ValueError, LookupError, AttributeError):
        return None
