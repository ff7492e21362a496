"""A real Airflow: exports whose workers are killed, and the watermark from one run to the next."""

import json
import os

import pytest

from airflow_provider_b24.sandbox import Fault, Portal, PortalServer
from tests.faults.portals import CODE
from tests.faults.real_airflow import wait_for
from tests.faults.test_killed_worker import kill_task, kill_task_and_worker, kill_worker_only

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

ROWS = 100_000
FEWEST_REQUESTS = 42  # 41 for the rows, and one for the time and the fields
KILLS = (13, 25, 38)  # requests
LOST_REQUESTS = 5  # of a kill, at most: those for 10,000 rows that were not saved yet, and one for the count

DAGS = """
    from datetime import datetime, timedelta
    from airflow.providers.common.compat.sdk import DAG, Asset
    from airflow_provider_b24.operators.export import Bitrix24ExportOperator

    options = {{
        "killed": {{"output_path": "{home}/killed.jsonl", "retries": 3}},
        "orphaned": {{"output_path": "{home}/orphaned.jsonl", "retries": 3}},
        "nightly": {{
            "output_path": "{home}/nightly/{{{{ run_id }}}}.jsonl",
            "incremental": "updatedTime",
            "overlap": 0,
            "outlets": [Asset("deals")],
        }},
    }}
    for name, more in options.items():
        with DAG(dag_id=name, schedule=None, start_date=datetime(2026, 1, 1)):
            Bitrix24ExportOperator(
                task_id="sync",
                bitrix24_conn_id=name,
                method="crm.item.list",
                parameters={{"entityTypeId": 2, "select": ["id", "title", "updatedTime"]}},
                retry_delay=timedelta(0),
                **more,
            )
"""


@pytest.fixture(scope="module")
def portals():
    portals = {"killed": Portal(), "orphaned": Portal(), "nightly": Portal()}
    for name, portal in portals.items():
        portal.add_webhook(1, CODE)
        portal.add_generated(deal=200 if name == "nightly" else ROWS)
    portals["killed"].latency = 0.2
    portals["orphaned"].latency = 0.7  # so slow that the orphan and the next try export at the same time
    return portals


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("airflow")


@pytest.fixture(scope="module")
def airflow(real_airflow, portals, home):
    servers = {name: PortalServer(portal).start() for name, portal in portals.items()}
    connections = {name: server.connection_json(code=CODE, plan="none") for name, server in servers.items()}
    # One request after another, whatever the machine's speed: a kill loses what is in flight.
    connections["killed"] = servers["killed"].connection_json(code=CODE, plan="none", max_parallel=1)
    real_airflow.add(DAGS.format(home=home), connections)
    yield real_airflow
    for server in servers.values():
        server.stop()


@pytest.fixture(scope="module", autouse=True)
def orphan(airflow, portals):
    """The run whose worker is killed and whose task lives on; it goes on beside the other tests."""
    airflow.start("orphaned")
    wait_for(lambda: portals["orphaned"].requests >= 13, 90, lambda: airflow.task_log("orphaned"))
    pid = airflow.running_pid("orphaned")
    kill_worker_only(pid)
    return pid


def ids_in(path):
    return [json.loads(line)["id"] for line in path.open()]


def test_the_file_of_an_export_that_is_killed_three_times_is_exact(airflow, portals, home):
    portal = portals["killed"]
    airflow.start("killed")
    for requests, kill in zip(KILLS, (kill_task, kill_task_and_worker, kill_task), strict=True):
        wait_for(
            lambda requests=requests: portal.requests >= requests, 90, lambda: airflow.task_log("killed")
        )
        kill(airflow.running_pid("killed"))
        assert not (home / "killed.jsonl").exists()

    assert airflow.wait_until_ended("killed") == "success", airflow.task_log("killed")
    assert airflow.task("killed")["try_number"] == 4
    assert airflow.returned("killed")["rows"] == ROWS
    assert ids_in(home / "killed.jsonl") == list(range(1, ROWS + 1))
    assert portal.requests <= FEWEST_REQUESTS + len(KILLS) * LOST_REQUESTS
    assert [path for path in home.glob("_bitrix24/*.killed.jsonl.*") if path.suffix != ".tmp"] == []


def test_an_orphan_and_the_next_try_leave_an_exact_file(airflow, home, orphan):
    assert airflow.wait_until_ended("orphaned", 180) == "success", airflow.task_log("orphaned")
    assert airflow.task("orphaned")["try_number"] >= 2
    assert airflow.returned("orphaned")["rows"] == ROWS
    assert ids_in(home / "orphaned.jsonl") == list(range(1, ROWS + 1))


def test_a_run_that_fails_does_not_move_the_watermark(airflow, portals, home):
    portal = portals["nightly"]
    states = []
    for state in ("success", "failed", "success"):
        portal.faults = [Fault("expired_token", method="crm.item.list")] if state == "failed" else []
        states.append(state)
        airflow.start("nightly")
        wait_for(lambda: airflow.states("nightly") == states, 90, lambda: airflow.task_log("nightly"))
        portal.update_record("deal", 80 + len(states), TITLE="changed")
    rows = [ids_in(path) for path in sorted((home / "nightly").iterdir(), key=os.path.getmtime)]
    assert rows == [list(range(1, 201)), [81, 82]]


def test_a_run_that_is_cleared_begins_where_it_began(airflow, home):
    first, last = sorted((home / "nightly").iterdir(), key=os.path.getmtime)
    for number, path, ids in ((2, last, [81, 82, 83]), (0, first, list(range(1, 201)))):
        path.unlink()
        airflow.clear("nightly", number)
        wait_for(path.exists, 90, lambda: airflow.task_log("nightly"))
        assert ids_in(path) == ids
        wait_for(
            lambda number=number: airflow.states("nightly")[number] == "success",
            90,
            lambda: airflow.task_log("nightly"),
        )


def test_the_watermark_is_kept_with_the_asset(airflow):
    from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

    table = "asset_state_store" if AIRFLOW_V_3_3_PLUS else "variable"
    assert airflow.watermark_keys(table) == ["bitrix24_watermark__nightly__sync"]
