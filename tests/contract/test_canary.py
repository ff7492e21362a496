"""What a run leaves behind holds no webhook: log, output, database and files, whatever happened to it."""

import logging
import os
import socket
import sqlite3
from pathlib import Path

import pytest

from airflow_provider_b24.sandbox import Fault, PortalServer
from tests.rest.networks import make_certificate

pytestmark = pytest.mark.airflow

CANARY = "canary7webhook7code"
PLANTED = "planted7canary"

DAG = """
    from datetime import datetime, timedelta
    from airflow.providers.common.compat.sdk import DAG
    from airflow_provider_b24.operators.contact_company import SetContactCompaniesOperator
    from airflow_provider_b24.operators.sync import SyncContactCompaniesOperator

    with DAG(dag_id="canary", schedule=None, start_date=datetime(2026, 1, 1)):
        later = {{"retries": 1, "retry_delay": timedelta(minutes=5)}}
        SetContactCompaniesOperator(task_id="set", contact_id={contact}, items={items}, **later)
        SyncContactCompaniesOperator(task_id="sync", bindings={{"{contact}": {items}}}, **later)
"""


@pytest.fixture
def everything_logged(monkeypatch, airflow_console):
    """Everything at DEBUG; the client gives up at once."""
    monkeypatch.setenv("AIRFLOW__BITRIX24__PATIENCE", "0")
    loggers = [
        logging.getLogger(),
        *map(logging.getLogger, ("urllib3", "airflow", "airflow.task", "requests")),
    ]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture
def server(portal):
    portal.add_webhook(1, CANARY)
    portal.add_webhook(7, CANARY + "7", admin=False, can_update=False)
    with PortalServer(portal) as server:
        yield server


def left_behind(log):
    """Everything a run left: its log, every value of the database, every file below Airflow's home."""
    home = Path(os.environ["AIRFLOW_HOME"])
    yield "log", log
    with sqlite3.connect(home / "airflow.db") as database:
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in database.execute(f'SELECT * FROM "{table}"'):
                yield f"table {table}", repr(row)
    for file in home.rglob("*"):
        if file.is_file():
            yield str(file), file.read_bytes().decode(errors="replace")


def finds(log, word=CANARY):
    return {
        place
        for place, text in left_behind(log)
        for line in text.splitlines()
        if word in line and "MaskSecret" not in line
    }


def run_with(run_dag, monkeypatch, connection, contact=82, items="[8]"):
    monkeypatch.setenv("AIRFLOW_CONN_BITRIX24_DEFAULT", connection)
    return run_dag(DAG.format(contact=contact, items=items))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    "kind",
    ["reset", "html_502", "html_503", "html_500", "query_limit", "truncated", "server_error", "not_json",
     "expired_token", "redirect"],
)  # fmt: skip
def test_no_fault_of_the_portal_shows_the_webhook(
    run_dag, portal, server, monkeypatch, everything_logged, kind, after
):
    portal.add_fault(Fault(kind, every=1, after=after, location="https://elsewhere.example/"))
    run = run_with(run_dag, monkeypatch, server.connection_json(1, CANARY))
    assert set(run.states.values()) <= {"failed", "up_for_retry"}
    assert finds(run.log) == set()


@pytest.mark.parametrize(
    ("user", "code", "contact", "items"),
    [
        pytest.param(1, CANARY, 82, "[8]", id="success"),
        pytest.param(1, CANARY, 4_000_000, "[8]", id="no such contact"),
        pytest.param(7, CANARY + "7", 82, "[8]", id="no rights"),
        pytest.param(1, CANARY + "wrong", 82, "[8]", id="a wrong webhook"),
        pytest.param(1, CANARY, 82, "[]", id="no items"),
        pytest.param(1, CANARY, 82, "[{'companyid': 8}]", id="an unknown key"),
    ],
)
def test_no_outcome_shows_the_webhook(
    run_dag, portal, server, monkeypatch, everything_logged, user, code, contact, items
):
    run = run_with(run_dag, monkeypatch, server.connection_json(user, code), contact, items)
    assert set(run.states.values()) <= {"failed", "success"}
    assert finds(run.log) == set()


def test_no_network_failure_shows_the_webhook(run_dag, portal, monkeypatch, everything_logged, tmp_path):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        refused = f"bitrix24://1:{CANARY}@127.0.0.1:{nobody.getsockname()[1]}/"
        unknown = f"bitrix24://1:{CANARY}@portal.invalid/"
        run = run_with(run_dag, monkeypatch, refused)
        assert set(run.states.values()) == {"up_for_retry"}
        assert finds(run.log) == set()
        run = run_with(run_dag, monkeypatch, unknown)
        assert set(run.states.values()) == {"up_for_retry"}
        assert finds(run.log) == set()
    certificate = make_certificate(tmp_path, "portal", "IP:127.0.0.1")
    with PortalServer(portal, certfile=str(certificate[0]), keyfile=str(certificate[1])) as server:
        run = run_with(run_dag, monkeypatch, server.connection_json(1, CANARY))
        assert set(run.states.values()) == {"failed"}
        assert "certificate is not trusted" in run.log
        assert finds(run.log) == set()


def test_the_search_finds_what_is_there(run_dag, server, monkeypatch, everything_logged):
    (Path(os.environ["AIRFLOW_HOME"]) / "planted.txt").write_text(PLANTED)
    source = f"""
        from datetime import datetime
        from airflow.providers.common.compat.sdk import DAG, task

        with DAG(dag_id="planted", schedule=None, start_date=datetime(2026, 1, 1)):
            @task
            def leak():
                print("{PLANTED[:6]}" + "{PLANTED[6:]}")
                return "{PLANTED[:6]}" + "{PLANTED[6:]}"

            leak()
    """
    found = finds(run_dag(source).log, PLANTED)
    assert {"log", "table xcom"} <= found
    assert any(place.endswith("planted.txt") for place in found)
