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


@pytest.fixture
def replace_ids(synced):
    """Rename the DAG, the run, or the task of the sync in Airflow's database; return the new query."""
    query, _ = synced

    def replace(**ids):
        from airflow.utils.session import create_session
        from sqlalchemy import text

        names = {"dag_id": query["dag_id"], "run_id": query["run_id"], "task_id": query["task_id"]}
        with create_session() as session:
            session.execute(text("PRAGMA foreign_keys = OFF"))
            for name, new in ids.items():
                for table in ("xcom", "task_instance"):
                    where = " AND ".join(f"{key} = :{key}" for key in names)
                    session.execute(
                        text(f"UPDATE {table} SET {name} = :new WHERE {where}"), {**names, "new": new}
                    )
                names[name] = new
        return {**query, **ids}

    return replace


@pytest.fixture
def store(synced):
    """Replace what the database holds of the value that the sync returned."""
    query, _ = synced

    def replace(value):
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session
        from sqlalchemy import update

        row = update(XComModel).where(
            XComModel.dag_id == query["dag_id"],
            XComModel.run_id == query["run_id"],
            XComModel.map_index == query["map_index"],
            XComModel.key == "return_value",
        )
        with create_session() as session:
            session.execute(row.values(value=value))

    return replace


@pytest.fixture
def object_storage(tmp_path, monkeypatch):
    """The folder in which Airflow's XCom backend for object storage keeps values; the base address."""
    from airflow.providers.common.io.xcom import backend

    folder = tmp_path / "xcoms"
    base = f"file://{folder}"
    monkeypatch.setenv("AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_PATH", base)
    monkeypatch.setenv("AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_THRESHOLD", "0")
    for cached in (backend._get_base_path, backend._get_compression, backend._get_threshold):
        cached.cache_clear()
    yield base, lambda value: backend.XComObjectStorageBackend.serialize_value(value)
    monkeypatch.undo()
    for cached in (backend._get_base_path, backend._get_compression, backend._get_threshold):
        cached.cache_clear()


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


SUMMARY = {"contacts": 3, "failed": 1, "requests": 2, "seconds": 0.5}
ELSEWHERE = "cannot read it: it was deleted"


@pytest.mark.parametrize(
    "ids",
    [
        pytest.param({"dag_id": "sales.night-run"}, id="dots and dashes"),
        pytest.param({"dag_id": "выгрузка_сделок", "task_id": "группа.шаг"}, id="unicode, a task in a group"),
        pytest.param({"dag_id": "a" * 250}, id="long"),
        pytest.param({"dag_id": ".."}, id="two dots"),
        pytest.param({"dag_id": "a b&c=d/e%41+f#g?h", "task_id": "x;y%2F"}, id="characters with a meaning"),
        pytest.param({"run_id": "manual__2026-11-29T10:00:00.123456+00:00"}, id="a plus sign"),
        pytest.param({"run_id": "nightly & 100 %/+?#"}, id="a run with a name of its own"),
    ],
)
def test_ids_of_every_kind_lead_to_their_report(client_of, replace_ids, ids):
    query = replace_ids(**ids)
    client = client_of("viewer")
    assert ask(client, "summary", query).json()["counts"]["failed"] == 60
    assert len(ask(client, "contacts", query).json()["contacts"]) == 50
    answer = ask(client, "report.jsonl", query)
    assert (answer.status_code, len(answer.text.splitlines())) == (200, 61)
    header = answer.headers["Content-Disposition"]
    assert header.startswith("attachment; filename=")
    assert header.isascii()


def test_a_plus_sign_that_an_older_airflow_leaves_as_it_is_is_not_a_space(client_of, replace_ids):
    query = replace_ids(run_id="manual__2026-11-29T10:00:00+00:00")
    filled = "&".join(f"{name}={value}" for name, value in query.items())  # as Airflow 3.1 does
    answer = client_of("viewer").get(f"/bitrix24-report/summary?{filled}")
    assert answer.json()["counts"]["failed"] == 60


@pytest.mark.parametrize("stored", [SUMMARY, json.dumps(SUMMARY)], ids=["as JSON", "as text of JSON"])
def test_a_value_in_the_database_is_read_however_it_is_stored(client_of, synced, store, stored):
    store(stored)
    assert ask(client_of("viewer"), "summary", synced[0]).json()["counts"]["contacts"] == 3


def test_a_value_in_object_storage_is_read(client_of, synced, store, object_storage):
    base, put = object_storage
    address = put(SUMMARY)
    assert address.startswith(f"{base}/")
    store(address)
    assert ask(client_of("viewer"), "summary", synced[0]).json()["counts"]["contacts"] == 3


def test_so_is_one_that_is_compressed(client_of, synced, store, object_storage, monkeypatch):
    monkeypatch.setenv("AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_COMPRESSION", "gzip")
    _, put = object_storage
    address = put(SUMMARY)
    assert address.endswith(".gz")
    store(address)
    assert ask(client_of("viewer"), "summary", synced[0]).json()["counts"]["contacts"] == 3


def test_the_report_of_a_summary_in_object_storage_is_read(client_of, synced, store, object_storage):
    query, report = synced
    _, put = object_storage
    store(put({**SUMMARY, "report_path": str(report)}))
    assert len(ask(client_of("viewer"), "contacts", query).json()["contacts"]) == 50


@pytest.mark.parametrize("address", ["{base}/../secret.json", "{base}/x::file://{folder}/secret.json"])
def test_an_address_that_leaves_the_object_storage_is_not_read(
    client_of, synced, store, object_storage, tmp_path, address
):
    base, _ = object_storage
    (tmp_path / "secret.json").write_text(json.dumps(SUMMARY))
    store(address.format(base=base, folder=tmp_path))
    answer = ask(client_of("viewer"), "summary", synced[0])
    assert (answer.status_code, "not one of the XCom backend" in answer.text) == (404, True)


def test_an_address_elsewhere_is_only_text(client_of, synced, store, object_storage, tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps(SUMMARY))
    for address in (f"file://{secret}", str(secret), f"{object_storage[0]}-of-others/x.json"):
        store(address)
        answer = ask(client_of("viewer"), "summary", synced[0])
        assert (answer.status_code, "has returned text" in answer.json()["detail"]) == (404, True)


def test_a_value_that_is_gone_or_too_large_says_so(client_of, synced, store, object_storage, tmp_path):
    base, _ = object_storage
    store(f"{base}/gone.json")
    assert ELSEWHERE in ask(client_of("viewer"), "summary", synced[0]).json()["detail"]
    (tmp_path / "xcoms").mkdir()
    (tmp_path / "xcoms" / "large.json").write_bytes(b" " * 5_000_000)
    store(f"{base}/large.json")
    assert "too large" in ask(client_of("viewer"), "summary", synced[0]).json()["detail"]


@pytest.mark.parametrize("place", ["database", "object storage"])
def test_no_class_that_a_value_names_is_loaded(client_of, synced, store, object_storage, tmp_path, place):
    """Airflow's own way to read an XCom imports the class that it names, if that is allowed."""
    asset = {"__classname__": "airflow.sdk.definitions.asset.Asset", "__version__": 1, "__data__": {}}
    value = {**SUMMARY, "report_path": asset}
    text = json.dumps(value)
    if place == "database":
        store(text)
    else:
        (tmp_path / "xcoms").mkdir()
        (tmp_path / "xcoms" / "x.json").write_text(text)
        store(f"{object_storage[0]}/x.json")
    shown = ask(client_of("viewer"), "summary", synced[0]).json()
    assert (shown["counts"]["contacts"], shown["paths"]) == (3, [])
