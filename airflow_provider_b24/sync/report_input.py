"""The report of a run as the input of another one: what is to be undone, and what was planned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.rest.calls import shown
from airflow_provider_b24.runs.report_rows import VERSION
from airflow_provider_b24.sync.subject import NumberedRow, Rejected, S, Subject, Wanted

_CHANGED = ("written", "unknown")  # statuses of rows that something was, or may be, changed


def parse_report(
    rows: Iterable[NumberedRow], subject: Subject[S], *, undo: bool
) -> Iterator[Wanted[S] | Rejected]:
    """
    Read the rows of a report, each with its line number.

    :param undo: yield the state before what was written; otherwise what a dry run planned.
    """
    parse = _undone if undo else _planned
    for line_number, row in rows:
        key = _key(line_number, row, subject, _CHANGED if undo else ("planned",))
        if isinstance(key, Rejected):
            yield key
        elif key is not None:
            yield parse(line_number, key, row, subject)


def _undone(line_number: int, key: int, row: Mapping[str, Any], subject: Subject[S]) -> Wanted[S] | Rejected:
    if row["before"] is None:
        return Rejected(
            line_number,
            key,
            "the report does not contain the state before (mode='replace' does not read it), "
            f"so this {subject.noun} cannot be undone",
        )
    before = subject.parse_state(row["before"])
    return (
        _unreadable(line_number, key, row) if before is None else Wanted(line_number, key, before, exact=True)
    )


def _planned(line_number: int, key: int, row: Mapping[str, Any], subject: Subject[S]) -> Wanted[S] | Rejected:
    before = subject.parse_state(row["before"])
    if before is None:
        return _unreadable(line_number, key, row)
    try:
        return Wanted(line_number, key, subject.parse_wanted(row.get("wanted")), planned_from=before)
    except Bitrix24InputError as error:
        return Rejected(line_number, key, str(error))


def _unreadable(line_number: int, key: int, row: Mapping[str, Any]) -> Rejected:
    return Rejected(line_number, key, f"the state before cannot be read: {row['before']!r:.80}")


def _key(line_number: int, row: Any, subject: Subject[S], statuses: Iterable[str]) -> int | Rejected | None:
    """The key of a report row; None if its status is another. Old rows have it by its public name only."""
    if isinstance(row, Bitrix24InputError):
        return Rejected(line_number, None, str(row))
    if not isinstance(row, Mapping) or not {subject.key_name, "before", "status"} <= set(row):
        return Rejected(line_number, None, "not a row of a report")
    if row.get("subject", subject.name) != subject.name:
        return Rejected(
            line_number, None, f"a row of a report of {shown(row['subject'])}, not of {subject.name}"
        )
    if row.get("version", 1) not in range(1, VERSION + 1):
        return Rejected(line_number, None, "a row of a report that a newer version of this package wrote")
    if row["status"] not in statuses:
        return None
    try:
        return subject.parse_key(row[subject.key_name])
    except Bitrix24InputError as error:
        return Rejected(line_number, None, str(error))
