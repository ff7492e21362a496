"""What can be found out about a target before a list is read, so that reading it is not for nothing."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24TableError
from airflow_provider_b24.export.targets.connect import TableTarget, opened
from airflow_provider_b24.export.targets.existing import FoundTable, find_table, schema_exists, stored_name
from airflow_provider_b24.export.targets.failures import DENIED, find_kind, table_error
from airflow_provider_b24.export.targets.names import TableName, column_names, exact, parse_table_name
from airflow_provider_b24.export.targets.plan import check_found
from airflow_provider_b24.export.targets.sessions import TESTED, Session


class _Undo(Exception):
    """Ends a transaction without an error."""


def check_target(target: TableTarget, key: str, *, deletes: bool = False) -> None:
    """
    Check that a table can be loaded, or created; nothing is changed, and no connection stays open.

    :param key: the name of the field that identifies a row.
    :param deletes: whether rows will be deleted.
    :raises Bitrix24InputError: the name is not one of a table.
    :raises Bitrix24TableError: the database cannot be reached, there is no such schema, the user lacks a
        right, or the table has no column that identifies a row.
    """
    name = parse_table_name(target.table)
    try:
        with opened(target) as session:
            try:
                with session.transaction(for_writing=True):
                    _check(session, name, key, deletes)
                    raise _Undo
            except _Undo:
                return
    except (SQLAlchemyError, OSError, ValueError) as error:
        if isinstance(error, Bitrix24Error):
            raise
        raise table_error(error, target.table, target.secrets) from None


def _check(session: Session, name: TableName, key: str, deletes: bool) -> None:
    connection, dialect = session.connection, session.dialect
    if name.schema and not schema_exists(connection, dialect, name.schema):
        raise Bitrix24TableError(
            f"table {name.text}: there is no schema {name.schema} in this database",
            table=name.text,
            advice=f"Create it (CREATE SCHEMA {name.schema}), or name another one.",
        )
    found = find_table(connection, dialect, name)
    if found is None:
        _check_creation(session, name)
        return
    column = column_names([key], existing=found.columns)[key]
    check_found(found, dialect, name.text, column)
    _check_rights(session, name, found, column, deletes)


def _check_rights(session: Session, name: TableName, found: FoundTable, key: str, deletes: bool) -> None:
    """Run the statements of a load on no row: a database checks rights before it looks for rows."""
    quote = exact if session.dialect in TESTED else str
    key = next(one for one in found.columns if one.lower() == key)
    table = sa.Table(
        quote(found.name),
        sa.MetaData(),
        sa.Column(quote(key)),
        schema=found.schema,
    )
    column = table.c[key]
    none = sa.false() if session.dialect in TESTED else column != column
    statements: dict[str, Any] = {
        "SELECT": sa.select(column).where(none),
        "INSERT": sa.insert(table).from_select([column.name], sa.select(column).where(none)),
        "UPDATE": sa.update(table).values({column: column}).where(none),
    }
    if deletes:
        statements["DELETE"] = sa.delete(table).where(none)
    for right, statement in statements.items():
        try:
            result = session.connection.execute(statement)
            if result.returns_rows:
                result.all()
        except DBAPIError as error:
            if find_kind(error) is not DENIED:
                raise
            raise _denied(name, right) from None


def _check_creation(session: Session, name: TableName) -> None:
    connection, dialect = session.connection, session.dialect
    stored = exact(stored_name(dialect, name))
    if dialect == "postgresql":
        schema = name.schema or connection.execute(sa.select(sa.func.current_schema())).scalar()
        if schema is None:
            raise Bitrix24TableError(
                f"table {name.text}: the connection's search_path names no schema that exists",
                table=name.text,
                advice="Write the schema before the table's name.",
            )
        if not connection.execute(sa.select(sa.func.has_schema_privilege(schema, "CREATE"))).scalar():
            raise _denied(name, "CREATE")
    elif dialect == "mysql":
        if not name.schema and not connection.dialect.default_schema_name:
            raise Bitrix24TableError(
                f"table {name.text}: the connection names no database",
                table=name.text,
                advice="Set the connection's schema, or write the database before the table's name.",
            )
        _try_to_create(session, name, stored, ("id", "ID"))
    elif dialect in ("sqlite", "duckdb"):
        _try_to_create(session, name, stored, ("id",))


def _try_to_create(session: Session, name: TableName, stored: str, columns: tuple[str, ...]) -> None:
    """
    Create a table in a transaction that is undone.

    In MySQL it could not be undone, so there the table has one column twice: the right is checked first.
    """
    table = sa.Table(
        stored, sa.MetaData(), *[sa.Column(exact(one), sa.Integer) for one in columns], schema=name.schema
    )
    try:
        session.connection.execute(sa.schema.CreateTable(table))
    except DBAPIError as error:
        if find_kind(error) is DENIED:
            raise _denied(name, "CREATE") from None
        if len(columns) == 1:
            raise


def _denied(name: TableName, right: str) -> Bitrix24TableError:
    return Bitrix24TableError(
        f"the connection's user has no right to {right} for table {name.text}",
        table=name.text,
        advice="Grant it, or use another connection.",
    )
