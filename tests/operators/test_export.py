"""Exports as tasks: files, XCom, retries and deferral in a real DAG run."""

import contextlib
import csv
import gzip
import json
import sqlite3
import time
from pathlib import Path

import pytest

from airflow_provider_b24.sandbox import Fault, Operating

pytestmark = pytest.mark.airflow

DAG = """
    from datetime import datetime, timedelta
    from airflow.providers.common.compat.sdk import DAG
    from airflow_provider_b24.operators.export import Bitrix24ExportOperator

    with DAG(dag_id="export", schedule=None, start_date=datetime(2026, 1, 1)):
        Bitrix24ExportOperator(
            task_id="export", retries={retries}, retry_delay=timedelta(0),
            method="crm.item.list", parameters={parameters!r}, {arguments}
        )
"""
DEALS = {"entityTypeId": 2, "select": ["id", "title", "opened"]}


def export_dag(parameters=DEALS, retries=0, **arguments):
    given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return DAG.format(parameters=parameters, retries=retries, arguments=given)


@pytest.fixture
def portal(portal):
    portal.add_generated(deal=12_345)
    return portal


@pytest.fixture
def bitrix24_conn(server, monkeypatch):
    """A connection without a request limit of its own, so that tests need not wait."""
    monkeypatch.setenv("AIRFLOW_CONN_BITRIX24_DEFAULT", server.connection_json(plan="none"))


def test_a_list_becomes_a_file_and_its_summary_is_in_xcom(run_dag, bitrix24_conn, tmp_path):
    path = f"{tmp_path}/deals-{{{{ dag_run.dag_id }}}}.csv.gz"
    summary = run_dag(export_dag(output_path=path)).returned("export")
    with gzip.open(tmp_path / "deals-export.csv.gz", "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["id"]) for row in rows] == list(range(1, 12_346))
    assert summary["path"] == f"{tmp_path}/deals-export.csv.gz"
    assert (summary["rows"], summary["columns"]) == (12_345, 3)
    assert summary["requests"] <= 7
    assert len(json.dumps(summary)) < 4096


def test_a_retry_goes_on_after_the_rows_that_were_saved(
    run_dag, portal, bitrix24_conn, tmp_path, monkeypatch
):
    path = tmp_path / "deals.jsonl"
    monkeypatch.setenv("AIRFLOW__BITRIX24__RETRY_TIMEOUT", "0.1")

    def go_down(entry):
        if portal.requests == 5:
            portal.add_fault(Fault("reset", every=1, times=5))

    portal.on_request = go_down
    run = run_dag(export_dag(output_path=str(path), retries=2))
    assert run.states["export"] == "success"
    assert run.tries["export"] > 1
    assert "resuming after 7,500 rows, at id 7500" in run.log
    assert [json.loads(line)["id"] for line in path.open()] == list(range(1, 12_346))
    assert [one.name for one in tmp_path.iterdir()] == ["deals.jsonl"]


def fail_once(run_dag, portal, monkeypatch, source):
    """Run a DAG whose portal goes down for good after a few requests."""
    monkeypatch.setenv("AIRFLOW__BITRIX24__RETRY_TIMEOUT", "0.1")

    def go_down(entry):
        if portal.requests == 6:
            portal.add_fault(Fault("reset", every=1))

    portal.on_request = go_down
    assert "failed" in run_dag(source).states.values()
    portal.on_request = None
    portal.faults.clear()


def test_what_a_run_that_was_given_up_left_is_removed_by_the_next_run(
    run_dag, portal, bitrix24_conn, tmp_path, monkeypatch
):
    monkeypatch.setenv("AIRFLOW_VAR_FOLDER", str(tmp_path))
    source = export_dag(output_path="{{ var.value.folder }}/{{ run_id }}.parquet")
    fail_once(run_dag, portal, monkeypatch, source)
    assert [one.name for one in tmp_path.iterdir()] == ["_bitrix24"]
    assert any(one.suffix == ".piece" for one in (tmp_path / "_bitrix24").iterdir())
    assert run_dag(source).states["export"] == "success"
    assert [one.suffix for one in tmp_path.iterdir()] == [".parquet"]


def test_rows_are_kept_in_the_folder_of_the_setting(run_dag, portal, bitrix24_conn, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__BITRIX24__SCRATCH_PATH", str(tmp_path / "scratch"))
    source = export_dag(output_path=str(tmp_path / "out" / "deals.csv"))
    fail_once(run_dag, portal, monkeypatch, source)
    assert [*(tmp_path / "out").iterdir()] == []
    assert [*(tmp_path / "scratch" / "_bitrix24").iterdir()]
    assert run_dag(source).states["export"] == "success"
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["deals.csv"]
    assert [*(tmp_path / "scratch").iterdir()] == []


def test_templated_arguments_may_be_text(run_dag, bitrix24_conn, tmp_path):
    path = tmp_path / "deals.txt"
    text = "{{ {'entityTypeId': 2, 'filter': {'<=id': 10}} }}"
    arguments = {"output_path": str(path), "format": "{{ 'jsonl' }}", "types": "{{ {'id': 'string'} }}"}
    run = run_dag(export_dag(text, **arguments))
    assert run.returned("export")["rows"] == 10
    assert len(path.read_text().splitlines()) == 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"output_path": "{{ none }}"}, "path must be a path"),
        ({"output_path": "deals.xlsx"}, "must end in jsonl, csv or parquet"),
        ({"output_path": "nowhere://deals.csv"}, "cannot be used"),
        ({"output_path": "/proc/deals.csv"}, "cannot be written"),
    ],
)
def test_a_path_that_cannot_work_fails_at_once(run_dag, portal, bitrix24_conn, arguments, message):
    run = run_dag(export_dag(retries=3, **arguments))
    assert (run.states["export"], run.tries["export"]) == ("failed", 1)
    assert message in run.log


def test_a_long_wait_for_operating_time_is_deferred(run_dag, portal, bitrix24_conn, tmp_path):
    portal.speed = 100.0
    portal.operating = Operating(limit=150, default_cost=1.0)
    path = tmp_path / "deals.jsonl"
    run = run_dag(export_dag(output_path=str(path), deferrable=True, max_wait=0.5))
    assert run.states["export"] == "success"
    assert "releases its worker slot" in run.log
    assert [json.loads(line)["id"] for line in path.open()] == list(range(1, 12_346))


def test_a_wait_before_the_ids_are_read_does_not_export_again(run_dag, portal, bitrix24_conn, tmp_path):
    portal.speed = 100.0
    portal.operating = Operating(limit=300, default_cost=1.0)  # enough for the rows or for the ids: 247 pages
    path = tmp_path / "deals.jsonl"
    arguments = {"output_path": str(path), "ids_path": str(tmp_path / "ids")}
    run = run_dag(export_dag(deferrable=True, max_wait=0.5, **arguments))
    assert run.returned("export")["deleted"] == 0
    assert "releases its worker slot" in run.log
    assert portal.executed["crm.item.list"] < 247 + 300 + 50
    assert len(path.read_text().splitlines()) == 12_345
    assert {one.name for one in tmp_path.iterdir()} == {"deals.jsonl", "deals.jsonl.deleted.jsonl", "ids"}


INCREMENTAL = {"incremental": "updatedTime", "output_path": "{{ var.value.folder }}/{{ run_id }}.jsonl"}


def test_an_incremental_export_reads_what_changed_since_the_last_run_that_succeeded(
    run_dag, portal, bitrix24_conn, tmp_path, monkeypatch
):
    monkeypatch.setenv("AIRFLOW_VAR_FOLDER", str(tmp_path))
    source = export_dag(overlap=0, **INCREMENTAL)
    assert run_dag(source).returned("export")["rows"] == 12_345
    portal.update_record("deal", 82, TITLE="changed")
    portal.add_fault(Fault("expired_token", method="crm.item.list"))
    assert run_dag(source).states["export"] == "failed"
    portal.faults.clear()
    summary = run_dag(source).returned("export")
    lines = Path(summary["path"]).read_text().splitlines()
    assert [json.loads(line)["title"] for line in lines] == ["changed"]


def test_since_is_a_time_of_the_task_s_own(run_dag, portal, bitrix24_conn, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW_VAR_FOLDER", str(tmp_path))
    run = run_dag(export_dag(since="{{ '2999-01-01T00:00:00+00:00' }}", **INCREMENTAL))
    assert run.returned("export")["rows"] == 0
    assert "less than ten minutes ago" in run.log
    assert "since needs incremental" in run_dag(export_dag(since="x", output_path="a.csv")).log
    naive = run_dag(
        export_dag(**INCREMENTAL)
        .replace("overlap", "")
        .replace("method=", "since=datetime(2026, 11, 25), method=")
    )
    assert "since must be a time with an offset" in naive.log
    assert "got 2026-11-25T00:00:00" in naive.log
    assert run_dag(export_dag(since="", **INCREMENTAL)).returned("export")["rows"] == 12_345


LOST = """
    from pathlib import Path

    def lose_result(context, result=None):
        mark = Path({mark!r})
        if mark.exists():
            mark.unlink()
            raise ConnectionError("the result cannot be stored")
"""


@pytest.mark.parametrize("retries", [0, 2])
def test_a_task_that_fails_after_it_returned_is_read_again(
    run_dag, portal, bitrix24_conn, tmp_path, monkeypatch, retries
):
    """As when XCom is unavailable: Airflow calls post_execute just before it stores the result."""
    monkeypatch.setenv("AIRFLOW_VAR_FOLDER", str(tmp_path))
    mark = tmp_path / "mark"
    dag = export_dag(overlap=0, retries=retries, **INCREMENTAL).replace(
        "method=", "post_execute=lose_result, method="
    )
    source = LOST.format(mark=str(mark)) + dag
    assert run_dag(source).returned("export")["rows"] == 12_345
    portal.update_record("deal", 82, TITLE="changed")
    time.sleep(
        1.1
    )  # the portal's times are whole seconds, and without an overlap the same second counts twice
    mark.touch()
    run = run_dag(source)
    if not retries:
        assert run.states["export"] == "failed"
        run = run_dag(source)
        assert "has not succeeded. What it read is read again" in run.log
    lines = Path(run.returned("export")["path"]).read_text().splitlines()
    assert [json.loads(line)["title"] for line in lines] == ["changed"]
    assert run_dag(source).returned("export")["rows"] == 0


MAPPED_DAG = """
    from datetime import datetime
    from airflow.providers.common.compat.sdk import DAG
    from airflow_provider_b24.operators.export import Bitrix24ExportOperator

    lists = [
        {"parameters": {"entityTypeId": n}, "output_path": f"FOLDER/{n}-{{{{ run_id }}}}.jsonl"}
        for n in ENTITIES
    ]
    with DAG(dag_id="export", schedule=None, start_date=datetime(2026, 1, 1)):
        Bitrix24ExportOperator.partial(
            task_id="export", method="crm.item.list", incremental="updatedTime", overlap=0
        ).expand_kwargs(lists)
"""


def test_a_new_element_of_a_mapped_list_is_read_completely(run_dag, portal, bitrix24_conn, tmp_path):
    portal.add_record("lead", 1, TITLE="Lead")
    time.sleep(1.1)  # as above: the contacts of the portal were made just now
    source = MAPPED_DAG.replace("FOLDER", str(tmp_path))
    run_dag(source.replace("ENTITIES", "(2, 3)"))
    run = run_dag(source.replace("ENTITIES", "(1, 2, 3)"))
    assert [run.returned(f"export[{index}]")["rows"] for index in range(3)] == [1, 0, 0]
    assert "Reading the complete list" in run.log


@pytest.mark.parametrize(
    "outlet", ["Asset('warehouse')", "AssetAlias('warehouse')", "Asset.ref(name='warehouse')"]
)
def test_any_outlet_goes_with_a_watermark(run_dag, portal, bitrix24_conn, tmp_path, monkeypatch, outlet):
    pytest.importorskip("airflow.sdk", reason="needs Airflow 3")
    from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

    if outlet.startswith("Asset(") and not AIRFLOW_V_3_3_PLUS:
        pytest.skip("dag.test() does not activate assets")
    monkeypatch.setenv("AIRFLOW_VAR_FOLDER", str(tmp_path))
    dag = export_dag(overlap=0, **INCREMENTAL).replace("method=", f"outlets=[{outlet}], method=")
    source = "\n    from airflow.sdk import Asset, AssetAlias" + dag
    assert run_dag(source).returned("export")["rows"] == 12_345
    assert run_dag(source).returned("export")["rows"] == 0


def test_deleted_rows_are_in_a_file_of_their_own(run_dag, portal, bitrix24_conn, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW_VAR_FOLDER", str(tmp_path))
    source = export_dag(ids_path="{{ var.value.folder }}/ids", **INCREMENTAL)
    assert run_dag(source).returned("export")["deleted"] == 0
    portal.delete_record("deal", 82)
    summary = run_dag(source).returned("export")
    assert summary["deleted"] == 1
    assert Path(summary["deleted_path"]).read_text() == '{"id": 82}\n'


LOAD_DAG = """
    from datetime import datetime
    from airflow.providers.common.compat.sdk import DAG
    from airflow_provider_b24.operators.export import Bitrix24ToSqlOperator

    with DAG(dag_id="load", schedule=None, start_date=datetime(2026, 1, 1)):
        Bitrix24ToSqlOperator(
            task_id="load", method="crm.item.list", parameters={parameters!r},
            conn_id="{{{{ 'warehouse' }}}}", {arguments}
        )
"""


def test_a_list_becomes_a_table_and_then_only_what_changed(
    run_dag, portal, bitrix24_conn, tmp_path, monkeypatch
):
    pytest.importorskip("airflow.providers.sqlite", reason="needs the SQLite provider")
    warehouse = {"conn_type": "sqlite", "host": str(tmp_path / "warehouse.db")}
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(warehouse))
    arguments = "table='deals', incremental='updatedTime', overlap=0, delete_missing=True"
    source = LOAD_DAG.format(parameters=DEALS, arguments=arguments)
    assert run_dag(source).returned("load")["written"] == 12_345
    portal.update_record("deal", 82, TITLE="changed")
    portal.delete_record("deal", 7)
    summary = run_dag(source).returned("load")
    assert (summary["rows"], summary["written"], summary["deleted"]) == (1, 1, 1)
    with contextlib.closing(sqlite3.connect(tmp_path / "warehouse.db")) as database:
        assert database.execute("SELECT count(*) FROM deals").fetchone() == (12_344,)
        assert database.execute("SELECT title FROM deals WHERE id = 82").fetchone() == ("changed",)


def test_a_retry_of_a_load_goes_on_after_the_rows_that_were_saved(
    run_dag, portal, bitrix24_conn, tmp_path, monkeypatch
):
    pytest.importorskip("airflow.providers.sqlite", reason="needs the SQLite provider")
    warehouse = {"conn_type": "sqlite", "host": str(tmp_path / "warehouse.db")}
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(warehouse))
    monkeypatch.setenv("AIRFLOW__BITRIX24__RETRY_TIMEOUT", "0.1")
    monkeypatch.setenv("AIRFLOW__BITRIX24__SCRATCH_PATH", str(tmp_path / "scratch"))

    def go_down(entry):
        if portal.requests == 6:
            portal.add_fault(Fault("reset", every=1, times=5))

    portal.on_request = go_down
    arguments = "table='deals', retries=2, retry_delay=timedelta(0)"
    source = LOAD_DAG.replace("import datetime", "import datetime, timedelta")
    run = run_dag(source.format(parameters=DEALS, arguments=arguments))
    assert run.tries["load"] > 1
    assert "resuming after" in run.log
    assert run.returned("load")["written"] == 12_345
    assert [*(tmp_path / "scratch").iterdir()] == []


def test_a_load_says_where_its_rows_are_kept(run_dag, portal, bitrix24_conn, tmp_path, monkeypatch):
    pytest.importorskip("airflow.providers.sqlite", reason="needs the SQLite provider")
    warehouse = {"conn_type": "sqlite", "host": str(tmp_path / "warehouse.db")}
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(warehouse))
    run = run_dag(LOAD_DAG.format(parameters=DEALS, arguments="table='deals'"))
    assert "rows are kept in" in run.log
    assert "[bitrix24] scratch_path" in run.log


def test_a_connection_that_is_not_one_to_a_database_is_refused(run_dag, portal, bitrix24_conn, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", portal_connection())
    run = run_dag(LOAD_DAG.format(parameters=DEALS, arguments="table='deals'"))
    assert run.states["load"] == "failed"
    assert "connection warehouse is not one to a database" in run.log


def portal_connection():
    return json.dumps(
        {"conn_type": "bitrix24", "host": "http://127.0.0.1", "login": "1", "password": "x" * 16}
    )
