"""A real Airflow: a plan is approved or rejected by a person, and then written or not."""

import time

import pytest

from airflow_provider_b24.sandbox import PortalServer, seeded_portal
from tests.contract.test_examples import EXAMPLES, companies
from tests.faults.real_airflow import wait_for

pytest.importorskip("airflow.sdk.execution_time.hitl", reason="Airflow asks people since 3.1")
pytestmark = [pytest.mark.airflow, pytest.mark.slow]

DAG = "example_approval"


@pytest.fixture(scope="module")
def portal():
    return seeded_portal()


@pytest.fixture(scope="module")
def airflow(real_airflow, portal):
    with PortalServer(portal) as server:
        source = (EXAMPLES / f"{DAG}.py").read_text()
        real_airflow.add(source, {"bitrix24_default": server.connection_json(plan="none")})
        yield real_airflow


@pytest.fixture
def plan(airflow, portal):
    """Start a run and wait until it asks a person; its id."""
    for contact, company in ((82, 27), (83, 27), (84, 27)):
        portal.bind(contact, [(company, 10, True)])
    messages = len(portal.messages)
    airflow.start(DAG)
    ((run,),) = airflow._ask("SELECT run_id FROM dag_run WHERE dag_id = ? ORDER BY id DESC LIMIT 1", DAG)
    wait_for(lambda: len(portal.messages) > messages, 120, airflow._tail)
    wait_for(lambda: state(airflow, run, "approve") in ("deferred", "awaiting_input"), 60, airflow._tail)
    return run


def state(airflow, run, task):
    found = airflow._ask("SELECT state FROM task_instance WHERE run_id = ? AND task_id = ?", run, task)
    return found[0][0] if found else None


def answer(airflow, run, choice):
    """Answer as a person does in the UI, and wait until the run is over."""
    # Airflow 3.3 fails a task that goes on before its scheduler hears that it paused; a person is slower.
    time.sleep(5)
    path = f"/api/v2/dags/{DAG}/dagRuns/{run}/taskInstances/approve/-1/hitlDetails"
    airflow._insist("PATCH", path, {"chosen_options": [choice]})

    def ended():
        ((found,),) = airflow._ask("SELECT state FROM dag_run WHERE run_id = ?", run)
        return found in ("success", "failed") and found

    assert wait_for(ended, 120, airflow._tail) == "success", airflow.task_log(DAG)


def returned(airflow, run):
    entry = f"/api/v2/dags/{DAG}/dagRuns/{run}/taskInstances/apply/xcomEntries/return_value"
    return airflow._call("GET", entry)["value"]


def ids(portal):
    return [[row[0] for row in companies(portal, contact)] for contact in (82, 83, 84)]


def test_what_is_approved_is_written(airflow, portal, plan):
    assert ids(portal) == [[27], [27], [27]]
    answer(airflow, plan, "Approve")
    assert ids(portal) == [[8, 9], [10], [31]]
    assert returned(airflow, plan)["written"] == 3
    assert "waits for your approval: example_approval" in portal.messages[-1]["params"]["MESSAGE"]


def test_what_is_rejected_is_not_written(airflow, portal, plan):
    answer(airflow, plan, "Reject")
    assert ids(portal) == [[27], [27], [27]]
    assert state(airflow, plan, "apply") == "skipped"


def test_a_contact_that_changed_in_between_is_reported_and_not_overwritten(airflow, portal, plan):
    portal.bind(83, [(30, 10, True)])
    answer(airflow, plan, "Approve")
    assert ids(portal) == [[8, 9], [30], [31]]
    summary = returned(airflow, plan)
    assert (summary["written"], summary["skipped"], summary["failed"]) == (2, 1, 0)
