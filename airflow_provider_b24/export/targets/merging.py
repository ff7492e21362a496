"""One try of a load: rows are staged, the table is compared and extended, and the rows are merged into it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import sqlalchemy as sa
from alembic.ddl.base import AddColumn
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from airflow_provider_b24.export.columns import Column
from airflow_provider_b24.export.deletions import check_max_deleted
from airflow_provider_b24.export.targets import chunks, staging
from airflow_provider_b24.export.targets.existing import find_table
from airflow_provider_b24.export.targets.failures import DENIED, DUPLICATE, find_kind
from airflow_provider_b24.export.targets.names import TableName
from airflow_provider_b24.export.targets.plan import Plan, make_converter, make_plan
from airflow_provider_b24.export.targets.sessions import TESTED, Session

Rows = Callable[[], Iterator[list[tuple[Any, ...]]]]
Ids = Callable[[], Iterator[int]]
_MOST_NAMES = 20  # in a log line


class TableChangedError(Exception):
    """The table was changed by somebody else since rows were staged for it."""


@dataclass(frozen=True)
class TableResult:
    """
    What a load did.

    :param written: the number of rows inserted or changed.
    :param deleted: the number of rows deleted.
    :param added_columns: the names of the columns that an existing table got.
    :param names: the column of each field.
    """

    written: int
    deleted: int = 0
    added_columns: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Load:
    """
    What is loaded.

    :param name: the table's name.
    :param columns: the columns of the rows.
    :param key: the name of the field that identifies a row.
    :param rows: returns an iterator over lists of rows.
    :param keep_ids: returns the ids of the whole list; rows with other ids are deleted.
    :param max_deleted: how many rows may be deleted, see ``check_max_deleted``.
    :param log: takes one line about the progress.
    """

    name: TableName
    columns: Sequence[Column]
    key: str
    rows: Rows
    keep_ids: Ids | None
    max_deleted: float | None
    log: Callable[[str], None]

    def all_rows(self) -> Iterator[tuple[Any, ...]]:
        """Return an iterator over the rows."""
        return chain.from_iterable(self.rows())


@dataclass(frozen=True)
class _Staged:
    """Temporary tables; None where rows are compared here, without them."""

    rows: sa.Table | None = None
    ids: sa.Table | None = None


def run_load(session: Session, load: Load) -> TableResult:
    """
    Load rows in one transaction.

    :raises TableChangedError: the load must begin again.
    :raises Bitrix24TableError: the table does not take these rows.
    """
    with session.transaction():
        plan = _plan(session, load)
        if session.stages_within_merge:
            staged = _stage(session, plan, load)
            load.log(_waiting(session, plan))
            session.lock_within(plan.schema, plan.name)
            return _merge(session, plan, staged, load)
    with session.transaction():
        staged = _stage(session, plan, load)
    load.log(_waiting(session, plan))
    with session.lock_around(plan.schema, plan.name), session.transaction(for_writing=True):
        return _merge(session, plan, staged, load)


def _waiting(session: Session, plan: Plan) -> str:
    return f"writing into table {plan.text}, waiting at most {session.lock_timeout:g} s for locks of others"


def _plan(session: Session, load: Load) -> Plan:
    found = find_table(session.connection, session.dialect, load.name)
    dialect = session.connection.dialect
    return make_plan(
        session.dialect,
        load.name,
        found,
        load.columns,
        load.key,
        longest_name=dialect.max_identifier_length,
        takes_decimals=dialect.supports_native_decimal or session.dialect in TESTED,
    )


def _stage(session: Session, plan: Plan, load: Load) -> _Staged:
    """Fill temporary tables; none, if the user may not create them or the database is not one we know."""
    if plan.dialect not in TESTED:
        return _Staged()
    connection = session.connection
    staged = staging.temporary_table(plan, plan.columns)
    try:
        # In PostgreSQL, an error outside of a savepoint ends the transaction.
        with connection.begin_nested() if plan.dialect == "postgresql" else nullcontext():
            staged.create(connection)
    except DBAPIError as error:
        if find_kind(error) is not DENIED:
            raise
        load.log(f"table {plan.text}: no right to create a temporary table, so rows are compared one by one")
        return _Staged()
    try:
        staging.fill_rows(connection, plan, staged, load.all_rows())
    except DBAPIError as error:
        if find_kind(error) is DUPLICATE:  # the staging table has no other constraint
            raise staging.id_twice(plan) from None
        raise
    if load.keep_ids is None:
        return _Staged(staged)
    ids = staging.temporary_table(plan, [plan.key])
    ids.create(connection)
    staging.fill_ids(connection, plan, ids, load.keep_ids())
    return _Staged(staged, ids)


def _merge(session: Session, planned: Plan, staged: _Staged, load: Load) -> TableResult:
    """Bring the rows into the table, which is compared once more: another load may have changed it."""
    plan = _plan(session, load)
    if not plan.stages_like(planned):
        raise TableChangedError
    connection = session.connection
    table = plan.table()
    if staged.rows is None and (plan.is_new or plan.added):  # what is added may be there to stay
        deque(map(make_converter(plan), load.all_rows()), maxlen=0)
    _create_or_extend(connection, plan, load.log)
    before = 0
    if load.keep_ids is not None:
        before = int(connection.execute(sa.select(sa.func.count(table.c[plan.key.name]))).scalar() or 0)
    if staged.rows is not None:
        written = staging.merge(connection, plan, table, staged.rows)
    else:
        written = chunks.write_rows(connection, plan, table, load.all_rows())
    deleted = _delete(connection, plan, table, staged.ids, load, before)
    names = {column.field: column.name for column in plan.columns}
    return TableResult(written, deleted, [column.name for column in plan.added], names)


def _delete(
    connection: Connection, plan: Plan, table: sa.Table, ids: sa.Table | None, load: Load, before: int
) -> int:
    if load.keep_ids is None:
        return 0
    if ids is None:
        missing, listed = chunks.find_missing(connection, plan, table, load.keep_ids())
        check_max_deleted(len(missing), before, load.max_deleted, listed)
        return chunks.delete_rows(connection, plan, table, missing)
    count = staging.count_missing(connection, plan, table, ids)
    listed = int(connection.execute(sa.select(sa.func.count()).select_from(ids)).scalar() or 0)
    check_max_deleted(count, before, load.max_deleted, listed)
    return staging.delete_missing(connection, plan, table, ids) if count else 0


def _create_or_extend(connection: Connection, plan: Plan, log: Callable[[str], None]) -> None:
    if plan.is_new:
        columns = [
            sa.Column(
                plan.quoted(column.name), column.type, primary_key=column is plan.key, autoincrement=False
            )
            for column in plan.columns
        ]
        options: dict[str, Any] = {"mysql_charset": "utf8mb4"} if plan.dialect == "mysql" else {}
        sa.Table(plan.quoted(plan.name), sa.MetaData(), *columns, schema=plan.schema, **options).create(
            connection, checkfirst=False
        )
        log(f"table {plan.text} created with {len(columns):,} columns")
    elif plan.added:
        for column in plan.added:
            added = sa.Column(plan.quoted(column.name), column.type)
            table = sa.Table(plan.quoted(plan.name), sa.MetaData(), added, schema=plan.schema)
            connection.execute(AddColumn(table.name, added, schema=table.schema))
        log(f"columns added to table {plan.text}: {_listed([column.name for column in plan.added])}")


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more
