import gzip
import json

import pytest

from airflow_provider_b24.sandbox import Fault, Operating

pytestmark = pytest.mark.airflow

SET = "crm.contact.company.items.set"
GET = "crm.contact.company.items.get"

SYNC_DAG = """
    from datetime import datetime, timedelta
    from airflow.providers.common.compat.sdk import DAG, task
    from airflow_provider_b24.operators.sync import SyncContactCompaniesOperator

    with DAG(dag_id="sync", schedule=None, start_date=datetime(2026, 1, 1)):
        SyncContactCompaniesOperator(
            task_id="sync", retries={retries}, retry_delay=timedelta(seconds={retry_delay}), {arguments}
        )
"""


def sync_dag(arguments, retries=0, retry_delay=0):
    return SYNC_DAG.format(arguments=arguments, retries=retries, retry_delay=retry_delay)


@pytest.fixture
def portal(portal):
    portal.add_generated(contacts=2000, companies=200)
    return portal


@pytest.fixture
def bitrix24_conn(server, monkeypatch):
    """A connection without a request limit of its own, so that tests need not wait."""
    monkeypatch.setenv("AIRFLOW_CONN_BITRIX24_DEFAULT", server.connection_json(plan="none"))


@pytest.fixture
def records(tmp_path):
    """A file of 1,000 contacts, each with one company."""
    path = tmp_path / "wanted.jsonl"
    path.write_text(
        "".join(
            json.dumps({"contact_id": contact, "items": [contact % 50 + 1]}) + "\n"
            for contact in range(1, 1001)
        )
    )
    return path


def companies(portal, contact):
    return [row["COMPANY_ID"] for row in portal.bindings(contact)]


def lines_of(report):
    return [json.loads(line) for line in report.read_text().splitlines()]


def test_a_file_is_brought_to_the_portal_and_the_second_run_writes_nothing(
    run_dag, portal, bitrix24_conn, records, tmp_path
):
    report = tmp_path / "report.jsonl"
    source = sync_dag(f"bindings_path={str(records)!r}, report_path={str(report)!r}")
    portal.bind(7, [(8, 10, True)])
    summary = run_dag(source).returned("sync")
    assert (summary["contacts"], summary["written"], summary["unchanged"]) == (1000, 999, 1)
    assert summary["report_path"] == str(report)
    assert len(json.dumps(summary)) < 4096
    assert all(companies(portal, contact) == [contact % 50 + 1] for contact in range(1, 1001))
    assert [line["contact_id"] for line in lines_of(report)] == list(range(1, 1001))
    assert {line["status"] for line in lines_of(report)} == {"written", "unchanged"}
    assert not (tmp_path / "report.jsonl.parts").exists()

    portal.reset_counters()
    summary = run_dag(source).returned("sync")
    assert (summary["written"], summary["unchanged"]) == (0, 1000)
    assert portal.executed[SET] == 0
    assert portal.executed[GET] == 1000
    assert portal.requests == 21  # 20 of reads, 1 that looks up the companies


def test_rows_in_any_order_reach_the_portal(run_dag, portal, bitrix24_conn):
    """tests/sync reads every shape of input; this is one of them in a DAG."""
    portal.bind(83, [])
    given = (
        "[(82, 8, None), (83, 10, None), (82, 9, 'N')], columns=['contact_id', 'company_id', 'is_primary']"
    )
    assert run_dag(sync_dag(f"bindings={given}")).returned("sync")["written"] == 2
    assert (companies(portal, 82), companies(portal, 83)) == ([8, 9], [10])


def test_a_file_that_excel_wrote_is_read(run_dag, portal, bitrix24_conn, tmp_path):
    path = tmp_path / "wanted.csv.gz"
    path.write_bytes(gzip.compress("contact_id;company_id;имя\n82;8;я\n83;10;я\n".encode("cp1251")))
    arguments = f"bindings_path={str(path)!r}, encoding='cp1251', ignore_extra_columns=True"
    assert run_dag(sync_dag(arguments)).returned("sync")["written"] == 2


def test_bad_rows_fail_the_task_for_good_before_the_first_request(run_dag, portal, bitrix24_conn):
    given = "[{'contact_id': 'abc', 'items': [8]}, {'contact_id': 83, 'items': []}]"
    run = run_dag(sync_dag(f"bindings={given}", retries=3))
    assert (run.states["sync"], run.tries["sync"]) == ("failed", 1)
    assert "line 1: contact_id must be a positive whole number, got 'abc'" in run.log
    assert "line 2: items is empty" in run.log
    assert portal.requests == 0


def test_a_file_that_is_missing_fails_the_task_for_good(run_dag, portal, bitrix24_conn, tmp_path):
    run = run_dag(sync_dag(f"bindings_path={str(tmp_path / 'w.csv')!r}", retries=3))
    assert (run.states["sync"], run.tries["sync"]) == ("failed", 1)
    assert "w.csv: file not found" in run.log
    assert portal.requests == 0


@pytest.mark.parametrize("native", [False, True])
def test_templated_arguments_may_be_text(run_dag, portal, bitrix24_conn, native):
    source = """
        from datetime import datetime
        from airflow.providers.common.compat.sdk import DAG
        from airflow_provider_b24.operators.sync import SyncContactCompaniesOperator

        params = {"rows": [[82, 8], [82, 9]], "columns": ["contact_id", "company_id"], "nothing": None}
        with DAG(
            dag_id="templated", schedule=None, start_date=datetime(2026, 1, 1), params=params,
            render_template_as_native_obj=NATIVE,
        ):
            SyncContactCompaniesOperator(
                task_id="sync",
                bindings="{{ params.rows }}",
                columns="{{ params.columns }}",
                bindings_path="{{ params.nothing }}",
                report_path="{{ params.nothing }}",
            )
    """
    summary = run_dag(source.replace("NATIVE", str(native))).returned("sync")
    assert (summary["contacts"], summary["report_path"]) == (1, None)
    assert companies(portal, 82) == [8, 9]


@pytest.mark.parametrize("push", [False, True])
def test_the_summary_of_a_failure_is_pushed_unless_it_must_not(run_dag, portal, bitrix24_conn, push):
    portal.forbid_contacts([82])
    run = run_dag(sync_dag(f"bindings={{'82': [8]}}, do_xcom_push={push}"))
    assert run.states["sync"] == "failed"
    assert (("sync", "return_value") in run.xcoms) == push


def test_instances_of_a_mapped_task_need_a_report_path_each(run_dag, portal, bitrix24_conn, tmp_path):
    source = f"""
        from datetime import datetime
        from airflow.providers.common.compat.sdk import DAG
        from airflow_provider_b24.operators.sync import SyncContactCompaniesOperator

        with DAG(dag_id="mapped_sync", schedule=None, start_date=datetime(2026, 1, 1)):
            SyncContactCompaniesOperator.partial(
                task_id="sync", report_path={str(tmp_path / "report.jsonl")!r}
            ).expand(bindings=[{{"82": [8]}}, {{"83": [8]}}])
    """
    run = run_dag(source)
    assert sorted(run.states.values()) == ["failed", "success"]
    assert "is already the report of task sync[" in run.log


def test_contacts_that_name_a_missing_company_fail_and_the_others_are_written(run_dag, portal, bitrix24_conn):
    given = "{'82': [8], '83': [9, 777777]}, max_failures=1"
    before = companies(portal, 83)
    summary = run_dag(sync_dag(f"bindings={given}")).returned("sync")
    assert (summary["written"], summary["failed"]) == (1, 1)
    assert summary["failures"][0]["contact_id"] == 83
    assert "company 777777 does not exist" in summary["failures"][0]["description"]
    assert companies(portal, 83) == before
    assert run_dag(sync_dag(f"bindings={given}, check_companies=False")).returned("sync")["failed"] == 0


def test_a_dry_run_writes_nothing_and_says_what_it_would(run_dag, portal, bitrix24_conn, records, tmp_path):
    report = tmp_path / "report.jsonl"
    arguments = f"bindings_path={str(records)!r}, dry_run=True, report_path={str(report)!r}"
    summary = run_dag(sync_dag(arguments)).returned("sync")
    assert (summary["planned"], summary["written"]) == (1000, 0)
    assert not portal.writes
    assert {line["status"] for line in lines_of(report)} == {"planned"}


def test_a_report_restores_the_state_before(run_dag, portal, bitrix24_conn, records, tmp_path):
    report = tmp_path / "report.jsonl"
    portal.bind(5, [(9, 30, True), (8, 40, False)])
    before = {contact: portal.bindings(contact) for contact in range(1, 1001)}
    run_dag(sync_dag(f"bindings_path={str(records)!r}, report_path={str(report)!r}"))
    assert companies(portal, 5) == [6]
    summary = run_dag(sync_dag(f"bindings_path={str(report)!r}, undo=True")).returned("sync")
    assert (summary["written"], summary["failed"]) == (1000, 0)
    assert {contact: portal.bindings(contact) for contact in range(1, 1001)} == before


def test_faults_and_contacts_that_fail_for_ever(run_dag, portal, bitrix24_conn, records, tmp_path):
    report = tmp_path / "report.jsonl"
    forbidden = list(range(20, 1001, 98))
    portal.forbid_contacts(forbidden)
    for kind in ("reset", "html_502", "html_503", "truncated"):
        portal.add_fault(Fault(kind, every=7, after=kind in ("reset", "truncated")))
    arguments = f"bindings_path={str(records)!r}, report_path={str(report)!r}, max_failures="
    run = run_dag(sync_dag(f"{arguments}{len(forbidden) - 1}", retries=3))
    assert (run.states["sync"], run.tries["sync"]) == ("failed", 1)
    assert run.returned("sync")["failed"] == len(forbidden)
    assert [line["contact_id"] for line in lines_of(report) if line["status"] == "failed"] == forbidden
    assert all(
        line["error"]["code"] == "ACCESS_DENIED" for line in lines_of(report) if line["status"] == "failed"
    )
    assert all(
        companies(portal, contact) == [contact % 50 + 1]
        for contact in range(1, 1001)
        if contact not in forbidden
    )
    assert run_dag(sync_dag(f"{arguments}{len(forbidden)}")).state == "success"


def test_an_operating_block_is_waited_for_without_a_worker_slot(
    run_dag, portal, bitrix24_conn, records, tmp_path
):
    report = tmp_path / "report.jsonl"
    portal.operating = Operating(limit=300.0, window=600.0, cost={SET: 1.0})
    portal.speed = 200.0  # the window of ten minutes passes in three seconds
    arguments = f"bindings_path={str(records)!r}, report_path={str(report)!r}, deferrable=True, max_wait=0.2"
    run = run_dag(sync_dag(arguments))
    assert run.state == "success"
    assert run.returned("sync")["written"] == 1000
    assert [line["contact_id"] for line in lines_of(report)] == list(range(1, 1001))
    assert set(portal.writes.values()) == {1}
    assert run.log.count("releases its worker slot") >= 2
