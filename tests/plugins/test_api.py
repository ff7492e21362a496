"""The report tab's addresses, in Airflow's API server."""

import json
from importlib.util import find_spec

import pytest

if not find_spec("airflow") or not find_spec("airflow.api_fastapi"):
    pytest.skip("needs the API server of Airflow 3", allow_module_level=True)
pytestmark = pytest.mark.airflow

ADDRESSES = ("", "summary", "contacts", "report.jsonl")
DAG = """
    from datetime import datetime
    from airflow.providers.common.compat.sdk import DAG
    from airflow_provider_b24.operators.sync import SyncContactCompaniesOperator

    with DAG("report", schedule=None, start_date=datetime(2026, 1, 1)):
        SyncContactCompaniesOperator.partial(task_id="sync", max_failures=99).expand_kwargs(ARGUMENTS)
"""


@pytest.fixture(scope="module")
def airflow_app(airflow_console):
    from airflow.api_fastapi.app import create_app, purge_cached_app

    purge_cached_app()
    yield create_app()
    purge_cached_app()


@pytest.fixture
def client_of(airflow_app):
    """A client of Airflow's API server for a user with this role; without a role, for nobody."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from fastapi.testclient import TestClient

    def client(role, *, logged_in=True):
        headers = {}
        if logged_in:
            token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="somebody", role=role))
            headers["Authorization"] = f"Bearer {token}"
        return TestClient(airflow_app, headers=headers)

    return client


@pytest.fixture
def bitrix24_conn(server, monkeypatch):
    """A connection without a request limit of its own, so that tests need not wait."""
    monkeypatch.setenv("AIRFLOW_CONN_BITRIX24_DEFAULT", server.connection_json(plan="none"))


@pytest.fixture
def synced(run_dag, bitrix24_conn, tmp_path, monkeypatch):
    """A mapped sync: instance 0 has a report with 60 failures, instance 1 has none. Its query parameters."""
    report = tmp_path / "report.jsonl"
    monkeypatch.setenv("AIRFLOW__BITRIX24__REPORT_LOCATIONS", str(tmp_path))
    missing = {str(contact): [999_999] for contact in range(1000, 1060)}
    arguments = [
        {"bindings": {"82": [8], **missing}, "report_path": str(report)},
        {"bindings": {"82": [8]}},
    ]
    run = run_dag(DAG.replace("ARGUMENTS", repr(arguments)))
    assert run.state == "success", run.log
    return {"dag_id": "report", "run_id": latest_run_id("report"), "task_id": "sync", "map_index": 0}, report


def latest_run_id(dag_id):
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        runs = select(DagRun.run_id).where(DagRun.dag_id == dag_id).order_by(DagRun.id.desc()).limit(1)
        return session.scalar(runs)


def ask(client, address, params):
    return client.get(f"/bitrix24-report/{address}", params=params)


QUERY = {"dag_id": "report", "run_id": "r", "task_id": "sync", "map_index": "{MAP_INDEX}"}


@pytest.mark.parametrize("address", [*ADDRESSES, "openapi.json", "docs"])
def test_without_login_or_permission_nothing_is_shown(client_of, address):
    nobody, stranger = client_of(None, logged_in=False), client_of(None)
    assert ask(nobody, address, QUERY).status_code in ({401} if address in ADDRESSES else {404})
    assert ask(stranger, address, QUERY).status_code in ({403} if address in ADDRESSES else {404})


def test_the_page_may_load_nothing_from_elsewhere(client_of):
    answer = ask(client_of("viewer"), "", QUERY)
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "{NONCE}" not in answer.text


def test_a_task_without_a_summary_says_so(client_of):
    answer = ask(client_of("viewer"), "summary", QUERY)
    assert (answer.status_code, "summary" in answer.json()["detail"]) == (404, True)


def test_counts_pages_and_search_of_a_mapped_task(client_of, synced, server):
    query, report = synced
    client = client_of("viewer")
    summary = ask(client, "summary", query).json()
    assert (summary["report"], summary["paths"]) == (True, [str(report)])
    assert (summary["counts"]["contacts"], summary["counts"]["failed"]) == (61, 60)
    assert server.url.startswith(summary["portal"])
    assert [point[1] for point in summary["timeline"]][:: len(summary["timeline"]) - 1] == [0, 61]
    first = ask(client, "contacts", {**query, "status": "failed"}).json()
    second = ask(client, "contacts", {**query, "status": "failed", "after": first["next"]}).json()
    assert (len(first["contacts"]), len(second["contacts"]), second["next"]) == (50, 10, None)
    found = ask(client, "contacts", {**query, "search": "1059"}).json()["contacts"]
    assert [contact["contact_id"] for contact in found] == [1059]
    other = {**query, "map_index": 1}
    assert not ask(client, "summary", other).json()["report"]
    assert ask(client, "contacts", other).status_code == 404


def test_the_download_is_the_report(client_of, synced):
    query, report = synced
    answer = ask(client_of("viewer"), "report.jsonl", query)
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    for line in lines:
        if line["error"]:
            del line["error"]["temporary"]
    assert [json.loads(line) for line in answer.text.splitlines()] == lines
    assert answer.headers["Content-Disposition"] == 'attachment; filename="report-sync-report.jsonl"'


def test_the_path_comes_from_the_task_alone(client_of, synced, tmp_path):
    query, report = synced
    secret = tmp_path / "secret.jsonl"
    secret.write_text(json.dumps({"contact_id": 7, "status": "failed"}) + "\n")
    answer = ask(client_of("viewer"), "contacts", {**query, "report_path": str(secret), "path": str(secret)})
    assert 7 not in [contact["contact_id"] for contact in answer.json()["contacts"]]
    report.unlink()
    for address in ("contacts", "report.jsonl"):
        gone = ask(client_of("viewer"), address, query)
        assert gone.status_code == 404
        assert str(report) not in gone.text


@pytest.mark.parametrize("locations", ["", "/nowhere", "relative"])
def test_a_report_outside_of_the_named_locations_is_not_read(client_of, synced, monkeypatch, locations):
    monkeypatch.setenv("AIRFLOW__BITRIX24__REPORT_LOCATIONS", locations)
    query, _ = synced
    assert ask(client_of("viewer"), "summary", query).json()["failures"][0]["contact_id"] == 1000
    for address in ("contacts", "report.jsonl"):
        answer = ask(client_of("viewer"), address, query)
        assert (answer.status_code, "report_locations" in answer.json()["detail"]) == (404, True)
