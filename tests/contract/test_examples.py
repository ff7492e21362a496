"""Every example runs against the sandbox, and does there what it promises, also when it fails."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from airflow_provider_b24.sandbox.http.seed import NO_CRM_CODE
from tests.conftest import DATABASE
from tests.contract.conftest import ROOT

EXAMPLES = ROOT / "example_dags"


@pytest.fixture
def run_example(run_dag, bitrix24_conn):
    def run(name, state="success"):
        done = run_dag(EXAMPLES / f"{name}.py")
        assert done.state == state, done.states
        return done

    return run


def companies(portal, contact):
    return [(row["COMPANY_ID"], row["IS_PRIMARY"], row["SORT"]) for row in portal.bindings(contact)]


def test_each_example_is_run_to_success_and_to_failure():
    tests = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*examples.py"))
    calls = [f'run_example("{file.stem}"' for file in EXAMPLES.glob("*.py")]
    assert [call for call in calls if f"{call})" not in tests and f"{call}," not in tests] == []
    assert [call for call in calls if f'{call}, state="failed"' not in tests] == []


def test_the_main_example_sends_the_documentation_s_example(run_example, portal):
    run = run_example("example_set_contact_companies")
    assert companies(portal, 82) == [(8, "Y", 100), (9, "N", 200), (10, "N", 400)]
    (request,) = portal.journal
    assert (request.http_method, request.method) == ("POST", "crm.contact.company.items.set")
    assert request.body == {
        "id": 82,
        "items": [
            {"COMPANY_ID": 8, "IS_PRIMARY": "Y", "SORT": 100},
            {"COMPANY_ID": 9, "SORT": 200},
            {"COMPANY_ID": 10, "SORT": 400},
        ],
    }
    assert run.returned("set_companies") == {"contact_id": 82, "items": request.body["items"], "primary": 8}


def test_the_example_of_the_six_operators_calls_the_six_methods(run_example, portal):
    run = run_example("example_contact_company_operators")
    assert [request.method.removeprefix("crm.contact.company.") for request in portal.journal] == [
        "fields",
        "items.delete",
        "add",
        "items.set",
        "delete",
        "items.get",
    ]
    assert [row["COMPANY_ID"] for row in run.returned("read_all")] == [9]


def test_the_mapped_example_names_its_task_instances_by_contact(run_example, portal):
    run = run_example("example_mapped_contacts")
    labels = [run.labels[f"set_companies[{index}]"] for index in range(3)]
    assert labels == ["contact 82", "contact 83", "contact 84"]
    assert [{row[:2] for row in companies(portal, contact)} for contact in (82, 83, 84)] == [
        {(8, "Y"), (9, "N")},
        {(10, "Y"), (8, "N")},
        set(),
    ]


def test_the_example_with_the_hook_copies_the_companies(run_example, portal):
    run = run_example("example_hook_in_task")
    assert companies(portal, 83) == companies(portal, 82) != []
    titles = [portal.company(row["COMPANY_ID"])["TITLE"] for row in portal.bindings(82)]
    assert run.returned("look_up_titles") == titles


def test_the_example_of_any_method_reads_a_card_a_list_and_many_bindings(run_example, portal):
    run = run_example("example_any_method")
    assert run.returned("read_a_contact")["ID"] == "82"
    assert {row["title"] for row in run.returned("list_companies")} >= {portal.company(8)["TITLE"]}
    outcomes = run.returned("read_many_bindings")
    assert len(outcomes) == 120
    assert {outcome["status"] for outcome in outcomes} == {"success"}
    assert len([request for request in portal.journal if request.method == "batch"]) == 3


def test_the_main_example_fails_for_a_deleted_contact(run_example, portal):
    portal.delete_contact(82)
    run = run_example("example_set_contact_companies", state="failed")
    assert run.states == {"extract": "success", "set_companies": "failed"}
    assert "contact 82" in run.log


def test_the_example_of_the_six_operators_stops_at_the_first_failure(run_example, portal):
    portal.forbid_contacts([84])
    run = run_example("example_contact_company_operators", state="failed")
    assert (run.states["describe_fields"], run.states["remove_all"]) == ("success", "failed")
    assert run.states["read_all"] == "upstream_failed"


def test_one_failure_of_the_mapped_example_leaves_the_other_contacts_alone(run_example, portal):
    portal.delete_contact(83)
    run = run_example("example_mapped_contacts", state="failed")
    assert [run.states[f"set_companies[{index}]"] for index in range(3)] == ["success", "failed", "success"]
    assert {row[:2] for row in companies(portal, 82)} == {(8, "Y"), (9, "N")}


def test_the_example_with_the_hook_is_skipped_for_a_contact_without_companies(run_example, portal):
    before = companies(portal, 83)
    portal.bind(82, [])
    run = run_example("example_hook_in_task")
    assert set(run.states.values()) == {"skipped"}
    assert companies(portal, 83) == before


def test_the_example_with_the_hook_fails_where_nothing_may_be_changed(run_example, portal):
    portal.forbid_contacts([83])
    run = run_example("example_hook_in_task", state="failed")
    assert run.states == {"copy_companies": "failed", "look_up_titles": "upstream_failed"}


def test_the_example_of_any_method_stores_every_result_though_some_calls_failed(run_example, portal):
    portal.forbid_contacts([100])
    run = run_example("example_any_method", state="failed")
    assert run.states["read_many_bindings"] == "failed"
    statuses = [outcome["status"] for outcome in run.xcoms["read_many_bindings", "return_value"]]
    assert (statuses.count("success"), statuses[99]) == (119, "failure")


def test_the_example_of_notifications_tells_of_success_and_of_failure(run_example, portal, monkeypatch):
    run_example("example_notifications")
    message = portal.messages[0]
    assert message["params"] == {"USER_ID": 1, "MESSAGE": "count_companies of example_notifications is done."}
    portal.messages.clear()  # Airflow 2 may have called the DAG's own callback too

    monkeypatch.setenv("BITRIX24_EXAMPLE_CONTACT", "87")  # has no companies
    run_example("example_notifications", state="failed")
    to_chat, to_user = (message["params"] for message in portal.messages[:2])
    assert to_chat["DIALOG_ID"] == "chat42"
    assert to_user["USER_ID"] == 1
    assert to_chat["MESSAGE"].startswith("[B]Task failed[/B]: example_notifications.count_companies\n")


def test_the_example_of_sensors_waits_for_what_is_there(run_example, portal):
    portal.bind(83, [(8, 10, True), (31, 20, False)])
    run = run_example("example_sensors")
    assert set(run.states.values()) == {"success"}
    assert run.returned("wait_for_the_position")["item"]["post"] == "Chief accountant"


def test_the_example_of_sensors_fails_where_nothing_may_be_read(run_example, server, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_BITRIX24_DEFAULT", server.connection_json(8, NO_CRM_CODE))
    run = run_example("example_sensors", state="failed")
    assert run.states["wait_for_the_contact"] == "failed"


def test_the_example_of_assets_leaves_an_asset_event(run_example, portal):
    from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

    if not AIRFLOW_V_3_3_PLUS:
        pytest.skip("dag.test() of older Airflow stores no assets, and 3.0 refuses to run without them")
    run_example("example_assets")
    assert [row[0] for row in companies(portal, 82)] == [8, 9]
    with contextlib.closing(sqlite3.connect(DATABASE)) as database:
        query = "SELECT uri FROM asset JOIN asset_event ON asset.id = asset_event.asset_id"
        uris = {uri for (uri,) in database.execute(query)}
    assert "bitrix24://mycompany.bitrix24.com/crm/contact" in uris


def test_the_example_of_assets_fails_for_a_deleted_contact(run_example, portal):
    portal.delete_contact(82)
    assert run_example("example_assets", state="failed").states == {"set_companies": "failed"}
