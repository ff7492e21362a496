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


@pytest.mark.parametrize(
    "given",
    [
        "{'82': [8, 9], '83': [{'COMPANY_ID': 10}]}",
        "[{'contact_id': 82, 'items': [8, 9]}, {'contact_id': 83, 'items': [10]}]",
        '\'[{"contact_id": 82, "items": [8, 9]}, {"contact_id": 83, "items": [10]}]\'',
        "[{'contact_id': 82, 'company_id': 8}, {'contact_id': 83, 'company_id': 10}, "
        "{'contact_id': 82, 'company_id': 9}]",
        "[(82, 8, None), (82, 9, 'N'), (83, 10, None)], columns=['contact_id', 'company_id', 'is_primary']",
    ],
    ids=["mapping", "records", "text", "flat dicts", "tuples"],
)
@pytest.mark.parametrize("mode", ["diff", "replace"])
def test_every_shape_of_input_does(run_dag, portal, bitrix24_conn, given, mode):
    portal.bind(83, [])
    summary = run_dag(sync_dag(f"bindings={given}, mode={mode!r}")).returned("sync")
    assert summary["written"] == 2
    assert (companies(portal, 82), companies(portal, 83)) == ([8, 9], [10])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("wanted.csv", "contact_id,company_id,is_primary,sort\n82,8,Y,100\n82,9,,\n83,10,,5\n"),
        ("wanted.csv.gz", "contact_id,company_id\n82,8\n82,9\n83,10\n"),
        ("wanted.jsonl.gz", '{"contact_id": 82, "items": [8, 9]}\n\n{"contact_id": 83, "items": [10]}\n'),
        ("wanted.csv", "\ufeffcontact_id,company_id\r\n82,8\r\n82,9\r\n83,10\r\n"),
    ],
)
def test_files_of_every_kind_are_read(run_dag, portal, bitrix24_conn, tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    assert run_dag(sync_dag(f"bindings_path={str(path)!r}")).returned("sync")["written"] == 2
    assert (companies(portal, 82), companies(portal, 83)) == ([8, 9], [10])


BAD_INPUT = {
    "a text id": ("[(82, 8), ('abc', 9)]", "line 2: contact_id must be a positive whole number, got 'abc'"),
    "a missing column": ("[(82, 8), (83,)]", "line 2: the row has 1 fields, but columns names 2"),
    "an empty set": ("[{'contact_id': 82, 'items': []}]", "line 1: items is empty"),
    "a contact twice": (
        "[{'contact_id': 82, 'items': [8]}, {'contact_id': 82, 'items': [9]}]",
        "line 2: contact 82 appears more than once",
    ),
    "no list": ("8", "bindings must be a mapping, a list, an iterator of rows or a path, got int"),
}


@pytest.mark.parametrize(("given", "message"), BAD_INPUT.values(), ids=BAD_INPUT.keys())
def test_a_list_with_bad_rows_is_refused_before_the_first_request(
    run_dag, portal, bitrix24_conn, given, message
):
    run = run_dag(sync_dag(f"bindings={given}, columns=['contact_id', 'company_id']", retries=3))
    assert (run.states["sync"], run.tries["sync"]) == ("failed", 1)
    assert message in run.log
    assert portal.requests == 0


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "w.csv",
            "contact_id,company_id\n82,8\n83\n",
            "line 3: 1 fields, but there are 2 columns",
        ),
        ("w.csv", 'contact_id,company_id\n82,8\n83,"9\n', "line 3: not a line of CSV"),
        ("w.jsonl", '{"contact_id": 82, "items": [8]}\n{"contact_id": 83,\n', "line 2: not a line of JSON"),
        ("w.txt", "", "the file name must end in"),
        ("missing.csv", None, "file not found"),
        ("w.csv.gz", "x", "the compressed file is damaged"),
    ],
)
def test_a_broken_file_is_refused_before_the_first_request(
    run_dag, portal, bitrix24_conn, tmp_path, name, text, message
):
    if text is not None:
        (tmp_path / name).write_text(text)
    run = run_dag(sync_dag(f"bindings_path={str(tmp_path / name)!r}", retries=3))
    assert (run.states["sync"], run.tries["sync"]) == ("failed", 1)
    assert message in run.log
    assert portal.requests == 0


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
    assert run.log.count("leaves its worker slot") >= 2
