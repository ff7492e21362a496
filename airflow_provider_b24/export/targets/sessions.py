"""
One session of a database: its settings, its transactions, and the lock between loads of one table.

The only SQL text of this package is here: settings for which SQLAlchemy has no words.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from airflow_provider_b24.errors import Bitrix24TableError

MYSQL = ("mysql", "mariadb")
TESTED = ("postgresql", "sqlite", "duckdb", *MYSQL)  # the others get generic statements
# Explicit levels also switch off the autocommit that a connection was opened with.
_ISOLATION = {"postgresql": "READ COMMITTED", **dict.fromkeys(MYSQL, "REPEATABLE READ")}
_LONGEST_PAUSE = 600  # seconds between two statements, while rows are read from files; nothing is locked then
_OPTIONAL = (  # not every server of MySQL's kind has these, or lets every user set them
    # A table may have more columns than would fit if every text were long; a row that is too long fails.
    "SET SESSION innodb_strict_mode = OFF",
    f"SET SESSION idle_transaction_timeout = {_LONGEST_PAUSE}",
)
_duckdb = threading.Lock()  # one process at a time writes to a DuckDB file, so this is between its threads


@dataclass(frozen=True, slots=True)
class Session:
    """
    An open connection with the settings that a load needs.

    :param connection: SQLAlchemy's connection.
    :param dialect: the name of SQLAlchemy's dialect; ``mysql`` for MariaDB too.
    :param lock_timeout: seconds to wait for locks of others.
    """

    connection: Connection
    dialect: str
    lock_timeout: float

    @property
    def stages_within_merge(self) -> bool:
        """
        Whether the staging table is filled in the same transaction that merges it.

        In PostgreSQL, because poolers keep a session for one transaction only, and what was read locks
        nothing. Elsewhere a transaction that has read the table holds locks, or cannot write later.
        """
        return self.dialect == "postgresql"

    @contextmanager
    def transaction(self, *, for_writing: bool = False) -> Iterator[None]:
        """
        Run a block as one transaction; the first error is the one that is raised, not the rollback's.

        :param for_writing: whether SQLite's lock for writing is taken now.
        """
        transaction = self.connection.begin()
        try:
            self._begin(for_writing)
            yield
        except BaseException:
            try:
                transaction.rollback()
            except (SQLAlchemyError, OSError):
                self.connection.invalidate()  # closing it undoes the transaction too
            raise
        transaction.commit()

    def _begin(self, for_writing: bool) -> None:
        if self.dialect == "sqlite":
            self.connection.exec_driver_sql("BEGIN IMMEDIATE" if for_writing else "BEGIN")
        elif self.dialect == "postgresql":
            waits = {"lock_timeout": self.lock_timeout, "idle_in_transaction_session_timeout": _LONGEST_PAUSE}
            settings = [
                sa.func.set_config(name, str(round(wait * 1000)), True) for name, wait in waits.items()
            ]
            self.connection.execute(sa.select(*settings))

    @contextmanager
    def lock_around(self, schema: str | None, table: str) -> Iterator[None]:
        """
        Let only one load at a time change a table, from before a transaction until after it.

        :raises Bitrix24TableError: another load did not finish within ``lock_timeout``; temporary.
        """
        if self.dialect == "mysql":
            name = f"bitrix24_{self._number(schema, table):x}"
            self._take_mysql_lock(name)
            try:
                yield
            finally:
                self._release_mysql_lock(name)
        elif self.dialect == "duckdb":
            if not _duckdb.acquire(timeout=self.lock_timeout):
                raise _busy(self.lock_timeout)
            try:
                yield
            finally:
                _duckdb.release()
        else:
            yield

    def lock_within(self, schema: str | None, table: str) -> None:
        """Let only one load at a time change a table, until the end of the present transaction."""
        if self.dialect == "postgresql":  # waits lock_timeout at most
            number = sa.cast(self._number(schema, table) - (1 << 63), sa.BigInteger)
            self.connection.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))

    def _number(self, schema: str | None, table: str) -> int:
        name = f"bitrix24 {schema or self.connection.dialect.default_schema_name}.{table}"
        return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")

    def _take_mysql_lock(self, name: str) -> None:
        take = sa.select(sa.func.get_lock(name, max(1, round(self.lock_timeout))))
        try:
            with self.transaction():
                is_taken = self.connection.execute(take).scalar()
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            return  # a cluster may refuse such locks; then conflicts make one of the loads begin again
        if is_taken != 1:
            raise _busy(self.lock_timeout)

    def _release_mysql_lock(self, name: str) -> None:
        try:
            with self.transaction():
                self.connection.execute(sa.select(sa.func.release_lock(name))).scalar()
        except SQLAlchemyError:
            self.connection.invalidate()  # a session that ends gives its locks back


def _busy(seconds: float) -> Bitrix24TableError:
    return Bitrix24TableError(
        f"another load of this table did not finish within {seconds:g} s",
        temporary=True,
        advice="Let such tasks run one after another, or raise lock_timeout.",
    )


def open_session(connection: Connection, lock_timeout: float) -> Session:
    """Prepare a connection that was just opened."""
    dialect = connection.dialect.name
    dialect = "mysql" if dialect in MYSQL else dialect
    if dialect in _ISOLATION:
        connection = connection.execution_options(isolation_level=_ISOLATION[dialect])
    driver: Any = connection.connection.dbapi_connection
    if dialect == "sqlite":
        driver.isolation_level = None  # Python's driver would commit before DDL; transactions are begun above
    for setting in _settings(dialect, lock_timeout):
        with _driver_cursor(driver) as cursor:
            cursor.execute(setting)
    for setting in _OPTIONAL if dialect == "mysql" else ():
        with suppress(Exception), _driver_cursor(driver) as cursor:
            cursor.execute(setting)
    return Session(connection, dialect, lock_timeout)


@contextmanager
def _driver_cursor(driver: Any) -> Iterator[Any]:
    """Open a cursor of the driver itself, outside of SQLAlchemy's transactions."""
    cursor = driver.cursor()
    try:
        yield cursor
    finally:
        cursor.close()


def _settings(dialect: str, lock_timeout: float) -> list[str]:
    seconds = max(1, round(lock_timeout))
    if dialect == "mysql":
        return [
            # Not strict, MySQL cuts what does not fit. TIMESTAMP columns are read and written in this zone.
            "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00'",
            f"SET SESSION innodb_lock_wait_timeout = {seconds}, lock_wait_timeout = {seconds}",
            f"SET SESSION wait_timeout = {_LONGEST_PAUSE}",
        ]
    if dialect == "sqlite":
        return [f"PRAGMA busy_timeout = {round(lock_timeout * 1000)}"]
    return []
