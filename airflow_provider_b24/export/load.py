"""The rows of a list in a database table, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.export.columns import (
    Column,
    Converter,
    find_columns,
    left_out,
    parse_fields,
    parse_types,
)
from airflow_provider_b24.export.deletions import missing
from airflow_provider_b24.export.formats import check_known
from airflow_provider_b24.export.metadata import read_metadata
from airflow_provider_b24.export.readable import Readable, name_columns, read_names
from airflow_provider_b24.export.tables import Dialect, Table
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.lists import list_method
from airflow_provider_b24.rest.paging import is_read_by_id

MOST_VALUES = 10_000  # in one statement; SQLite takes 32,766, PostgreSQL 65,535


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
class LoadOptions:
    """
    What is loaded.

    :param changed: the parameters that narrow the list to what changed; None: the whole list.
    :param readable: whether to add the names of codes.
    :param types: types of columns that are not to be those of the portal.
    :param delete_missing: whether rows are deleted that are not in the whole list.
    """

    changed: Mapping[str, Any] | None = None
    readable: bool = False
    types: Mapping[str, Any] = field(default_factory=dict)
    delete_missing: bool = False


def load_list(
    client: Client,
    method: str,
    params: Mapping[str, Any] | None,
    target: Target,
    options: LoadOptions,
    log: Callable[[str], None],
) -> dict[str, Any]:
    """
    Bring every row of a list method into a table: new rows are inserted, those that differ are changed.

    The table is created if it does not exist, and gets a column for each new field. All of it is one
    transaction: after an error, the table is as it was.

    :param client: the client of the portal.
    :param method: name of a list method that is read by id.
    :param params: its parameters.
    :param target: the table.
    :param options: what is loaded.
    :param log: takes one line about the progress.
    :returns: ``table, rows`` (read), ``written`` (inserted or changed), ``deleted, columns`` (their number),
        ``fields`` (their names and types), ``added_columns`` (their names), ``requests, seconds, watermark``.
    :raises Bitrix24InputError: the list is not read by id, or the table has no plain name.
    :raises Bitrix24Error: the list cannot be read completely.
    """
    whole = _with_id(method, params or {})
    started, sent = client.clock.now(), client.requests
    try:
        with closing(target.connection.cursor()) as cursor:
            summary = _load(client, method, whole, target, options, cursor, log)
        target.connection.commit()
    except BaseException:
        target.connection.rollback()
        raise
    seconds = round(client.clock.now() - started, 1)
    return summary | {"requests": client.requests - sent, "seconds": seconds}


def _load(
    client: Client,
    method: str,
    params: Mapping[str, Any],
    target: Target,
    options: LoadOptions,
    cursor: Any,
    log: Callable[[str], None],
) -> dict[str, Any]:
    metadata = read_metadata(client, method, params)
    asked = params if options.changed is None else _with_id(method, options.changed)
    names = read_names(client, method, params, metadata.fields, log) if options.readable else {}
    readable = Readable(names)
    known = parse_fields(metadata.fields)
    known |= {column.name: column for column in name_columns(names, known)}
    rows = client.pages(method, asked)
    first = _take(rows, readable, 500)
    key = list_method(method).key[0]
    types = parse_types({key: "integer", **options.types})
    absent = left_out(metadata.fields, asked)
    columns = find_columns(first or [dict.fromkeys([key, *known])], known, types, absent)
    table = Table(target.table, columns, key, target.dialect, target.placeholder)
    added = _prepare(cursor, table, log)
    counts = _write(cursor, table, chain(first, rows), readable)
    deleted = 0
    if options.delete_missing:
        ids = (int(row[key]) for row in client.pages(method, {**params, "select": [key]}))
        deleted = _delete(cursor, table, ids)
    return {
        "table": target.table,
        "rows": counts[0],
        "written": counts[1],
        "deleted": deleted,
        "columns": len(columns),
        "fields": [[table.names[column.name], column.type] for column in columns],
        "added_columns": added,
        "watermark": metadata.time,
    }


def _with_id(method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters with the id in ``select``: it is the table's key."""
    if not is_read_by_id(method, params):
        raise Bitrix24InputError("only a list that is read by id has a key for a table", method=method)
    key = list_method(method).key[0]
    name = next((name for name in params if str(name).lower() == "select"), "select")
    select = params.get(name)
    if not select or "*" in select or any(str(one).upper() == key.upper() for one in select):
        return dict(params)
    return {**params, name: [key, *select]}


def _prepare(cursor: Any, table: Table, log: Callable[[str], None]) -> list[str]:
    """Create the table, or add the columns it lacks; return their names."""
    cursor.execute(table.create())
    cursor.execute(table.describe())
    missing_columns = table.extend([column[0] for column in cursor.description])
    for name, statement in missing_columns.items():
        cursor.execute(statement)
        log(f"column {name} added to {table.name}")
    return list(missing_columns)


def _write(cursor: Any, table: Table, rows: Iterator[dict[str, Any]], readable: Readable) -> tuple[int, int]:
    """Write rows; return how many there were, and how many were inserted or changed."""
    converter = Converter(table.columns)
    known = set(table.names)
    read = written = 0
    while chunk := _take(rows, readable, max(1, MOST_VALUES // len(table.columns))):
        converter.convert(chunk)
        for row in chunk:
            check_known(row, known)
        if not table.dialect.differs:
            cursor.execute(table.delete(len(chunk)), [row[table.key] for row in chunk])
        values = [_sql_value(row.get(column.name), column) for row in chunk for column in table.columns]
        cursor.execute(table.insert(len(chunk)), values)
        read += len(chunk)
        written += cursor.rowcount
    return read, written


def _delete(cursor: Any, table: Table, ids: Iterator[int]) -> int:
    cursor.execute(table.select_ids())
    gone = list(missing((int(row[0]) for row in cursor.fetchall()), ids))
    for first in range(0, len(gone), MOST_VALUES):
        chunk = gone[first : first + MOST_VALUES]
        cursor.execute(table.delete(len(chunk)), chunk)
    return len(gone)


def _take(rows: Iterator[dict[str, Any]], readable: Readable, most: int) -> list[dict[str, Any]]:
    chunk = list(islice(rows, most))
    readable.add(chunk)
    return chunk


def _sql_value(value: Any, column: Column) -> Any:
    if value is None:
        return None
    if column.type == "json":
        return json.dumps(value, ensure_ascii=False)
    if column.type in ("date", "datetime"):
        if value in ("", False):
            return None
        return value[:10] if column.type == "date" and isinstance(value, str) else value
    if column.type == "string" and not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return value
