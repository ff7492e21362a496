"""The rows of a list in a database table, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError
from airflow_provider_b24.export.columns import (
    Column,
    Converter,
    find_columns,
    left_out,
    parse_fields,
    parse_types,
)
from airflow_provider_b24.export.metadata import read_metadata
from airflow_provider_b24.export.readable import Readable, name_columns, read_names
from airflow_provider_b24.export.targets.table import TableResult, TableTarget, check_target, write_table
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.lists import list_method
from airflow_provider_b24.rest.paging import is_read_by_id


@dataclass(frozen=True)
class LoadOptions:
    """
    What is loaded.

    :param changed: the parameters that narrow the list to what changed; None: the whole list.
    :param readable: whether to add the names of codes.
    :param types: types of columns that are not to be those of the portal.
    :param delete_missing: whether rows are deleted that are not in the whole list.
    :param max_deleted: how many rows may be deleted, see ``check_max_deleted``.
    """

    changed: Mapping[str, Any] | None = None
    readable: bool = False
    types: Mapping[str, Any] = field(default_factory=dict)
    delete_missing: bool = False
    max_deleted: float | None = None


def load_list(
    client: Client,
    method: str,
    params: Mapping[str, Any] | None,
    target: TableTarget,
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
    key = list_method(method).key[0]
    check_target(target, key, deletes=options.delete_missing)
    started, sent = client.clock.now(), client.requests
    metadata = read_metadata(client, method, whole)
    asked = whole if options.changed is None else _with_id(method, options.changed)
    names = read_names(client, method, whole, metadata.fields, log) if options.readable else {}
    known = parse_fields(metadata.fields)
    known |= {column.name: column for column in name_columns(names, known)}
    rows = list(client.pages(method, asked))
    Readable(names).add(rows)
    types = parse_types({key: "integer", **options.types})
    absent = left_out(metadata.fields, asked)
    columns = find_columns(rows or [dict.fromkeys([key, *known])], known, types, absent)
    Converter(columns).convert(rows)
    ids = None
    if options.delete_missing:
        ids = [int(row[key]) for row in client.pages(method, {**whole, "select": [key]})]
    result = _write(target, columns, key, rows, ids, options, log)
    return {
        "table": target.table,
        "rows": len(rows),
        "written": result.written,
        "deleted": result.deleted,
        "columns": len(columns),
        "fields": [[result.names[column.name], column.type] for column in columns],
        "added_columns": result.added_columns,
        "watermark": metadata.time,
        "requests": client.requests - sent,
        "seconds": round(client.clock.now() - started, 1),
    }


def _write(
    target: TableTarget,
    columns: Sequence[Column],
    key: str,
    rows: Sequence[Mapping[str, Any]],
    ids: Sequence[int] | None,
    options: LoadOptions,
    log: Callable[[str], None],
) -> TableResult:
    values = [tuple(_value(row.get(column.name), column) for column in columns) for row in rows]
    return write_table(
        target,
        columns,
        key,
        lambda: iter([values]),
        keep_ids=None if ids is None else lambda: iter(ids),
        max_deleted=options.max_deleted,
        log=log,
    )


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


def _value(value: Any, column: Column) -> Any:
    if value is None:
        return None
    if column.type == "json" or (column.type == "string" and not isinstance(value, str)):
        return json.dumps(value, ensure_ascii=False)
    if column.type == "number":
        return Decimal(repr(value))
    if column.type in ("date", "datetime"):
        if value in ("", False):
            return None
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            raise Bitrix24Error(f"column {column.name}: {value!r:.60} is not a time") from None
        time = time if time.tzinfo else time.replace(tzinfo=UTC)
        return time.date() if column.type == "date" else time
    return value
