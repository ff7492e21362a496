"""A real Airflow: two tries or two runs of one sync at the same time."""

import contextlib
import os
import signal
from pathlib import Path

import pytest

from airflow_provider_b24.sandbox import PortalServer
from tests.faults.portals import CODE, lines_of, make_portal, write_wanted, wrong_contacts
from tests.faults.real_airflow import wait_for

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

CONTACTS = 3_000
CLEARINGS = 7
FROZEN_AT, KILLED_AT = 400, 800  # contacts written

DAGS = """
    from datetime import datetime, timedelta
    from airflow.providers.common.compat.sdk import DAG
    from airflow_provider_b24.operators.sync import SyncContactCompaniesOperator

    for name in ("cleared", "frozen", "shared"):
        with DAG(dag_id=name, schedule=None, start_date=datetime(2026, 1, 1)):
            SyncContactCompaniesOperator(
                task_id="sync",
                bitrix24_conn_id=name,
                bindings_path="{home}/wanted.jsonl",
                report_path="{home}/" + name + ".jsonl",
                retries=3 if name == "frozen" else 0,
                retry_delay=timedelta(0),
            )
"""


@pytest.fixture(scope="module")
def portals():
    return {name: make_portal(CONTACTS, latency=0.6) for name in ("cleared", "frozen", "shared")}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("airflow")
    write_wanted(home / "wanted.jsonl", CONTACTS)
    return home


@pytest.fixture(scope="module")
def airflow(request, portals, home):
    version = pytest.importorskip("airflow", reason="needs Airflow").__version__
    if version.startswith("2."):
        pytest.skip("Airflow 2 keeps a task's process, so its tries do not overlap")
    real_airflow = request.getfixturevalue("real_airflow")
    servers = {name: PortalServer(portal).start() for name, portal in portals.items()}
    connections = {name: server.connection_json(code=CODE, plan="none") for name, server in servers.items()}
    real_airflow.add(DAGS.format(home=home), connections)
    yield real_airflow
    for server in servers.values():
        server.stop()


def assert_whole(portal, report):
    assert wrong_contacts(portal, CONTACTS) == []
    lines = lines_of(report)
    assert [line["contact_id"] for line in lines] == list(range(1, CONTACTS + 1))
    assert {line["status"] for line in lines} <= {"written", "unchanged"}
    assert {str(line["before"]) for line in lines} == {"[]"}


def test_a_running_task_that_is_marked_failed_and_cleared_again_and_again(airflow, portals, home):
    portal = portals["cleared"]
    airflow.start("cleared")
    for clearing in range(1, CLEARINGS + 1):
        enough = clearing * CONTACTS // (CLEARINGS + 2)
        wait_for(lambda: len(portal.writes) >= enough, 90, lambda: airflow.story("cleared"))  # noqa: B023
        airflow.running_pid("cleared")
        airflow.mark_failed_and_clear("cleared")
    assert airflow.wait_until_ended("cleared") == "success", airflow.task_log("cleared")
    assert_whole(portal, home / "cleared.jsonl")


def test_a_frozen_worker_that_thaws_after_the_next_try_was_killed(airflow, portals, home):
    portal = portals["frozen"]
    airflow.start("frozen")
    wait_for(lambda: len(portal.writes) >= FROZEN_AT, 90, lambda: airflow.task_log("frozen"))
    frozen = with_supervisor(airflow.running_pid("frozen"))
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        wait_for(lambda: airflow.task("frozen")["try_number"] == 2, 90, lambda: airflow.task_log("frozen"))
        wait_for(lambda: len(portal.writes) >= KILLED_AT, 90, lambda: airflow.task_log("frozen"))
        for pid in with_supervisor(airflow.running_pid("frozen")):
            os.kill(pid, signal.SIGKILL)
    finally:
        for pid in frozen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    assert airflow.wait_until_ended("frozen") == "success", airflow.task_log("frozen")
    assert airflow.task("frozen")["try_number"] == 3
    assert_whole(portal, home / "frozen.jsonl")


def with_supervisor(pid: int) -> list[int]:
    return [int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]), pid]


def test_two_runs_at_once_with_one_report_path_do_not_mix(airflow, portals, home):
    portal = portals["shared"]
    airflow.start("shared")
    airflow.start("shared")
    wait_for(
        lambda: {*airflow.states("shared")} <= {"success", "failed"}, 120, lambda: airflow.task_log("shared")
    )
    assert sorted(map(str, airflow.states("shared"))) == ["failed", "success"]
    assert_whole(portal, home / "shared.jsonl")
    assert set(portal.writes.values()) == {1}
    assert "report_path" in airflow.task_log("shared")
