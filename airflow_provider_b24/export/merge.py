"""Rows in a database table, in one transaction, through a DB-API connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from airflow_provider_b24.export.columns import Column
from airflow_provider_b24.export.deletions import MaxDeleted, check_max_deleted, missing
from airflow_provider_b24.export.tables import Dialect, Table

MOST_VALUES = 10_000  # in one statement; SQLite takes 32,766, PostgreSQL 65,535
Chunks = Iterator[list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Target:
    """
    A table in a database.

    :param connection: an open DB-API connection; it is committed or rolled back, not closed.
    :param table: the table's name, perhaps with a schema before it.
    :param dialect: what the database understands.
    :param placeholder: what stands for a value in its driver, ``%s`` or ``?``.
    """

    connection: Any
    table: str
    dialect: Dialect
    placeholder: str


@dataclass(frozen=True)
class TableResult:
    """
    What a merge did.

    :ivar written: rows inserted or changed.
    :ivar deleted: rows deleted.
    :ivar added_columns: names of the columns that the table got.
    :ivar names: the column of each field.
    """

    written: int
    deleted: int
    added_columns: list[str]
    names: dict[str, str]


def check_target(target: Target) -> None:
    """
    Check what can be checked before anything is read.

    :raises Bitrix24InputError: the table has no plain name.
    """
    Table(target.table, [Column("id")], "id", target.dialect, target.placeholder)


def write_table(
    target: Target,
    columns: Sequence[Column],
    key: str,
    rows: Callable[[], Chunks],
    *,
    keep_ids: Callable[[], Iterator[int]] | None = None,
    max_deleted: MaxDeleted = None,
    log: Callable[[str], None],
) -> TableResult:
    """
    Insert or change rows, and delete those that are not in the list, in one transaction.

    :param key: the field that identifies a row.
    :param rows: the rows, as tuples in the order of the columns; it may be called again.
    :param keep_ids: the ids of the whole list, ascending: other rows are deleted.
    :raises Bitrix24Error: too many would be deleted; the table is as it was.
    """
    table = Table(target.table, columns, key, target.dialect, target.placeholder)
    try:
        with closing(target.connection.cursor()) as cursor:
            added = _prepare(cursor, table, log)
            before = 0
            if keep_ids is not None:
                cursor.execute(table.select_ids())
                before = len(cursor.fetchall())
            written = sum(_write(cursor, table, chunk) for chunk in rows())
            deleted = 0
            if keep_ids is not None:
                deleted = _delete(cursor, table, keep_ids(), before, max_deleted)
        target.connection.commit()
    except BaseException:
        target.connection.rollback()
        raise
    return TableResult(written, deleted, added, dict(table.names))


def _prepare(cursor: Any, table: Table, log: Callable[[str], None]) -> list[str]:
    """Create the table, or add the columns it lacks; return their names."""
    cursor.execute(table.create())
    cursor.execute(table.describe())
    missing_columns = table.extend([column[0] for column in cursor.description])
    for name, statement in missing_columns.items():
        cursor.execute(statement)
        log(f"column {name} added to {table.name}")
    return list(missing_columns)


def _write(cursor: Any, table: Table, rows: Sequence[tuple[Any, ...]]) -> int:
    """Write rows; return how many were inserted or changed."""
    most = max(1, MOST_VALUES // len(table.columns))
    key = [column.name for column in table.columns].index(table.key)
    written = 0
    for first in range(0, len(rows), most):
        chunk = rows[first : first + most]
        if not table.dialect.differs:
            cursor.execute(table.delete(len(chunk)), [row[key] for row in chunk])
        values = [_plain(value, table) for row in chunk for value in row]
        cursor.execute(table.insert(len(chunk)), values)
        written += cursor.rowcount
    return written


def _plain(value: Any, table: Table) -> Any:
    """Return a value as SQLite's driver takes it; that of PostgreSQL takes all."""
    if table.placeholder == "?" and value is not None and not isinstance(value, str | int | float):
        return value.isoformat() if hasattr(value, "isoformat") else str(value)
    return value


def _delete(cursor: Any, table: Table, ids: Iterator[int], before: int, max_deleted: MaxDeleted) -> int:
    cursor.execute(table.select_ids())
    kept = 0

    def counted() -> Iterator[int]:
        nonlocal kept
        for number in ids:
            kept += 1
            yield number

    gone = list(missing((int(row[0]) for row in cursor.fetchall()), counted()))
    check_max_deleted(len(gone), before, max_deleted, kept)
    for first in range(0, len(gone), MOST_VALUES):
        chunk = gone[first : first + MOST_VALUES]
        cursor.execute(table.delete(len(chunk)), chunk)
    return len(gone)
