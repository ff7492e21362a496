"""
Rows written without a temporary table: each chunk is selected, compared here, and written.

For databases that are not tested one by one, and for users who may not create a temporary table. It needs
nothing but SELECT, INSERT, UPDATE, and DELETE.
"""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from airflow_provider_b24.errors import Bitrix24TableError
from airflow_provider_b24.export.targets.plan import Plan, PlannedColumn, make_converter
from airflow_provider_b24.export.targets.staging import id_twice, slices

_MOST_ROWS = 500  # in a list of ids; Oracle takes 1,000 and SQL Server 2,100 parameters


def write_rows(connection: Connection, plan: Plan, table: sa.Table, rows: Iterable[Sequence[Any]]) -> int:
    """
    Insert new rows and change those that differ; return their number.

    :param rows: tuples in the order of the plan's columns.
    :raises Bitrix24TableError: a value does not fit its column, or an id occurs more than once.
    """
    written = 0
    insert = sa.insert(table)
    update = sa.update(table).where(table.c[plan.key.name] == sa.bindparam("the_id"))
    update = update.values(
        {one.name: sa.bindparam(f"new_{number}") for number, one in enumerate(plan.others)}
    )
    for chunk in slices(map(make_converter(plan), rows), _MOST_ROWS):
        given = _by_id(plan, chunk)
        there = _select(connection, plan, table, list(given))
        new = [row for row_id, row in given.items() if row_id not in there]
        changed = [
            {"the_id": row_id, **{f"new_{number}": row[one.name] for number, one in enumerate(plan.others)}}
            for row_id, row in given.items()
            if row_id in there and _differs(plan, there[row_id], row)
        ]
        if new:
            connection.execute(insert.values(_parameters(plan)), new)
        if changed:
            connection.execute(update, changed)
        written += len(new) + len(changed)
    return written


def _parameters(plan: Plan) -> dict[str, Any]:
    return {column.name: sa.bindparam(column.name) for column in plan.columns}


def _by_id(plan: Plan, chunk: Iterable[Sequence[Any]]) -> dict[Any, dict[str, Any]]:
    rows: dict[Any, dict[str, Any]] = {}
    for values in chunk:
        row = {column.name: value for column, value in zip(plan.columns, values, strict=True)}
        if rows.setdefault(row[plan.key.name], row) is not row:
            raise id_twice(plan, row[plan.key.name])
    return rows


def _select(
    connection: Connection, plan: Plan, table: sa.Table, ids: Sequence[Any]
) -> dict[Any, dict[str, Any]]:
    columns = [_read(plan, column, table) for column in plan.columns]
    query = sa.select(*columns).where(table.c[plan.key.name].in_(ids))
    found: dict[Any, dict[str, Any]] = {}
    for values in connection.execute(query):
        row = {column.name: value for column, value in zip(plan.columns, values, strict=True)}
        row_id = _id_of(plan, row[plan.key.name])
        if row_id in found:
            raise Bitrix24TableError(
                f"row {row_id} occurs more than once in table {plan.text}",
                table=plan.text,
                column=plan.key.name,
                row_id=row_id,
                advice="Delete all but one of them, and give the column a primary key.",
            )
        found[row_id] = row
    return found


def _read(plan: Plan, column: PlannedColumn, table: sa.Table) -> Any:
    value = table.c[column.name]
    return sa.cast(value, sa.Text()) if column.fit.kind == "json" and plan.dialect == "postgresql" else value


def _id_of(plan: Plan, value: Any) -> Any:
    """Return an id as it was read in the form in which it is written."""
    if plan.key.fit.kind == "text":
        return str(value).rstrip(" ")
    return int(value) if isinstance(value, Decimal | float) and value == int(value) else value


def _differs(plan: Plan, there: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    return any(_normal(one, there[one.name]) != _normal(one, row[one.name]) for one in plan.others)


def _normal(column: PlannedColumn, value: Any) -> Any:
    if column.fit.kind == "json" and isinstance(value, str):
        return json.loads(value, parse_float=Decimal)
    return value


def find_missing(
    connection: Connection, plan: Plan, table: sa.Table, ids: Iterable[int]
) -> tuple[list[Any], int]:
    """Return the ids of rows that are not in a list, as the table has them, and the length of the list."""
    key = table.c[plan.key.name]
    listed = array("q", ids)  # 8 bytes each; they ascend
    rows = connection.execute(sa.select(key).where(key.is_not(None)))
    missing = [value for (value,) in rows if not _contains(listed, _number(value))]
    return missing, len(listed)


def _contains(listed: Sequence[int], number: int | None) -> bool:
    if number is None:
        return False
    place = bisect_left(listed, number)
    return place < len(listed) and listed[place] == number


def _number(value: Any) -> int | None:
    """Return an id of a table as a number; None for a text that is not one, as it would be written."""
    if isinstance(value, str):
        text = value.rstrip(" ")
        return int(text) if text.isdecimal() and str(int(text)) == text else None
    return int(value) if value == int(value) else None


def delete_rows(connection: Connection, plan: Plan, table: sa.Table, ids: Sequence[Any]) -> int:
    """Delete rows by their ids; return their number."""
    key = table.c[plan.key.name]
    for first in range(0, len(ids), _MOST_ROWS):
        connection.execute(sa.delete(table).where(key.in_(ids[first : first + _MOST_ROWS])))
    return len(ids)
