"""The databases that tables are tested with: SQLite, DuckDB, and real servers of PostgreSQL and MariaDB."""

import importlib
import itertools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.pool import NullPool

from airflow_provider_b24.export.targets.table import TableTarget
from airflow_provider_b24.hooks.drivers import make_engine
from tests.export import mariadb, postgres

IN_PROCESS = ("sqlite", "duckdb", "other")
POSTGRES = ("psycopg2", "psycopg")
MARIADB = ("mysqlconnector", "mysqlclient")
ALL = [*IN_PROCESS, *(pytest.param(name, marks=pytest.mark.slow) for name in POSTGRES + MARIADB)]
_numbers = itertools.count(1)


class OtherDialect(SQLiteDialect_pysqlite):
    """A database that this package does not know."""

    name = "other"
    supports_statement_cache = True


registry.register("other", __name__, "OtherDialect")


@dataclass
class Database:
    """
    An empty database.

    :ivar name: which one, and by which driver.
    :ivar connect: opens a connection of the driver, with other credentials if they are given.
    :ivar schema: where unqualified tables are; in MariaDB the database.
    :ivar secrets: what no message may show.
    """

    name: str
    connect: Callable[..., Any]
    schema: str = "main"
    secrets: list[str] = field(default_factory=list)

    @property
    def is_postgres(self) -> bool:
        return self.name in POSTGRES

    @property
    def is_mariadb(self) -> bool:
        return self.name in MARIADB

    @property
    def is_server(self) -> bool:
        return self.is_postgres or self.is_mariadb

    def target(self, table: str = "deals", lock_timeout: float = 20.0, **login: Any) -> TableTarget:
        """A table in it, through the same engine as that of an Airflow connection."""
        return TableTarget(lambda: self.engine(**login), table, lock_timeout, self.secrets)

    def engine(self, **login: Any) -> Any:
        if self.name == "other":
            return create_engine("other://", creator=self.connect, poolclass=NullPool)
        return make_engine(SimpleNamespace(get_conn=lambda: self.connect(**login)), "warehouse")

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements and commit; the rows of the last."""
        rows: list[Any] = []
        with closing(self.connect()) as connection:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
                rows = list(cursor.fetchall()) if statement.lower().startswith(("select", "show")) else []
            if self.name != "duckdb":
                connection.commit()
        return rows


def open_database(name: str, request: pytest.FixtureRequest, tmp_path: Any) -> Database:
    """Return an empty database; the servers are started once."""
    if name == "duckdb":
        pytest.importorskip("duckdb_engine", reason="needs DuckDB and its dialect")
        duckdb = importlib.import_module("duckdb")
        return Database(name, lambda: duckdb.connect(str(tmp_path / "deals.duckdb")))
    if name in POSTGRES:
        return _open_postgres(name, request.getfixturevalue("postgres_server"))
    if name in MARIADB:
        return _open_mariadb(name, request.getfixturevalue("mariadb_port"))
    return Database(name, lambda: sqlite3.connect(tmp_path / "deals.db"))


def _open_postgres(name: str, dsn: str) -> Database:
    driver = pytest.importorskip(name, reason=f"needs {name}")
    if name == "psycopg" and importlib.import_module("sqlalchemy").__version__.startswith("1."):
        pytest.skip("SQLAlchemy 1.4 does not know this driver")
    schema = f"tests_{next(_numbers)}"
    with closing(driver.connect(dsn)) as connection:
        connection.cursor().execute(f"CREATE SCHEMA {schema}")
        connection.commit()
    options = f" options='-c search_path={schema}'"

    def connect(user: str = "tests", more: str = "") -> Any:
        return driver.connect(dsn.replace("user=tests", f"user={user}") + options + more)

    return Database(name, connect, schema=schema)


def _open_mariadb(name: str, port: int) -> Database:
    module = {"mysqlconnector": "mysql.connector", "mysqlclient": "MySQLdb"}[name]
    driver = pytest.importorskip(module, reason=f"needs {name}")
    place = {"host": "127.0.0.1", "port": port, "user": "root", "password": ""}
    created = f"tests_{next(_numbers)}"
    with closing(driver.connect(**place)) as connection:
        connection.cursor().execute(f"CREATE DATABASE {created} CHARACTER SET utf8mb4")

    def connect(**login: Any) -> Any:
        return driver.connect(**{**place, "database": created, **login})

    return Database(name, connect, schema=created)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The DSN of a PostgreSQL server."""
    binaries = postgres.server_folder()
    if binaries is None:
        pytest.skip("needs a PostgreSQL server")
    with postgres.running_server(binaries) as dsn:
        yield dsn


@pytest.fixture(scope="session")
def mariadb_port() -> Iterator[int]:
    """The port of a MariaDB server."""
    if not mariadb.is_installed():
        pytest.skip("needs a MariaDB server")
    with mariadb.running_server() as port:
        yield port


@pytest.fixture(params=ALL)
def database(request: pytest.FixtureRequest, tmp_path: Any) -> Database:
    """An empty database of each kind."""
    return open_database(request.param, request, tmp_path)
