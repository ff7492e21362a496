"""The examples of syncs and exports do in the sandbox what they promise, also when they fail."""

import contextlib
import csv
import json
import sqlite3
from functools import partial

import pytest

from tests.contract.test_examples import EXAMPLES, companies

pytest.importorskip("airflow.providers.common.sql", reason="one of them reads rows with common-sql")


@pytest.fixture
def run_example(run_dag, bitrix24_conn, monkeypatch, tmp_path):
    """Run an example, with parts of its text replaced."""
    monkeypatch.setenv("BITRIX24_EXAMPLES", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", f"sqlite://{tmp_path}/warehouse.db")

    def run(name, state="success", **changes):
        source = (EXAMPLES / f"{name}.py").read_text()
        for old, new in changes.items():
            assert old in source
            source = source.replace(old, new)
        done = run_dag(source)
        assert done.state == state, done.states
        return done

    return run


def test_rows_of_a_query_reach_the_portal(run_example, portal):
    pytest.importorskip("airflow.providers.sqlite")
    summary = run_example("example_sync_sql_rows").returned("sync")
    assert (summary["contacts"], summary["written"], summary["unchanged"]) == (3, 3, 0)
    assert companies(portal, 82) == [(8, "Y", 100), (9, "N", 200), (10, "N", 400)]
    assert companies(portal, 83) == [(31, "Y", 10), (8, "N", 20)]
    assert companies(portal, 86) == [(11, "Y", 10)]
    assert run_example("example_sync_sql_rows").returned("sync")["unchanged"] == 3


def test_rows_of_a_query_that_name_a_missing_company_fail_their_contact_alone(run_example, portal):
    pytest.importorskip("airflow.providers.sqlite")
    portal.delete_company(31)
    run = run_example("example_sync_sql_rows", state="failed")
    summary = run.returned("sync")
    assert (summary["written"], summary["failed"]) == (2, 1)
    assert [failure["contact_id"] for failure in summary["failures"]] == [83]


CHANGED = {'payloads = [event.extra["payload"] for event in events]': "payloads = [{'id': 82}]"}


@pytest.fixture
def run_events_example(run_example):
    pytest.importorskip("airflow.sdk", reason="AssetWatcher came with Airflow 3")
    return run_example


def test_a_change_in_the_portal_is_checked_against_the_erp(run_events_example, portal):
    run_example = run_events_example
    assert run_example("example_events").states["sync"] == "skipped"  # started by hand, so nothing changed
    run = run_example("example_events", **CHANGED)
    assert run.returned("sync")["written"] == 1
    assert [row[0] for row in companies(portal, 82)] == [8, 9]


def test_a_change_that_cannot_be_corrected_fails(run_events_example, portal):
    run_example = run_events_example
    portal.delete_company(9)
    run_example("example_events", state="failed", **CHANGED)


# dag.test() cannot ask a person; tests/operators/test_real_approval.py does.
APPROVED = {
    "from airflow.providers.standard.operators.hitl import ApprovalOperator": (
        "from airflow.providers.standard.operators.empty import EmptyOperator"
    ),
    "approve = ApprovalOperator(": 'approve = EmptyOperator(task_id="approve"); dict(',
}


@pytest.fixture
def _empty_operator():
    pytest.importorskip("airflow.providers.standard", reason="with 2.11.0, EmptyOperator is elsewhere")


@pytest.mark.usefixtures("_empty_operator")
def test_a_plan_is_applied_after_its_approval(run_example, portal):
    run = run_example("example_approval", **APPROVED)
    assert (run.returned("plan")["planned"], run.returned("apply")["written"]) == (3, 3)
    assert [row[0] for row in companies(portal, 84)] == [31]
    again = run_example("example_approval", **APPROVED)
    assert (again.returned("plan")["planned"], again.states["apply"]) == (0, "skipped")


@pytest.mark.usefixtures("_empty_operator")
def test_a_plan_with_a_missing_company_fails_before_anybody_is_asked(run_example, portal):
    portal.delete_company(31)
    run = run_example("example_approval", state="failed", **APPROVED)
    assert run.states["approve"] == "upstream_failed"
    assert not portal.writes


def scripted(tool, arguments):
    """A language model that calls one tool, and answers with what it returned."""
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
    from pydantic_ai.models.function import FunctionModel

    def model(messages, info):
        returned = [
            part.content for one in messages for part in one.parts if isinstance(part, ToolReturnPart)
        ]
        part = TextPart(f"Companies: {returned[0]}") if returned else ToolCallPart(tool, arguments)
        return ModelResponse(parts=[part])

    return FunctionModel(model)


@pytest.fixture
def run_agent_example(run_example, mocker, monkeypatch):
    pytest.importorskip("airflow.providers.common.ai", reason="needs apache-airflow-providers-common-ai")
    from airflow.providers.common.ai.hooks.pydantic_ai import PydanticAIHook

    monkeypatch.setenv("AIRFLOW_CONN_PYDANTICAI_DEFAULT", '{"conn_type": "pydanticai"}')

    def run(tool, arguments, *words, **options):
        mocker.patch.object(PydanticAIHook, "get_conn", autospec=True, return_value=scripted(tool, arguments))
        return run_example(*words, **options)

    return run


def test_an_agent_answers_with_data_of_the_portal(run_agent_example, portal):
    run_example = partial(run_agent_example, "bitrix24_get_contact_companies", {"contact_id": 82})
    run = run_example("example_agent")
    assert "COMPANY_ID" in run.returned("answer")
    assert not portal.writes


def test_an_agent_that_asks_for_a_write_fails(run_agent_example, portal):
    arguments = {"method": "crm.item.update", "params": {"id": 82}}
    run_example = partial(run_agent_example, "bitrix24_read", arguments)
    run_example("example_agent", state="failed")
    assert portal.requests == 0


def test_a_file_reaches_the_portal_and_leaves_a_report(run_example, portal, tmp_path):
    run = run_example("example_sync_file")
    assert run.states["undo"] == "skipped"
    assert companies(portal, 82) == [(8, "Y", 100), (9, "N", 200)]
    assert [row[0] for row in companies(portal, 85)] == [12]
    (report,) = tmp_path.glob("report-*.jsonl")
    assert run.returned("sync")["report_path"] == str(report)
    statuses = {line["contact_id"]: line["status"] for line in map(json.loads, report.open())}
    assert statuses == {82: "written", 83: "unchanged", 84: "written", 85: "written"}


def test_a_sync_that_changed_too_much_is_undone(run_example, portal):
    before = [companies(portal, contact) for contact in (82, 83, 84, 85)]
    run = run_example("example_sync_file", **{"USUAL_CHANGES = 100": "USUAL_CHANGES = 2"})
    assert run.returned("sync")["written"] == run.returned("undo")["written"] == 3
    assert [companies(portal, contact) for contact in (82, 83, 84, 85)] == before


def test_a_file_that_cannot_be_read_writes_nothing_and_undoes_nothing(run_example, portal):
    run = run_example("example_sync_file", state="failed", **{"85,12,,": "85,twelve,,"})
    assert run.states["sync"] == "failed"
    assert {run.states["changed_too_much"], run.states["undo"]} == {"upstream_failed"}
    assert portal.writes.total() == 0


def test_the_nightly_diff_tolerates_a_few_failures_and_writes_only_differences(run_example, portal):
    portal.bind(100, [(8, 10, True)])
    run = run_example("example_nightly_diff")
    summary = run.returned("sync")
    assert (summary["contacts"], summary["written"], summary["failed"]) == (37, 1, 1)
    assert run.returned("list_failures") == [f"99: {summary['failures'][0]['description']}"]
    assert portal.executed["crm.contact.company.items.set"] == 2  # one of them was refused


def test_the_nightly_diff_lists_the_failures_of_a_run_that_failed(run_example, portal):
    for contact in (100, 101, 102):
        portal.delete_contact(contact)
    run = run_example("example_nightly_diff", state="failed")
    assert run.states["sync"] == "failed"
    assert [line.partition(":")[0] for line in run.returned("list_failures")] == ["99", "100", "101", "102"]


def test_the_nightly_diff_has_no_failures_to_list_when_its_sync_never_began(run_example, portal):
    run = run_example(
        "example_nightly_diff", state="failed", **{'"contact_id": contact': '"contact": contact'}
    )
    assert (run.states["sync"], run.states["list_failures"]) == ("failed", "skipped")
    assert "NoneType" not in run.log


def test_the_slices_of_the_sharded_sync_cover_the_whole_file(run_example, portal, tmp_path):
    run = run_example("example_sharded_sync")
    summaries = [run.returned(f"sync[{index}]") for index in range(4)]
    assert [summary["written"] for summary in summaries] == [10, 10, 10, 6]
    assert run.labels["sync[3]"] == "slice-0003.jsonl"
    assert all({row[0] for row in companies(portal, contact)} >= {8} for contact in range(100, 136))
    assert len(list(tmp_path.glob("slices-*/report-slice-*.jsonl"))) == 4


def test_a_slice_that_fails_leaves_the_others_alone(run_example, portal):
    portal.delete_contact(115)
    run = run_example("example_sharded_sync", state="failed")
    assert [run.states[f"sync[{index}]"] for index in range(4)] == ["success", "failed", "success", "success"]
    assert all({row[0] for row in companies(portal, contact)} >= {8} for contact in (100, 114, 116, 135))


def test_two_runs_of_the_sharded_sync_have_reports_of_their_own(run_example, portal, tmp_path):
    run_example("example_sharded_sync")
    run_example("example_sharded_sync")
    assert len(list(tmp_path.glob("slices-*/report-slice-*.jsonl"))) == 8


def test_the_nightly_export_writes_everything_once_and_then_what_changed(run_example, portal, tmp_path):
    portal.add_generated(deal=120)
    assert run_example("example_nightly_export").returned("export_deals")["rows"] == 120
    portal.update_record("deal", 82, TITLE="changed")
    assert 1 <= run_example("example_nightly_export").returned("export_deals")["rows"] <= 120
    assert len([*tmp_path.glob("deals-*.jsonl.gz")]) == 2


NO_SUCH_TYPE = {'"entityTypeId": 2': '"entityTypeId": 999'}


def test_the_nightly_export_leaves_no_file_of_a_list_that_cannot_be_read(run_example, portal, tmp_path):
    run = run_example("example_nightly_export", state="failed", **NO_SUCH_TYPE)
    assert run.states == {"export_deals": "failed"}
    assert [*tmp_path.glob("deals-*")] == []


def test_the_table_of_deals_stays_equal_to_the_portal(run_example, portal, tmp_path):
    pytest.importorskip("airflow.providers.sqlite")
    portal.add_generated(deal=120)
    assert run_example("example_deals_to_sql").returned("load_deals")["written"] == 120
    portal.update_record("deal", 82, TITLE="changed")
    portal.delete_record("deal", 83)
    run = run_example("example_deals_to_sql")
    summary = run.returned("load_deals")
    assert (summary["written"], summary["deleted"]) == (1, 1)
    assert run.states["add_up"] == "success"
    with contextlib.closing(sqlite3.connect(tmp_path / "warehouse.db")) as database:
        titles = dict(database.execute("SELECT id, title FROM deals"))
    assert sorted(titles) == sorted({*range(1, 121)} - {83})
    assert titles[82] == "changed"


def test_the_table_of_deals_is_not_added_up_if_the_list_cannot_be_read(run_example, portal):
    run = run_example("example_deals_to_sql", state="failed", **NO_SUCH_TYPE)
    assert run.states == {"load_deals": "failed", "add_up": "upstream_failed"}


def test_the_items_of_a_smart_process_have_readable_names(run_example, portal, tmp_path):
    summary = run_example("example_smart_process").returned("export_projects")
    with open(summary["path"], newline="") as file:
        rows = [*csv.DictReader(file)]
    assert len(rows) == summary["rows"] > 0
    assert {row["categoryIdName"] for row in rows} == {"General"}
    assert len([*tmp_path.glob("projects-*.csv.schema.json")]) == 1


def test_a_smart_process_that_does_not_exist_fails(run_example, portal, tmp_path):
    run_example("example_smart_process", state="failed", **{"PROJECTS = 128": "PROJECTS = 999"})
    assert [*tmp_path.glob("projects-*")] == []


def test_what_the_erp_knows_by_name_is_written_back(run_example, portal):
    run = run_example("example_compare_and_sync")
    assert run.returned("sync")["written"] == 2
    assert [row[0] for row in companies(portal, 82)] == [8, 9]
    assert [row[0] for row in companies(portal, 83)] == [31]
    assert run_example("example_compare_and_sync").returned("sync")["unchanged"] == 2


def test_a_name_that_the_portal_does_not_know_writes_nothing(run_example, portal):
    portal.delete_company(31)
    run = run_example("example_compare_and_sync", state="failed")
    assert run.states == {"export_companies": "success", "compare": "failed", "sync": "upstream_failed"}
    assert "several, named Hikari Denki K.K." in run.log
    assert not portal.writes
