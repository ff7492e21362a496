"""
Rows in a temporary table, and the statements that bring them from there into the table.

A table is locked only by these statements, and only its rows that differ are written.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import Connection

from airflow_provider_b24.errors import Bitrix24TableError
from airflow_provider_b24.export.targets.names import exact
from airflow_provider_b24.export.targets.plan import Plan, PlannedColumn, make_converter

_MOST_ROWS = 1_000  # in one statement
_UNNESTING = ("duckdb_engine", "psycopg2")  # drivers that are many times as fast with lists as with rows
_MOST_CHARACTERS = 1_000_000  # of text in one statement; MySQL takes 16 MB by default


def slices(rows: Iterable[Sequence[Any]], most: int = _MOST_ROWS) -> Iterator[list[Sequence[Any]]]:
    """Yield rows in lists that one statement can send."""
    chunk: list[Sequence[Any]] = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += sum([len(value) for value in row if type(value) is str])
        if len(chunk) >= most or size >= _MOST_CHARACTERS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def fill_rows(connection: Connection, plan: Plan, staged: sa.Table, rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows into the temporary table."""
    names = [column.name for column in plan.columns]
    insert = sa.insert(staged)
    chunks = slices(map(make_converter(plan), rows))
    if connection.dialect.driver in _UNNESTING:
        for chunk in chunks:
            connection.execute(insert.from_select(names, _unnested(staged, zip(*chunk, strict=True))))
        if plan.dialect == "duckdb":
            _check_ids(connection, plan, staged)
        return
    for chunk in chunks:
        connection.execute(insert, [dict(zip(names, row, strict=True)) for row in chunk])


def _unnested(staged: sa.Table, lists: Iterable[Sequence[Any]]) -> Any:
    """
    Select rows from one list of texts per column.

    Every value is text, so that the elements of a list have one type. The database reads it exactly.
    """
    columns = []
    for column, values in zip(staged.columns, lists, strict=True):
        texts = [value if value is None or type(value) is str else str(value) for value in values]
        given = sa.bindparam(None, texts, type_=sa.types.NullType())
        unnested = sa.func.unnest(sa.cast(given, postgresql.ARRAY(sa.Text)))
        columns.append(sa.cast(unnested, column.type))
    return sa.select(*columns)


def _check_ids(connection: Connection, plan: Plan, staged: sa.Table) -> None:
    """Check that no id occurs twice, where the staging table has no key."""
    key = staged.c[plan.key.name]
    twice = sa.select(key).group_by(key).having(sa.func.count() > 1).limit(1)
    if found := connection.execute(twice).first():
        raise id_twice(plan, found[0])


def id_twice(plan: Plan, row_id: Any = None) -> Bitrix24TableError:
    """Return the error for a list in which two rows have the same id."""
    what = "an id" if row_id is None else f"id {row_id}"
    return Bitrix24TableError(
        f"{what} occurs more than once in the rows for table {plan.text}. Nothing was written",
        table=plan.text,
        column=plan.key.name,
        row_id=row_id,
    )


def fill_ids(connection: Connection, plan: Plan, staged: sa.Table, ids: Iterable[int]) -> None:
    """Insert the ids of all rows of a list into a temporary table."""
    insert, name = sa.insert(staged), plan.key.name
    convert = plan.key.fit.convert or (lambda value: value)
    ids = iter(ids)
    while chunk := [convert(one) for one in islice(ids, 5 * _MOST_ROWS)]:
        if connection.dialect.driver in _UNNESTING:
            connection.execute(insert.from_select([name], _unnested(staged, [chunk])))
        else:
            connection.execute(insert, [{name: one} for one in chunk])


def temporary_table(plan: Plan, columns: Iterable[PlannedColumn]) -> sa.Table:
    """Return a temporary table for columns of a plan; it is not created yet."""
    definitions = []
    for column in columns:
        is_key = column is plan.key and plan.dialect != "duckdb"  # its hash joins need no index
        type_ = column.fit.staged
        if is_key and isinstance(type_, mysql.LONGTEXT):  # a key needs a length
            type_ = mysql.VARCHAR(190, charset="utf8mb4", collation="utf8mb4_bin")
        definitions.append(sa.Column(exact(column.name), type_, primary_key=is_key, autoincrement=False))
    options: dict[str, Any] = {"postgresql_on_commit": "DROP"} if plan.dialect == "postgresql" else {}
    return sa.Table(
        f"bitrix24_{secrets.token_hex(6)}",
        sa.MetaData(),
        *definitions,
        prefixes=["TEMPORARY"],
        # Without a default database, MySQL wants to know where.
        schema=plan.schema if plan.dialect == "mysql" else None,
        **options,
    )


def merge(connection: Connection, plan: Plan, table: sa.Table, staged: sa.Table) -> int:
    """Change the rows that differ and insert those that are new; return their number."""
    if plan.dialect == "sqlite":  # SQLAlchemy 1.4 has no UPDATE FROM for it
        return _upsert(connection, plan, table, staged)
    changed = 0
    if plan.others:
        changes = {table.c[one.name]: _value(plan, one, staged) for one in plan.others}
        update = (
            sa.update(table)
            .values(changes)
            .where(_same_key(plan, table, staged), _differs(plan, table, staged))
        )
        changed = run_counted(connection, update)
    names = [table.c[column.name].name for column in plan.columns]
    new = sa.select(*[_value(plan, column, staged) for column in plan.columns]).where(
        ~sa.exists().where(_same_key(plan, table, staged))
    )
    insert = sa.insert(table).from_select(names, new)
    if plan.dialect != "mysql":
        return changed + run_counted(connection, insert)
    # SQLAlchemy 1.4 loses the number of inserted rows with MySQL's own driver.
    count = connection.execute(sa.select(sa.func.count()).select_from(new.subquery())).scalar() or 0
    connection.execute(insert)
    return changed + int(count)


def run_counted(connection: Connection, statement: Any) -> int:
    """Run a statement; return the number of rows it changed."""
    # From SQLAlchemy 2.0 on, the number of inserted rows is kept only if this is asked for.
    return max(connection.execute(statement.execution_options(preserve_rowcount=True)).rowcount, 0)


def _upsert(connection: Connection, plan: Plan, table: sa.Table, staged: sa.Table) -> int:
    rows = sa.select(*[staged.c[column.name] for column in plan.columns]).where(sa.true())
    names = [table.c[column.name].name for column in plan.columns]
    insert: Any = sqlite.insert(table).from_select(names, rows)
    key = [table.c[plan.key.name]]
    if not plan.others:
        return run_counted(connection, insert.on_conflict_do_nothing(index_elements=key))
    changes = {table.c[one.name]: insert.excluded[one.name] for one in plan.others}
    differs = sa.or_(
        *[
            _plain(plan, one, table.c[one.name]).is_distinct_from(insert.excluded[one.name])
            for one in plan.others
        ]
    )
    return run_counted(
        connection, insert.on_conflict_do_update(index_elements=key, set_=changes, where=differs)
    )


def count_missing(connection: Connection, plan: Plan, table: sa.Table, ids: sa.Table) -> int:
    """Count the rows of a table whose ids are not in a list; rows without an id are not of the list."""
    return int(
        connection.execute(
            sa.select(sa.func.count()).select_from(table).where(*_is_missing(plan, table, ids))
        ).scalar()
        or 0
    )


def delete_missing(connection: Connection, plan: Plan, table: sa.Table, ids: sa.Table) -> int:
    """Delete the rows that ``count_missing`` counts."""
    return run_counted(connection, sa.delete(table).where(*_is_missing(plan, table, ids)))


def _is_missing(plan: Plan, table: sa.Table, ids: sa.Table) -> tuple[Any, Any]:
    key = table.c[plan.key.name]
    return key.is_not(None), ~sa.exists().where(_same_key(plan, table, ids))


def _same_key(plan: Plan, table: sa.Table, staged: sa.Table) -> Any:
    return table.c[plan.key.name] == _plain(plan, plan.key, staged.c[plan.key.name])


def _differs(plan: Plan, table: sa.Table, staged: sa.Table) -> Any:
    return sa.or_(
        *[
            _compared(plan, one, table.c[one.name]).is_distinct_from(
                _compared(plan, one, _value(plan, one, staged))
            )
            for one in plan.others
        ]
    )


def _value(plan: Plan, column: PlannedColumn, staged: sa.Table) -> Any:
    """Return what is stored, from a column of the staging table."""
    value = staged.c[column.name]
    if column.fit.kind == "json" and plan.dialect == "postgresql":
        return sa.cast(value, postgresql.JSONB)
    return value


def _compared(plan: Plan, column: PlannedColumn, value: Any) -> Any:
    """Return what is compared: every difference of a text counts, also of case or of a space at the end."""
    if column.fit.kind == "json":
        return sa.cast(value, postgresql.JSONB if plan.dialect == "postgresql" else sa.JSON)
    if column.fit.kind == "text" and plan.dialect == "mysql":
        return sa.cast(sa.cast(value, mysql.CHAR(charset="utf8mb4")), sa.LargeBinary)
    return _plain(plan, column, value)


def _plain(plan: Plan, column: PlannedColumn, value: Any) -> Any:
    """Return a text with the collation that takes it byte by byte."""
    collation = {"postgresql": "C", "sqlite": "BINARY"}.get(plan.dialect)
    return sa.collate(value, collation) if collation and column.fit.kind == "text" else value
