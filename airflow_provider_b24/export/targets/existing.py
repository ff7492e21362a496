"""Describes a table that exists: its columns, what identifies a row, and whether it is a table at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.types import TypeEngine

from airflow_provider_b24.export.targets.names import TableName, exact
from airflow_provider_b24.export.targets.sessions import TESTED

# These compare the names of tables without regard to case; the others that are not here fold unquoted names.
_KEEPS_CASE = ("sqlite", "duckdb", "mysql", "mssql")


@dataclass(frozen=True, slots=True)
class FoundColumn:
    """
    A column of a table.

    :param name: its name, in its own case.
    :param type: as SQLAlchemy reflects it.
    :param is_nullable: whether it may be empty.
    :param has_default: whether the database fills it when a row does not.
    :param is_generated: whether only the database may write it.
    """

    name: str
    type: TypeEngine[Any]
    is_nullable: bool = True
    has_default: bool = False
    is_generated: bool = False


@dataclass(frozen=True, slots=True)
class FoundTable:
    """
    A table, or a view, that exists.

    :param schema: its schema, None for the default one.
    :param name: its name, in its own case.
    :param is_view: whether it is a view.
    :param columns: its columns by name.
    :param keys: columns of which each identifies a row alone; None if the database does not say.
    """

    schema: str | None
    name: str
    is_view: bool = False
    columns: Mapping[str, FoundColumn] = field(default_factory=dict)
    keys: frozenset[str] | None = None


def stored_name(dialect: str, name: TableName) -> str:
    """Return the name that a new table gets: an unquoted name is folded as the database does it."""
    return name.name if name.is_quoted or dialect in _KEEPS_CASE else name.name.lower()


def find_table(connection: Connection, dialect: str, name: TableName) -> FoundTable | None:
    """Return the table of this name, or None if there is none."""
    if dialect == "duckdb":
        return _find_in_duckdb(connection, name)
    inspector: Any = sa.inspect(connection)
    found = _name_in(inspector, dialect, name)
    if found is None:
        return None
    if found in _views(inspector, name.schema):
        return FoundTable(name.schema, found, is_view=True)
    table = exact(found) if dialect in TESTED else found
    columns = {one["name"]: _column(one) for one in inspector.get_columns(table, schema=name.schema)}
    return FoundTable(name.schema, found, False, columns, _keys(inspector, dialect, table, name.schema))


def schema_exists(connection: Connection, dialect: str, schema: str) -> bool:
    """Whether there is a schema, in MySQL a database, of this name."""
    if dialect == "duckdb":
        schemas = {one for _, one in _duckdb_rows(connection, "schemas", "database_name", "schema_name")}
    else:
        schemas = set(sa.inspect(connection).get_schema_names())
    return schema in schemas or schema.lower() in {one.lower() for one in schemas}


def _name_in(inspector: Any, dialect: str, name: TableName) -> str | None:
    """Return a table's name as the database has it."""
    exact_name, schema = exact(name.name), name.schema
    if name.is_quoted or dialect in _KEEPS_CASE:
        if dialect != "sqlite" and inspector.has_table(exact_name, schema=schema):
            return name.name
        if dialect == "mysql":
            return None
        # These find a table in any case, but reflect it only in its own.
        there = [*inspector.get_table_names(schema=schema), *_views(inspector, schema)]
        same = [one for one in there if one.lower() == name.name.lower()]
        return name.name if name.name in same else next(iter(same), None)
    folded = name.name.lower()
    if inspector.has_table(folded, schema=schema):
        return folded
    # Made by somebody who wrote it in quotes, and the only one that can be meant.
    return name.name if inspector.has_table(exact_name, schema=schema) else None


def _views(inspector: Any, schema: str | None) -> set[str]:
    views = set(_ask(inspector.get_view_names, schema=schema))
    materialized = getattr(inspector, "get_materialized_view_names", None)  # from SQLAlchemy 2.0
    return views | set(_ask(materialized, schema=schema)) if materialized else views


def _ask(question: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return what a dialect reflects, nothing if it cannot."""
    try:
        return question(*args, **kwargs)
    except NotImplementedError:
        return ()


def _column(reflected: Mapping[str, Any]) -> FoundColumn:
    identity = reflected.get("identity")
    return FoundColumn(
        reflected["name"],
        reflected["type"],
        bool(reflected.get("nullable", True)),
        reflected.get("default") is not None or bool(identity) or reflected.get("autoincrement") is True,
        bool(reflected.get("computed")) or bool(identity and identity.get("always")),
    )


def _keys(inspector: Any, dialect: str, table: str, schema: str | None) -> frozenset[str] | None:
    primary = _ask(inspector.get_pk_constraint, table, schema=schema) or {}
    groups = [primary.get("constrained_columns") or []]
    groups += [one["column_names"] for one in _ask(inspector.get_unique_constraints, table, schema=schema)]
    for index in _ask(inspector.get_indexes, table, schema=schema):
        is_whole = not index.get("expressions") and not _is_partial(index.get("dialect_options") or {})
        if index.get("unique") and is_whole:
            groups.append(index["column_names"])
    keys = frozenset(group[0] for group in groups if len(group) == 1 and group[0])
    return keys if keys or dialect in TESTED else None  # elsewhere keys may not be declared at all


def _is_partial(options: Mapping[str, Any]) -> bool:
    """Whether an index is one of some rows, or of the first characters."""
    return any(
        (name.endswith("_where") and value is not None) or (name.endswith("_length") and bool(value))
        for name, value in options.items()
    )


# duckdb-engine asks PostgreSQL's catalog, of which newer versions of DuckDB lack parts.
# https://duckdb.org/docs/stable/sql/meta/duckdb_table_functions
_DUCKDB_TYPES: dict[str, TypeEngine[Any]] = {
    **dict.fromkeys(("VARCHAR", "JSON"), sa.Text()),
    **dict.fromkeys(("TINYINT", "SMALLINT"), sa.SMALLINT()),
    "INTEGER": sa.INTEGER(),
    **dict.fromkeys(("BIGINT", "HUGEINT"), sa.BigInteger()),
    "DOUBLE": sa.Float(53),
    "FLOAT": sa.REAL(),
    "BOOLEAN": sa.Boolean(),
    "DATE": sa.Date(),
    "TIMESTAMP": sa.DateTime(),
    "TIMESTAMP WITH TIME ZONE": sa.DateTime(timezone=True),
}
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")


def _find_in_duckdb(connection: Connection, name: TableName) -> FoundTable | None:
    schema, database = connection.execute(
        sa.select(sa.func.current_schema(), sa.func.current_database())
    ).one()
    place = {"database_name": database, "schema_name": name.schema or schema}
    tables = [one for (one,) in _duckdb_rows(connection, "tables", "table_name", **place)]
    views = [one for (one,) in _duckdb_rows(connection, "views", "view_name", **place)]
    found = next((one for one in [*tables, *views] if one.lower() == name.name.lower()), None)
    if found is None:
        return None
    if found in views:
        return FoundTable(name.schema, found, is_view=True)
    place["table_name"] = found
    described = ("column_name", "data_type", "is_nullable", "column_default")
    columns = {
        column: FoundColumn(column, _duckdb_type(type_), is_nullable, default is not None)
        for column, type_, is_nullable, default in _duckdb_rows(connection, "columns", *described, **place)
    }
    groups = [
        names
        for type_, names in _duckdb_rows(
            connection, "constraints", "constraint_type", "constraint_column_names", **place
        )
        if type_ in ("PRIMARY KEY", "UNIQUE")
    ]
    for is_unique, expressions in _duckdb_rows(connection, "indexes", "is_unique", "expressions", **place):
        groups += [[str(expressions).strip("[]'\"")]] if is_unique else []
    keys = frozenset(group[0] for group in groups if len(group) == 1)
    return FoundTable(name.schema, found, False, columns, keys)


def _duckdb_rows(connection: Connection, what: str, *columns: str, **conditions: str) -> Any:
    """Select columns of one of DuckDB's functions that describe the database: ``duckdb_tables()``."""
    query: Any = sa.select(*[sa.column(one) for one in columns]).select_from(
        getattr(sa.func, f"duckdb_{what}")()
    )
    for column, value in conditions.items():
        query = query.where(sa.func.lower(sa.column(column)) == value.lower())
    return connection.execute(query).fetchall()


def _duckdb_type(text: str) -> TypeEngine[Any]:
    if found := _DECIMAL.fullmatch(text):
        return sa.Numeric(int(found[1]), int(found[2]))
    return _DUCKDB_TYPES.get(text) or sa.types.NullType()
