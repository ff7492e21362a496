"""No secret leaves real workers either: scheduler, supervisor, log files and the API's answers about them."""

import contextlib
import json
import re
import sqlite3
from importlib.util import find_spec

import pytest
from cryptography.fernet import Fernet

from airflow_provider_b24.sandbox import Fault, PortalServer, seeded_portal
from tests.canary.canaries import PLANTED, SECRETS, Searcher, search_database
from tests.canary.instruments import HAS_SENTRY, SentryServer

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

DAGS = """
    import os
    from datetime import datetime, timedelta
    from pathlib import Path
    from airflow.providers.common.compat.sdk import DAG, task
    from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
    from tests.canary.beside import make_triggers
    from tests.canary.instruments import record_spans
    from tests.canary.tasks import make

    # In the process of each task, which parses this file.
    record_spans(Path(os.environ["CANARY_SPANS"]) / f"{os.getpid()}.txt", os.environ["CANARY_PLANTED"])

    @task
    def plant(text):
        print(text)
        return {"rows": 1, "requests": 1, "seconds": 1, "watermark": text}  # the report tab shows it

    @task
    def use_hook(conn_id):
        from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook
        hook = Bitrix24Hook(conn_id)
        print(hook, hook.test_connection())
        return hook.set_contact_companies(82, [8])

    DEFERRED = {"method": "crm.contact.get", "parameters": {"id": 82}, "poke_interval": 1}
    CONNECTIONS = ("fine", "fine_app", "wrong_webhook", "refused_refresh")
    planted = os.environ["CANARY_PLANTED"]
    AGAIN = {"retries": 3, "retry_delay": timedelta(0)}  # a busy machine may fail to start a task
    start = datetime(2026, 1, 1)
    with DAG("canaries", schedule=None, start_date=start, description=planted):
        plant.override(**AGAIN)(planted)
        for conn_id in CONNECTIONS:
            again = AGAIN if conn_id.startswith("fine") else AGAIN | {"retries": 1}  # fails at every try
            make("set", f"{conn_id}-set", conn_id, **again)
            make("sync", f"{conn_id}-sync", conn_id, **again)
            make("told_elsewhere", f"{conn_id}-told", conn_id, **again)
            make("deferred", f"{conn_id}-deferred", conn_id, **DEFERRED, **again)
            use_hook.override(task_id=f"{conn_id}-hook", **again)(conn_id)

    if AIRFLOW_V_3_0_PLUS:
        from airflow.sdk import Asset, AssetWatcher

        for conn_id in CONNECTIONS:
            for number, trigger in enumerate(make_triggers(conn_id, 5.0)[1:]):
                watcher = AssetWatcher(f"{conn_id}-{number}", trigger=trigger)
                asset = Asset(f"canary://{conn_id}/{number}", watchers=[watcher])
                with DAG(f"{conn_id}-{number}", schedule=[asset], start_date=start):
                    plant(planted)
"""

WATCHED = {"canary://fine/0", "canary://fine_app/0", "canary://fine_app/1"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("workers")


@pytest.fixture(scope="module")
def states(home):
    """The states of the tasks of a run, whose evidence is left in the folder."""
    pytest.importorskip("airflow", reason="needs Airflow")
    from tests.canary.api import AIRFLOW_2, API, Api, read_everything
    from tests.canary.web import try_connections
    from tests.faults.real_airflow import RealAirflow, wait_for

    portal = seeded_portal()
    portal.update_record("contact", 82, PHOTO=12)  # the portal puts credentials into a file's address
    portal.add_webhook(1, SECRETS["webhook code"])
    portal.add_app("local.canary", SECRETS["client secret"])
    portal.token_lifetime = 0
    access, refresh = portal.issue_tokens("local.canary")
    portal.token_lifetime = 3600
    for name in ("reports", "tmp", "spans"):
        (home / name).mkdir()
    sentry = SentryServer(home / "sentry.txt")
    settings = {
        "AIRFLOW__BITRIX24__REPORT_LOCATIONS": str(home / "reports"),
        "AIRFLOW__BITRIX24__RETRY_TIMEOUT": "0.2",
        "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
            {"type": "file", "log_file_path": str(home / "lineage.jsonl"), "append": True}
        ),
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "300",  # nothing is killed here
        "CANARY_PLANTED": PLANTED["planted canary"],
        "CANARY_REPORTS": str(home / "reports"),
        "CANARY_SPANS": str(home / "spans"),
        "TMPDIR": str(home / "tmp"),
    }
    if HAS_SENTRY:
        settings |= {"AIRFLOW__SENTRY__SENTRY_ON": "True", "AIRFLOW__SENTRY__SENTRY_DSN": sentry.dsn}
    with sentry, PortalServer(portal) as server, RealAirflow(home, DAGS, {}, settings) as airflow:
        connections = make_connections(server.url.rstrip("/"), access, refresh)
        api = Api(airflow.url, airflow.session)
        for conn_id, fields in connections.items():
            body = {"connection_id": conn_id, "conn_type": "bitrix24"} | fields
            body["extra"] = json.dumps(fields["extra"])
            assert api.ask("POST", f"{API}/connections", json=body).ok
        portal.add_fault(Fault("html_503", method="crm.contact.get", times=6))  # so that sensors defer
        airflow.start("canaries")
        airflow.wait_until_ended("canaries", 400)
        (home / "messages.json").write_text(json.dumps(portal.messages))
        if not AIRFLOW_2:
            change_contact(portal)
            wait_for(lambda: watched(home) == WATCHED, 120, lambda: str(watched(home)))
        try_connections(api, connections, home / "answers.txt")
        read_everything(api, "canaries", [*connections], home / "answers.txt")
        (run,) = api.entries("/dags/canaries/dagRuns")
        tasks = api.entries(f"/dags/canaries/dagRuns/{run['dag_run_id']}/taskInstances")
        assert portal.faults[0].fired == 6
        (home / "rotated.json").write_text(json.dumps([*{refresh, *portal.apps.tokens}]))
        return {task["task_id"]: task["state"] for task in tasks}


def change_contact(portal):
    portal.update_record("contact", 82, NAME="Ana")
    portal.events.push("ONCRMCONTACTUPDATE", {"FIELDS": {"ID": "82"}}, user_id=1)


def watched(home):
    """The assets that have events."""
    query = "SELECT a.uri FROM asset_event e JOIN asset a ON a.id = e.asset_id"
    with contextlib.closing(sqlite3.connect(home / "airflow.db", timeout=30)) as database:
        return {uri for (uri,) in database.execute(query)}


def make_connections(url, access, refresh):
    app = {"client_id": "local.canary", "client_secret": SECRETS["client secret"], "oauth_server": url}
    open_to_all = {"plan": "none", "allow_http": True}
    return {
        "fine": {"host": url, "login": "1", "password": SECRETS["webhook code"], "extra": open_to_all},
        "wrong_webhook": {
            "host": url,
            "login": "1",
            "password": SECRETS["wrong webhook code"],
            "extra": open_to_all,
        },
        "fine_app": {
            "host": url,
            "extra": app | open_to_all | {"access_token": access, "refresh_token": refresh},
        },
        "refused_refresh": {
            "host": url,
            "extra": app | open_to_all | {"refresh_token": SECRETS["refused refresh token"]},
        },
    }


def test_the_tasks_ran(states):
    works = {task: "success" if task.startswith(("fine", "plant")) else "failed" for task in states}
    assert len(states) == 21
    assert states == works


def test_nothing_is_in_any_file_or_table(states, home):
    rotated = {
        f"token {number}": token for number, token in enumerate(json.loads(read(home, "rotated.json")))
    }
    assert len(rotated) == 4  # the first pair and the one after it
    (home / "rotated.json").unlink()
    searcher = Searcher(SECRETS | rotated)
    hits = searcher.search_files(home) + search_database(searcher, home / "airflow.db")
    assert not hits, "\n".join(map(str, hits[:40]))
    logs = [log for log in (home / "logs").rglob("*.log") if "debug" in log.read_text().lower()]
    assert len(logs) >= 21


def test_the_search_finds_what_is_planted(states, home):
    searcher = Searcher(PLANTED)
    files = {hit.place for hit in searcher.search_files(home)}
    assert "answers.txt" in files
    assert any(file.startswith("logs/") and "task_id=plant" in file for file in files)
    assert any(file.startswith("spans/") for file in files)
    assert "lineage.jsonl" in files or not find_spec("airflow.providers.openlineage")
    messages = [message["params"]["MESSAGE"] for message in json.loads(read(home, "messages.json"))]
    assert {re.search(r"canaries\.(\w+)", text)[1] for text in messages} == {
        "fine",
        "fine_app",
        "refused_refresh",
        "wrong_webhook",
    }
    assert {hit.place for hit in search_database(searcher, home / "airflow.db")} >= {"xcom.value"}


@pytest.mark.skipif(not HAS_SENTRY, reason="needs Sentry's SDK")
def test_airflow_s_sentry_recorded_the_requests_of_failed_tasks(states, home):
    events = read(home, "sentry.txt")
    assert "/rest/1/***/crm.contact.company.items.set" in events
    assert "Bitrix24AuthError" in events


def read(home, name):
    return (home / name).read_text()
