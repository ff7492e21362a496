"""
A real Airflow: workers killed in mid-run, and a task that waits without a worker slot.

The deferred task waits for more than a minute while the other tests run beside it.
"""

import os
import signal
from pathlib import Path

import pytest

from airflow_provider_b24.sandbox import Operating, PortalServer
from tests.faults.portals import (
    CODE,
    break_network,
    failed_contacts,
    lines_of,
    make_portal,
    unconfirmed_writes,
    write_wanted,
    wrong_contacts,
)
from tests.faults.real_airflow import wait_for

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

SET = "crm.contact.company.items.set"
CONTACTS = 3_000
FORBIDDEN = list(range(30, CONTACTS, 60))  # 50
KILLS = (500, 1_200, 2_000)  # contacts written
BLOCKED_CONTACTS = 900  # a second of operating time each: one block in their middle
WINDOW = 90  # seconds: longer than a deferrable task waits in its slot

DAGS = """
    from datetime import datetime, timedelta
    from airflow.providers.common.compat.sdk import DAG
    from airflow_provider_b24.operators.sync import SyncContactCompaniesOperator

    options = {{
        "diff": {{"mode": "diff", "max_failures": 50, "report_path": "{home}/report.jsonl", "retries": 3}},
        "replace": {{"mode": "replace", "max_failures": 49, "retries": 5}},
        "blocked": {{"deferrable": True, "report_path": "{home}/blocked.jsonl"}},
    }}
    for name, more in options.items():
        with DAG(dag_id=name, schedule=None, start_date=datetime(2026, 1, 1)):
            SyncContactCompaniesOperator(
                task_id="sync",
                bitrix24_conn_id=name,
                bindings_path="{home}/" + ("few.jsonl" if name == "blocked" else "wanted.jsonl"),
                retry_delay=timedelta(0),
                **more,
            )
"""


@pytest.fixture(scope="module")
def portals():
    portals = {name: make_portal(CONTACTS, FORBIDDEN, latency=0.2) for name in ("diff", "replace")}
    for portal in portals.values():
        break_network(portal)
    portals["blocked"] = make_portal(BLOCKED_CONTACTS)
    portals["blocked"].operating = Operating(limit=480.0, window=WINDOW, cost={SET: 1.0})
    return portals


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("airflow")
    write_wanted(home / "wanted.jsonl", CONTACTS)
    write_wanted(home / "few.jsonl", BLOCKED_CONTACTS)
    return home


@pytest.fixture(scope="module")
def airflow(real_airflow, portals, home):
    servers = {name: PortalServer(portal).start() for name, portal in portals.items()}
    connections = {name: server.connection_json(code=CODE, plan="none") for name, server in servers.items()}
    real_airflow.add(DAGS.format(home=home), connections)
    yield real_airflow
    for server in servers.values():
        server.stop()


@pytest.fixture(scope="module", autouse=True)
def deferred(airflow, portals):
    """The run that meets an operating block, as soon as its task has given its worker slot back."""
    airflow.start("blocked")
    wait_for(lambda: airflow.task("blocked")["state"] == "deferred", 120, lambda: airflow.task_log("blocked"))
    process = Path(f"/proc/{airflow.task('blocked')['pid']}")
    wait_for(lambda: not process.exists(), 30)  # it says that it defers, and then ends
    return {
        "slots": airflow.used_slots(),
        "written": len(portals["blocked"].writes),
    }


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def kill_task(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def kill_task_and_worker(pid: int) -> None:
    for victim in (parent_of(pid), pid):
        os.kill(victim, signal.SIGKILL)


def kill_worker_only(pid: int) -> None:
    """The task's process lives on as an orphan until it next speaks to its supervisor."""
    os.kill(parent_of(pid), signal.SIGKILL)


@pytest.mark.parametrize(("dag", "state"), [("diff", "success"), ("replace", "failed")])
def test_a_task_whose_worker_is_killed_three_times_goes_on_where_it_stopped(
    airflow, portals, home, dag, state
):
    portal = portals[dag]
    airflow.start(dag)
    for written, kill in zip(KILLS, (kill_task, kill_task_and_worker, kill_worker_only), strict=True):
        wait_for(lambda written=written: len(portal.writes) >= written, 90, lambda: airflow.task_log(dag))
        kill(airflow.running_pid(dag))

    assert airflow.wait_until_ended(dag) == state, airflow.task_log(dag)
    assert airflow.task(dag)["try_number"] == 4  # retries were left for replace: its failure is permanent
    summary = airflow.returned(dag)
    assert (summary["contacts"], summary["failed"], summary["unknown"]) == (CONTACTS, 50, 0)
    assert wrong_contacts(portal, CONTACTS) == FORBIDDEN
    assert {contact for contact, count in portal.writes.items() if count > 1} <= unconfirmed_writes(portal)


def test_the_report_of_a_task_that_was_killed_covers_each_contact_once(airflow, home):
    report = home / "report.jsonl"
    assert [line["contact_id"] for line in lines_of(report)] == list(range(1, CONTACTS + 1))
    assert failed_contacts(report) == FORBIDDEN
    assert {line["status"] for line in lines_of(report)} == {"written", "failed"}
    assert {str(line["before"]) for line in lines_of(report) if line["status"] == "written"} == {"[]"}


def test_a_deferred_task_holds_no_worker_slot_and_ends_right(airflow, portals, home, deferred):
    assert deferred["slots"] == 0
    assert 0 < deferred["written"] < BLOCKED_CONTACTS
    assert airflow.wait_until_ended("blocked", 180) == "success", airflow.task_log("blocked")
    assert airflow.task("blocked")["try_number"] == 1
    assert airflow.returned("blocked")["written"] == BLOCKED_CONTACTS
    assert wrong_contacts(portals["blocked"], BLOCKED_CONTACTS) == []
    assert set(portals["blocked"].writes.values()) == {1}
    assert [line["contact_id"] for line in lines_of(home / "blocked.jsonl")] == list(
        range(1, BLOCKED_CONTACTS + 1)
    )
    assert airflow.task_log("blocked").count("releases its worker slot") == 1
