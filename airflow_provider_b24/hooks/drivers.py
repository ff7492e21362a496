"""
SQLAlchemy engines over the connections that Airflow's database hooks open.

A hook's own ``get_conn`` knows all options of a connection (TLS, IAM, ``options``, the driver). The addresses
that hooks give to SQLAlchemy leave some of them out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from airflow_provider_b24.errors import Bitrix24ConfigError

# The module of a driver's connection, and the address by which SQLAlchemy knows the driver.
_ADDRESSES = {
    "psycopg": "postgresql+psycopg://",
    "psycopg2": "postgresql+psycopg2://",
    "MySQLdb": "mysql+mysqldb://",
    "mysql": "mysql+mysqlconnector://",
    "pymysql": "mysql+pymysql://",
    "sqlite3": "sqlite://",
    "duckdb": "duckdb://",
}
_PACKAGES = {"duckdb": "duckdb-engine"}


def make_engine(hook: Any, conn_id: str) -> Engine:
    """
    Return an engine whose connections a hook opens; it keeps none open.

    :param hook: a ``DbApiHook``.
    :param conn_id: the id of its connection, for messages.
    :raises Bitrix24ConfigError: a driver or SQLAlchemy's dialect for it is not installed.
    """
    try:
        connection = hook.get_conn()
    except (ImportError, RuntimeError) as error:  # RuntimeError: the MySQL provider's, for a missing driver
        if _is_of_driver(error):
            raise
        raise _unusable(conn_id, error) from None
    driver = type(connection).__module__.partition(".")[0].lstrip("_")
    address = _ADDRESSES.get(driver)
    options: dict[str, Any] = {"poolclass": NullPool, "hide_parameters": True}
    try:
        if address is None:
            connection.close()
            engine: Engine = hook.get_sqlalchemy_engine(options)
            return engine
        first = [connection]
        prepare = _PREPARE.get(driver, lambda one: one)
        return create_engine(
            address, creator=lambda: prepare(first.pop() if first else hook.get_conn()), **options
        )
    except (ImportError, SQLAlchemyError, NotImplementedError, AttributeError) as error:
        connection.close()
        package = _PACKAGES.get(driver, f"the SQLAlchemy dialect of {driver}")
        raise _unusable(conn_id, error, f"Install {package}.") from None


def _is_of_driver(error: Exception) -> bool:
    """Whether an error is about the database; DuckDB's are RuntimeErrors too."""
    return type(error).__module__.partition(".")[0].lstrip("_") in _ADDRESSES


def _unusable(conn_id: str, error: Exception, advice: str = "") -> Bitrix24ConfigError:
    text = next(iter(str(error).splitlines()), type(error).__name__)
    return Bitrix24ConfigError(f"connection {conn_id} cannot be used: {text:.300}", advice=advice)


def _plain_psycopg2(connection: Any) -> Any:
    connection.cursor_factory = (
        None  # SQLAlchemy reads tuples, whatever "cursor" in the connection's extra says
    )
    return connection


def _plain_psycopg(connection: Any) -> Any:
    from psycopg.rows import tuple_row

    connection.row_factory = tuple_row
    return connection


def _plain_mysqldb(connection: Any) -> Any:
    from MySQLdb.cursors import Cursor  # type: ignore[import-untyped]

    connection.cursorclass = Cursor
    connection.set_character_set("utf8mb4")
    return connection


def _plain_mysql(connection: Any) -> Any:
    connection.set_charset_collation("utf8mb4")
    return connection


def _wrapped(connection: Any) -> Any:
    from duckdb_engine import ConnectionWrapper

    return ConnectionWrapper(connection)


_PREPARE: dict[str, Callable[[Any], Any]] = {
    "psycopg2": _plain_psycopg2,
    "psycopg": _plain_psycopg,
    "MySQLdb": _plain_mysqldb,
    "mysql": _plain_mysql,
    "duckdb": _wrapped,
}
