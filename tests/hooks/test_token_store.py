"""Rotated tokens in Airflow: they outlive the task, lie encrypted in the database and are in no log."""

import contextlib
import logging
import sqlite3

import pytest

from airflow_provider_b24.errors import Bitrix24ConfigError, Bitrix24TransportError
from airflow_provider_b24.rest.auth.tokens import FileTokenStore, TokenPair, fingerprint
from airflow_provider_b24.rest.config import OAuthApp
from tests.conftest import DATABASE, delete_variables

pytestmark = pytest.mark.airflow

SECRET = "canary0secret0of0the0application"
PAIR = TokenPair("canary0access", "canary0refresh", 1_800_003_600.0)


@pytest.fixture
def application(portal, server, airflow_console, monkeypatch):
    """The default connection, as an application whose first access token has expired; its first pair."""
    portal.add_app("local.app", SECRET)
    portal.token_lifetime = 0
    access, refresh = portal.issue_tokens("local.app")
    portal.token_lifetime = 3600
    address = server.url.rstrip("/")
    app = {
        "client_id": "local.app",
        "client_secret": SECRET,
        "access_token": access,
        "refresh_token": refresh,
    }
    set_connection(monkeypatch, server, **app, oauth_server=address)
    return OAuthApp(**app, server=address)


def set_connection(monkeypatch, server, **extra):
    from airflow.models.connection import Connection

    host = server.url.rstrip("/")
    connection = Connection(conn_type="bitrix24", host=host, extra={"allow_http": True, **extra})
    monkeypatch.setenv("AIRFLOW_CONN_BITRIX24_DEFAULT", connection.get_uri())


@pytest.fixture
def variables(airflow_console):
    """Read the values of all Variables as the database holds them; before the test there are none."""
    delete_variables()

    def read():
        with contextlib.closing(sqlite3.connect(DATABASE)) as database:
            return dict(database.execute("SELECT key, val FROM variable").fetchall())

    return read


DAG = """
    from airflow.providers.common.compat.sdk import dag, task

    @dag(schedule=None, catchup=False)
    def asks():
        @task
        def ask():
            from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook
            return Bitrix24Hook().call("profile")["ID"]

        ask()

    asks()
"""


def test_a_task_refreshes_and_the_next_one_goes_on_with_its_tokens(application, portal, variables, run_dag):
    first, second = run_dag(DAG), run_dag(DAG)
    assert (first.states["ask"], second.states["ask"]) == ("success", "success")
    assert (portal.refreshes, portal.refused_refreshes) == (1, 0)
    (key,) = variables()
    assert key == f"bitrix24_token__{fingerprint(application)}"


def raw_pages(copy):
    """All pages of Airflow's database. Opening the file itself would give up this process's locks on it."""
    with (
        contextlib.closing(sqlite3.connect(DATABASE)) as database,
        contextlib.closing(sqlite3.connect(copy)) as target,
    ):
        database.backup(target)
    return copy.read_bytes()


def test_the_stored_tokens_are_encrypted_and_no_log_tells_them(
    application, portal, variables, run_dag, caplog, tmp_path
):
    caplog.set_level(logging.DEBUG)
    before = portal.apps.tokens
    run = run_dag(DAG)
    lines = [line for line in run.log.splitlines() if "MaskSecret" not in line]
    issued = portal.apps.tokens - before
    secrets = [SECRET, application.access_token, application.refresh_token, *issued]
    assert len(issued) == 2
    assert '"POST /oauth/token/ HTTP/1.1" 200' in caplog.text
    assert not [one for one in secrets if one in "\n".join(lines) + caplog.text]
    dump = raw_pages(tmp_path / "copy.db")
    assert not [one for one in secrets if one.encode() in dump]


def test_an_edited_connection_wins_over_what_is_stored_for_the_old_one(
    application, portal, server, variables, run_dag, monkeypatch
):
    run_dag(DAG)
    portal.revoke_tokens("local.app")
    access, refresh = portal.issue_tokens("local.app")
    edited = {
        "client_id": "local.app",
        "client_secret": SECRET,
        "access_token": access,
        "refresh_token": refresh,
    }
    set_connection(monkeypatch, server, **edited, oauth_server=application.server)
    assert run_dag(DAG).states["ask"] == "success"
    assert portal.refused_refreshes == 0


def test_the_test_of_a_connection_shares_the_tokens_of_the_connection(
    application, portal, variables, run_dag, monkeypatch
):
    """Airflow tests a connection under another id: the tokens must not be used up there."""
    import os

    from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook

    monkeypatch.setenv("AIRFLOW_CONN_TMP_X7", os.environ["AIRFLOW_CONN_BITRIX24_DEFAULT"])
    works, message = Bitrix24Hook("tmp_x7").test_connection()
    assert works, message
    assert run_dag(DAG).states["ask"] == "success"
    assert (portal.refreshes, portal.refused_refreshes) == (1, 0)


def test_a_used_up_authorization_fails_the_task_and_says_what_to_do(application, portal, variables, run_dag):
    portal.apps.exchange(
        {
            "grant_type": "refresh_token",
            "client_id": "local.app",
            "client_secret": SECRET,
            "refresh_token": application.refresh_token,
        }
    )
    run = run_dag(DAG)
    assert run.states["ask"] == "failed"
    assert "airflow bitrix24 authorize" in run.log
    assert application.refresh_token not in run.log


@pytest.fixture
def store(airflow_console, variables):
    from airflow_provider_b24.hooks.token_store import VariableTokenStore

    return VariableTokenStore("0123456789abcdef", bytes(32), "bitrix24_default")


def test_outside_of_a_task_the_variable_is_the_database_s(store, variables):
    assert store.load() is None
    store.save(PAIR)
    assert store.load() == PAIR
    store.save(TokenPair("a", "b"))
    assert store.load() == TokenPair("a", "b")
    assert list(variables()) == [store.key]


def test_the_value_of_the_variable_is_encrypted_already_when_airflow_gets_it(store, monkeypatch):
    """Airflow's supervisor logs the message that brings it, at DEBUG and unmasked."""
    from airflow.models.variable import Variable

    store.save(PAIR)
    assert "canary" not in Variable.get(store.key)


@pytest.mark.parametrize("value", ["", "nonsense", PAIR.to_json()])
def test_a_variable_that_is_not_the_store_s_own_counts_as_empty(store, caplog, value):
    from airflow.models.variable import Variable

    Variable.set(store.key, value)
    assert store.load() is None
    assert "canary" not in caplog.text


def test_without_a_fernet_key_the_store_says_once_that_tokens_are_not_encrypted(store, monkeypatch, caplog):
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "")
    store.save(PAIR)
    store.save(PAIR)
    warnings = [record for record in caplog.records if "No Fernet key" in record.getMessage()]
    assert [(one.levelno, one.name) for one in warnings] == [
        (logging.WARNING, "airflow_provider_b24.hooks.token_store")
    ]
    assert "canary" not in warnings[0].getMessage()


def test_a_variable_that_another_backend_hides_is_an_error(store, monkeypatch):
    monkeypatch.setenv(f"AIRFLOW_VAR_{store.key.upper()}", TokenPair("x", "y").to_json())
    with pytest.raises(Bitrix24TransportError, match="secrets backend"):
        store.save(PAIR)


def test_a_process_without_variables_must_not_use_up_a_refresh_token(store, monkeypatch):
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")
    with pytest.raises(Bitrix24ConfigError, match="no access to Airflow's Variables"):
        store.load()


def test_an_airflow_that_does_not_answer_is_a_temporary_error_that_quotes_nothing(store, monkeypatch):
    from airflow_provider_b24.hooks import token_store

    def fail(key, value, description):
        raise RuntimeError(f"cannot store {value}")

    monkeypatch.setattr(token_store, "set_variable", fail)
    with pytest.raises(Bitrix24TransportError, match=r"cannot be written \(RuntimeError\)") as caught:
        store.save(PAIR)
    assert caught.value.temporary
    assert caught.value.__context__ is None


def make_store(conn_id, fingerprint):
    return FileTokenStore(f"/nowhere/{conn_id}", fingerprint)


@pytest.mark.parametrize(
    ("setting", "kind"),
    [
        ("", "VariableTokenStore"),
        ("variable", "VariableTokenStore"),
        ("file:/nowhere", "FileTokenStore"),
        ("tests.hooks.test_token_store.make_store", "FileTokenStore"),
    ],
)
def test_the_configuration_chooses_the_store(airflow_console, monkeypatch, setting, kind):
    from airflow_provider_b24.hooks.token_store import open_token_store

    monkeypatch.setenv("AIRFLOW__BITRIX24__TOKEN_STORE", setting)
    assert type(open_token_store(OAuthApp("a", "b", "c", "d"), "bitrix24_default")).__name__ == kind


@pytest.mark.parametrize(
    "setting", ["nonsense", "no.such.module.store", "tests.hooks.test_token_store.nothing"]
)
def test_a_store_that_is_not_there_is_an_error_of_the_configuration(airflow_console, monkeypatch, setting):
    from airflow_provider_b24.hooks.token_store import open_token_store

    monkeypatch.setenv("AIRFLOW__BITRIX24__TOKEN_STORE", setting)
    with pytest.raises(Bitrix24ConfigError, match="token_store"):
        open_token_store(OAuthApp("a", "b", "c", "d"), "bitrix24_default")


def test_tokens_in_files_serve_tasks_too(application, portal, tmp_path, variables, run_dag, monkeypatch):
    monkeypatch.setenv("AIRFLOW__BITRIX24__TOKEN_STORE", f"file:{tmp_path / 'tokens'}")
    assert [run_dag(DAG).states["ask"] for _ in range(2)] == ["success", "success"]
    assert (portal.refreshes, portal.refused_refreshes) == (1, 0)
    assert variables() == {}
