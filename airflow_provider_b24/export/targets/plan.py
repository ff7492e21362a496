"""Compares the columns of a list with a table that exists, before a row is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from airflow_provider_b24.errors import Bitrix24TableError
from airflow_provider_b24.export.columns import Column
from airflow_provider_b24.export.targets.existing import FoundColumn, FoundTable, stored_name
from airflow_provider_b24.export.targets.names import LONGEST_NAME, TableName, column_names, exact
from airflow_provider_b24.export.targets.sessions import TESTED
from airflow_provider_b24.export.targets.types import Fit, fit, new_type

# https://www.postgresql.org/docs/current/limits.html, https://www.sqlite.org/limits.html,
# https://mariadb.com/kb/en/innodb-limitations/
_MOST_COLUMNS = {"postgresql": 1_600, "sqlite": 2_000, "mysql": 1_017}
_CASE_COUNTS = ("postgresql",)  # columns "ID" and id are two


@dataclass(frozen=True, slots=True)
class PlannedColumn:
    """
    A column of a load.

    :param field: the field of the rows.
    :param name: the table's column.
    :param fit: how values get into it.
    :param type: its type in the table.
    :param is_new: whether the table does not have it yet.
    :param is_required: whether the table allows no empty value.
    """

    field: str
    name: str
    fit: Fit
    type: TypeEngine[Any]
    is_new: bool
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What a load does with a table.

    :param text: the table's name as the user wrote it.
    :param dialect: the name of SQLAlchemy's dialect.
    :param schema: the table's schema, None for the default one.
    :param name: the table's own name.
    :param is_new: whether there is no such table yet.
    :param columns: the columns of the rows, in their order.
    :param key: the one that identifies a row.
    """

    text: str
    dialect: str
    schema: str | None
    name: str
    is_new: bool
    columns: Sequence[PlannedColumn]
    key: PlannedColumn

    @property
    def others(self) -> list[PlannedColumn]:
        """The columns without the key."""
        return [column for column in self.columns if column is not self.key]

    @property
    def added(self) -> list[PlannedColumn]:
        """The columns that a table that exists does not have yet."""
        return [] if self.is_new else [column for column in self.columns if column.is_new]

    def quoted(self, name: str) -> str:
        """Return a name that is always quoted where we know that this means the same name."""
        return exact(name) if self.dialect in TESTED else name

    def table(self) -> sa.Table:
        """Return the table as the load sees it."""
        columns = [sa.Column(self.quoted(column.name), column.fit.stored) for column in self.columns]
        return sa.Table(self.quoted(self.name), sa.MetaData(), *columns, schema=self.schema)

    def stages_like(self, other: Plan) -> bool:
        """Whether rows that were staged for another plan can be merged by this one."""
        return _shape(self) == _shape(other)


def _shape(plan: Plan) -> list[tuple[str, str, str]]:
    return [(column.name, column.fit.kind, repr(column.fit.staged)) for column in plan.columns]


def make_plan(
    dialect: str,
    name: TableName,
    found: FoundTable | None,
    columns: Sequence[Column],
    key: str,
    longest_name: int = LONGEST_NAME,
    takes_decimals: bool = True,
) -> Plan:
    """
    Plan a load.

    :param found: the table, if it exists.
    :param columns: the columns of the rows.
    :param key: the name of the field that identifies a row.
    :param longest_name: of a column that the database takes.
    :param takes_decimals: whether the driver takes ``Decimal``.
    :raises Bitrix24TableError: the table cannot take these columns.
    """
    most = _MOST_COLUMNS.get(dialect)
    if most is not None and len(columns) > most:
        raise Bitrix24TableError(
            f"the list has {len(columns):,} columns, and a table of this database at most {most:,}",
            table=name.text,
            advice="Name the fields you need in select.",
        )
    limit = min(longest_name, LONGEST_NAME)
    names = column_names([column.name for column in columns], limit, found.columns if found else ())
    if found is not None:
        check_found(found, dialect, name.text, names[key])
    planned = [
        _planned(dialect, name.text, found, column, names[column.name], column.name == key, takes_decimals)
        for column in columns
    ]
    if found is not None:
        _check_left_out(found, name.text, planned)
    return Plan(
        name.text,
        dialect,
        name.schema,
        found.name if found else stored_name(dialect, name),
        found is None,
        planned,
        next(column for column in planned if column.field == key),
    )


def check_found(found: FoundTable, dialect: str, table: str, key: str) -> None:
    """
    Check that rows of a table are identified by a column.

    :param key: the name of the column.
    :raises Bitrix24TableError: it is a view, or the column is missing or identifies no row.
    """
    if found.is_view:
        raise Bitrix24TableError(
            f"{table} is a view, and rows are loaded into tables only",
            table=table,
            advice="Load the table behind it, or a table of another name.",
        )
    column = _match(found, dialect, table, key)
    if column is None:
        raise Bitrix24TableError(
            f"table {table} exists and has no column {key}, which identifies a row of the list",
            table=table,
            column=key,
            advice="Add the column with a primary key, or load another table.",
        )
    _check_written(column, table)
    if found.keys is not None and column.name not in found.keys:
        raise Bitrix24TableError(
            f"column {column.name} of table {table} has no primary key or unique constraint of its own",
            table=table,
            column=column.name,
            advice=f'Add one: ALTER TABLE {table} ADD PRIMARY KEY ("{column.name}"), or ADD UNIQUE.',
        )


def _check_written(column: FoundColumn, table: str) -> None:
    if column.is_generated:
        raise Bitrix24TableError(
            f"column {column.name} of table {table} is generated by the database and cannot be written",
            table=table,
            column=column.name,
            advice="Rename it, or leave the field out of select.",
        )


def _match(found: FoundTable, dialect: str, table: str, name: str) -> FoundColumn | None:
    """Return the table's column of a name; None if there is none."""
    if name in found.columns:
        return found.columns[name]
    same = [one for one in found.columns.values() if one.name.lower() == name]
    if same and dialect in _CASE_COUNTS:
        raise Bitrix24TableError(
            f'table {table} has the column "{same[0].name}", but the load writes {name}: the case differs',
            table=table,
            column=same[0].name,
            advice=f'Rename it: ALTER TABLE {table} RENAME COLUMN "{same[0].name}" TO {name}.',
        )
    return same[0] if same else None


def _planned(
    dialect: str,
    table: str,
    found: FoundTable | None,
    column: Column,
    name: str,
    is_key: bool,
    takes_decimals: bool,
) -> PlannedColumn:
    there = _match(found, dialect, table, name) if found else None
    stored = there.type if there else new_type(dialect, column.type, is_key=is_key)
    fitted = fit(dialect, column.type, stored, takes_decimals=takes_decimals)
    if fitted is None and column.is_missing:  # it holds no value any more, whatever the column was made for
        fitted = Fit("none", stored, stored)
    if fitted is None:
        raise Bitrix24TableError(
            f"column {name} of table {table} has the type {_spelled(stored)}, which cannot hold every value "
            f"of {column.name}: its type is {column.type}",
            table=table,
            column=name,
            advice="Change the column's type, rename the column so that a new one is added, "
            f"or read the field as another type: types={{{column.name!r}: ...}}.",
        )
    if there is None:
        return PlannedColumn(column.name, name, fitted, stored, is_new=True)
    _check_written(there, table)
    return PlannedColumn(column.name, there.name, fitted, stored, False, not there.is_nullable)


def _check_left_out(found: FoundTable, table: str, planned: Iterable[PlannedColumn]) -> None:
    """Check that new rows can do without the table's other columns."""
    written = {column.name for column in planned}
    for column in found.columns.values():
        is_filled = column.is_nullable or column.has_default or column.is_generated
        if column.name not in written and not is_filled:
            raise Bitrix24TableError(
                f"column {column.name} of table {table} must have a value, and the list has no such field",
                table=table,
                column=column.name,
                advice="Give the column a default, or let it be empty (DROP NOT NULL).",
            )


def make_converter(plan: Plan) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """
    Return a function that turns a row's values into what the driver takes.

    It raises ``Bitrix24TableError`` for a value that its column cannot hold.
    """
    converts = [
        (index, column, column.fit.convert)
        for index, column in enumerate(plan.columns)
        if column.fit.convert is not None or column.is_required or column is plan.key
    ]
    key = plan.columns.index(plan.key)

    def convert(row: Sequence[Any]) -> Sequence[Any]:
        values = list(row)
        for index, column, function in converts:
            value = values[index]
            try:
                if value is not None:
                    if function is not None:
                        values[index] = function(value)
                elif column.is_required or column is plan.key:
                    raise ValueError("the column must have a value")
            except (ValueError, OverflowError) as error:
                raise _misfit(plan, column, row[key], value, str(error)) from None
        return values

    return convert


def _misfit(plan: Plan, column: PlannedColumn, row_id: Any, value: Any, reason: str) -> Bitrix24TableError:
    shown = str(value) if len(str(value)) <= 40 else f"{str(value)[:40]}..."
    return Bitrix24TableError(
        f"row {row_id}: {shown!r} does not fit column {column.name} ({_spelled(column.type)}) of table "
        f"{plan.text}: {reason}",
        table=plan.text,
        column=column.name,
        row_id=row_id,
        advice="Nothing was written. Change the column's type"
        + (
            f", or load the field as text with types={{{column.field!r}: 'string'}}."
            if column.is_new
            else "."
        ),
    )


def _spelled(type_: TypeEngine[Any]) -> str:
    """Return a type as SQL writes it."""
    try:
        return str(type_)
    except sa.exc.CompileError:
        return type(type_).__name__.upper()
