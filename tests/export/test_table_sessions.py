"""Loads beside others, with few rights, over bad connections, and killed: all or nothing, clearly said."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from types import SimpleNamespace

import pytest

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24TableError
from airflow_provider_b24.export.columns import Column
from airflow_provider_b24.export.targets.table import TableTarget, check_target, write_table
from airflow_provider_b24.hooks.drivers import make_engine
from tests.export.databases import (  # noqa: F401 - fixtures
    MARIADB,
    POSTGRES,
    database,
    mariadb_port,
    open_database,
    postgres_server,
)

COLUMNS = [Column("id", "integer"), Column("title")]
OLD = "INSERT INTO deals VALUES (1, 'old')"
CREATE = "CREATE TABLE deals (id BIGINT PRIMARY KEY, title VARCHAR(50))"


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.slow) for name in POSTGRES + MARIADB])
def server(request, tmp_path):
    """An empty database on a server."""
    return open_database(request.param, request, tmp_path)


def write(target, rows, columns=COLUMNS, log=None, **options):
    lines = [] if log is None else log
    return write_table(target, columns, "id", lambda: iter([list(rows)]), log=lines.append, **options)


def both(*actions):
    """Run actions at the same time; their results or errors."""
    results = [None] * len(actions)

    def run(number, action):
        try:
            results[number] = action()
        except Exception as error:  # noqa: BLE001 - raised below
            results[number] = error

    threads = [threading.Thread(target=run, args=one) for one in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


def test_two_loads_at_once_into_a_new_table_and_with_a_new_column(database):  # noqa: F811
    if database.name == "other":
        pytest.skip("its driver has one writer at a time, and no waiting")
    target = database.target(lock_timeout=60)
    halves = [range(1, 1_001), range(1_001, 2_001)]
    results = both(*[lambda half=half: write(target, [(one, "a") for one in half]) for half in halves])
    assert [one.written for one in results] == [1_000, 1_000]
    more = [*COLUMNS, Column("ufNew", "number")]
    results = both(
        *[lambda half=half: write(target, [(one, "a", one) for one in half], more) for half in halves]
    )
    assert [one.written for one in results] == [1_000, 1_000]
    assert sorted(one.added_columns for one in results) == [[], ["uf_new"]]
    same = [(one, "b", one) for one in range(1, 2_001)]
    results = both(*[lambda: write(target, same, more, keep_ids=lambda: iter(range(1, 2_001)))] * 2)
    assert sorted(one.written for one in results) == [0, 2_000]


def test_a_lock_of_somebody_else_is_waited_for_and_then_a_temporary_error(database):  # noqa: F811
    if database.name in ("duckdb", "other"):
        pytest.skip("has no such locks")
    database.execute(CREATE, OLD)
    with closing(database.connect()) as other:
        cursor = other.cursor()
        if database.name == "sqlite":
            cursor.execute("BEGIN IMMEDIATE")
        cursor.execute("UPDATE deals SET title = 'mine' WHERE id = 1")
        log = []
        started = time.monotonic()
        with pytest.raises(Bitrix24TableError, match=r"table deals.*lock") as caught:
            write(database.target(lock_timeout=1), [(1, "new"), (2, "b")], log=log)
        assert 0.9 < time.monotonic() - started < 30
        assert caught.value.temporary
        assert any("waiting at most 1 s for locks" in line for line in log)
        other.rollback()
    assert database.execute("SELECT id, title FROM deals") == [(1, "old")]
    assert write(database.target(lock_timeout=1), [(1, "new")]).written == 1


@pytest.mark.parametrize("name", ["sqlite", *(pytest.param(one, marks=pytest.mark.slow) for one in POSTGRES)])
def test_readers_do_not_wait_while_rows_are_staged(name, request, tmp_path):
    here = open_database(name, request, tmp_path)
    here.execute(CREATE, OLD)
    seen = []

    def rows():
        yield [(1, "new")]
        seen.append(here.execute("SELECT title FROM deals"))
        here.execute("UPDATE deals SET title = 'theirs'")  # nor do writers
        yield [(2, "b")]

    result = write_table(here.target(lock_timeout=2), COLUMNS, "id", rows, log=lambda line: None)
    assert (seen, result.written) == ([[("old",)]], 2)


def test_a_connection_that_is_lost_is_a_temporary_error(server):
    server.execute(CREATE, OLD)

    def rows():
        yield [(number, "new") for number in range(1, 2_000)]
        kill_others(server)
        yield [(number, "new") for number in range(2_000, 4_000)]

    with pytest.raises(
        Bitrix24TableError, match="table deals: the connection to the database failed"
    ) as caught:
        write_table(server.target(), COLUMNS, "id", rows, log=lambda line: None)
    assert caught.value.temporary
    assert caught.value.__cause__ is None
    assert server.execute("SELECT id, title FROM deals") == [(1, "old")]


def kill_others(server):
    """End all other sessions of the server's."""
    if server.is_postgres:
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"
        )
        return
    for row in server.execute("SHOW PROCESSLIST"):
        if row[3] == server.schema and "SHOW" not in str(row[7]):
            server.execute(f"KILL {row[0]}")


def test_a_server_that_ends_idle_transactions_does_not_end_a_load(server):
    """Reading rows back from their files takes time too."""
    if server.is_mariadb:
        server.execute("SET GLOBAL idle_transaction_timeout = 1", "SET GLOBAL wait_timeout = 1")
    else:
        server.execute("ALTER ROLE tests SET idle_in_transaction_session_timeout = 1000")

    def rows():
        yield [(1, "a")]
        time.sleep(2.5)
        yield [(2, "b")]

    try:
        result = write_table(server.target(), COLUMNS, "id", rows, log=lambda line: None)
    finally:
        if server.is_mariadb:
            server.execute("SET GLOBAL idle_transaction_timeout = 0", "SET GLOBAL wait_timeout = 28800")
        else:
            server.execute("ALTER ROLE tests RESET idle_in_transaction_session_timeout")
    assert result.written == 2


def test_a_server_that_does_not_answer_is_a_temporary_error(server):
    ports = {"port": 1} if server.is_mariadb else {"more": " port=1"}
    for action in (check_target, lambda target, key: write(target, [])):
        with pytest.raises(Bitrix24TableError, match="table deals: cannot connect") as caught:
            action(server.target(**ports), "id")
        assert caught.value.temporary


def test_a_missing_database_and_a_wrong_login_are_permanent(server):
    if server.is_mariadb:
        server.execute("CREATE USER IF NOT EXISTS 'known'@'127.0.0.1' IDENTIFIED BY 'right-password'")
        logins = [{"database": "nowhere"}, {"user": "known", "password": "canary-password"}]
    else:
        logins = [{"more": " dbname=nowhere"}, {"user": "nobody"}]
    for login in logins:
        target = server.target(**login)
        with pytest.raises(Bitrix24TableError, match="does not accept the connection") as caught:
            check_target(target, "id")
        assert not caught.value.temporary
        assert "canary-password" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_messages_show_no_secret():
    def connect():
        raise OSError("no route to postgresql://user:canary-password@host/db")

    target = TableTarget(connect, "deals", secrets=["canary-password"])
    with pytest.raises(Bitrix24TableError) as caught:
        check_target(target, "id")
    assert "canary-password" not in str(caught.value)
    assert "***" in str(caught.value)


@pytest.fixture
def clerk(server):
    """The login of a user who may do nothing but connect; the table deals exists."""
    server.execute(CREATE, OLD)
    if server.is_mariadb:
        server.execute(
            "CREATE OR REPLACE USER 'clerk'@'127.0.0.1'",
            "CREATE TABLE nothing (id INT)",
            f"GRANT SELECT ON {server.schema}.nothing TO 'clerk'@'127.0.0.1'",
        )
    else:
        server.execute(
            "DO $$ BEGIN CREATE ROLE clerk LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
            f"GRANT USAGE ON SCHEMA {server.schema} TO clerk",
            "REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC",
        )
    yield {"user": "clerk"}
    if server.is_postgres:
        server.execute("GRANT TEMPORARY ON DATABASE postgres TO PUBLIC")


def grant(server, rights, what="TABLE deals"):
    user = "'clerk'@'127.0.0.1'" if server.is_mariadb else "clerk"
    what = f"{server.schema}.deals" if server.is_mariadb else what
    server.execute(f"GRANT {rights} ON {what} TO {user}")


def test_a_missing_right_is_named_before_anything_is_read(server, clerk):
    target = server.target(**clerk)
    for right in ("SELECT", "INSERT", "UPDATE"):
        with pytest.raises(Bitrix24TableError, match=r"right|may not") as caught:
            check_target(target, "id")
        assert not caught.value.temporary
        grant(server, right)
    check_target(target, "id")
    with pytest.raises(Bitrix24TableError, match="no right to DELETE for table deals"):
        check_target(target, "id", deletes=True)
    if server.is_mariadb:  # without any right, a user cannot even see that there is no such table
        server.execute(f"GRANT SELECT ON {server.schema}.* TO 'clerk'@'127.0.0.1'")
    with pytest.raises(Bitrix24TableError, match="no right to CREATE for table another"):
        check_target(server.target("another", **clerk), "id")


def test_a_user_who_may_create_nothing_loads_a_table_that_exists(server, clerk):
    grant(server, "SELECT, INSERT, UPDATE, DELETE")
    target = server.target(**clerk)
    check_target(target, "id", deletes=True)
    log = []
    rows = [(number, f"t{number}") for number in range(1, 1_201)]
    assert write(target, rows, log=log).written == 1_200
    assert any("no right to create a temporary table" in line for line in log)
    assert write(target, rows).written == 0
    result = write(target, [(5, "five"), (6, None)], keep_ids=lambda: iter(range(2, 1_200)))
    assert (result.written, result.deleted) == (2, 2)
    with pytest.raises(Bitrix24Error, match="rows are no longer in the list"):
        write(target, [(7, "seven")], keep_ids=lambda: iter([1]))
    assert server.execute("SELECT title FROM deals WHERE id = 7") == [("t7",)]
    with pytest.raises(Bitrix24TableError, match="may not do this"):
        write(target, [(1, "a", "b")], [*COLUMNS, Column("ufNew")])


@pytest.mark.parametrize(
    "name", ["sqlite", *(pytest.param(one, marks=pytest.mark.slow) for one in POSTGRES + MARIADB)]
)
def test_a_connection_that_commits_by_itself_is_all_or_nothing_too(name, request, tmp_path):
    here = open_database(name, request, tmp_path)
    here.execute("CREATE TABLE deals (id BIGINT PRIMARY KEY, title VARCHAR(50) UNIQUE)", OLD)

    def connect():
        connection = here.connect()
        if name == "sqlite":
            connection.isolation_level = None
        elif name == "mysqlclient":
            connection.autocommit(True)
        else:
            connection.autocommit = True
        return connection

    target = TableTarget(lambda: make_engine(SimpleNamespace(get_conn=connect), "warehouse"), "deals")
    with pytest.raises(Bitrix24TableError, match="unique constraint"):
        write(target, [(1, "new"), (2, "b"), (3, "b")])
    assert here.execute("SELECT id, title FROM deals") == [(1, "old")]
    assert write(target, [(1, "new"), (2, "b")]).written == 2


def test_a_value_that_does_not_fit_leaves_no_column_behind(database):  # noqa: F811
    """In MySQL, a column that was added cannot be undone."""
    database.execute("CREATE TABLE deals (id BIGINT PRIMARY KEY, x SMALLINT)")
    columns = [COLUMNS[0], Column("x", "integer"), Column("ufNew")]
    with pytest.raises(Bitrix24TableError, match="row 2"):
        write(database.target(), [(1, 1, "a"), (2, 99_999, "b")], columns)
    assert write(database.target(), [(1, 1, "a")], columns).added_columns == ["uf_new"]


KILLED = """
import os, signal, sys
from types import SimpleNamespace
from airflow_provider_b24.export.columns import Column
from airflow_provider_b24.export.targets import merging, staging
from airflow_provider_b24.export.targets.table import TableTarget, write_table
from airflow_provider_b24.hooks.drivers import make_engine

module, place, where = sys.argv[1], eval(sys.argv[2]), sys.argv[3]
driver = __import__(module, fromlist=["connect"])
connect = (lambda: driver.connect(place)) if isinstance(place, str) else (lambda: driver.connect(**place))
die = lambda *args, **kwargs: os.kill(os.getpid(), signal.SIGKILL)
if where == "merged":
    merge = staging.merge
    staging.merge = lambda *args: (merge(*args), die())

def rows():
    for first in range(1, 20_001, 1_000):
        if where == "staged" and first > 10_000:
            die()
        yield [(number, "new", "x") for number in range(first, first + 1_000)]

target = TableTarget(lambda: make_engine(SimpleNamespace(get_conn=connect), "w"), "deals")
columns = [Column("id", "integer"), Column("title"), Column("ufNew")]
write_table(target, columns, "id", rows, keep_ids=lambda: iter(range(1, 20_001)), log=print)
"""


@pytest.mark.slow
@pytest.mark.parametrize("where", ["staged", "merged"])
@pytest.mark.parametrize("name", ["sqlite", "duckdb", "psycopg2", "mysqlconnector"])
def test_a_load_that_is_killed_leaves_the_table_as_it_was(name, where, request, tmp_path):
    here = open_database(name, request, tmp_path)
    here.execute(CREATE, *[f"INSERT INTO deals VALUES ({number}, 'old')" for number in range(1, 30)])
    modules = {"sqlite": "sqlite3", "mysqlconnector": "mysql.connector"}
    with closing(here.connect()) as connection:
        if name == "psycopg2":
            place = connection.dsn + f" options='-c search_path={here.schema}'"
        elif name == "mysqlconnector":
            place = {
                "host": "127.0.0.1",
                "port": connection.server_port,
                "user": "root",
                "database": here.schema,
            }
        else:
            place = str(tmp_path / {"sqlite": "deals.db", "duckdb": "deals.duckdb"}[name])
    command = [sys.executable, "-c", KILLED, modules.get(name, name), repr(place), where]
    done = subprocess.run(command, capture_output=True, text=True, cwd=os.getcwd(), check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(here.execute("SELECT id FROM deals WHERE title = 'old'")) == 29
    assert len(here.execute("SELECT id FROM deals")) == 29
    result = write(here.target(), [(1, "new")], keep_ids=lambda: iter(range(1, 30)))
    assert (result.written, result.deleted) == (1, 0)


def test_a_file_of_duckdb_that_another_process_has_open_is_a_temporary_error(tmp_path):
    pytest.importorskip("duckdb_engine", reason="needs DuckDB and its dialect")
    import duckdb

    path = str(tmp_path / "deals.duckdb")
    code = f"import duckdb, sys; c = duckdb.connect({path!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1) as process:
        assert process.stdout.readline() == b"open\n"
        hook = SimpleNamespace(get_conn=lambda: duckdb.connect(path))
        target = TableTarget(lambda: make_engine(hook, "w"), "deals")
        with pytest.raises(Bitrix24TableError, match="another process has the file") as caught:
            check_target(target, "id")
        process.stdin.close()
    assert caught.value.temporary
    check_target(target, "id")


def test_a_file_of_sqlite_that_cannot_be_written_is_said_before_anything_is_read(tmp_path):
    import sqlite3

    path = tmp_path / "deals.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(CREATE)
    hook = SimpleNamespace(get_conn=lambda: sqlite3.connect(f"file:{path}?mode=ro", uri=True))
    with pytest.raises(Bitrix24TableError, match="read-only"):
        check_target(TableTarget(lambda: make_engine(hook, "w"), "deals"), "id")
    hook = SimpleNamespace(get_conn=lambda: sqlite3.connect(tmp_path / "no" / "deals.db"))
    with pytest.raises(Bitrix24TableError, match="cannot be opened"):
        check_target(TableTarget(lambda: make_engine(hook, "w"), "deals"), "id")
