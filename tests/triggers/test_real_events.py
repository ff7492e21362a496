"""A real Airflow: what happens in the portal starts DAGs, also when the triggerer is killed."""

import json
import time
from collections import Counter

import pytest

from airflow_provider_b24.sandbox import PortalServer, seeded_portal
from tests.faults.real_airflow import wait_for
from tests.triggers.conftest import app_connection

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

DAGS = """
    from datetime import datetime
    from airflow.sdk import Asset, AssetWatcher, DAG, task
    from airflow_provider_b24.triggers.changes import Bitrix24ChangesTrigger
    from airflow_provider_b24.triggers.event import Bitrix24EventTrigger

    triggers = {
        "contact": Bitrix24EventTrigger(["onCrmContactUpdate"], "app", 0.5),
        "company": Bitrix24EventTrigger(["onCrmCompanyUpdate"], "app", 0.5),
        "list": Bitrix24ChangesTrigger("crm.item.list", {"entityTypeId": 3}, "updatedTime", "hook", 1),
    }
    for name, trigger in triggers.items():
        watcher = AssetWatcher(name, trigger=trigger)
        asset = Asset(f"bitrix24://mycompany.bitrix24.com/crm/{name}", watchers=[watcher])
        with DAG(dag_id=name, schedule=[asset], start_date=datetime(2026, 1, 1), max_active_runs=1):

            @task
            def work():
                pass

            work()
"""
KILLS = 10


@pytest.fixture(scope="module")
def portal():
    """A portal whose records are older than the seconds that a watcher looks back at its start."""
    age = 60.0
    portal = seeded_portal(clock=lambda: time.time() - age)
    age = 0.0
    return portal


@pytest.fixture(scope="module")
def airflow(real_airflow, portal):
    with PortalServer(portal) as server:
        connections = {"app": app_connection(portal, server), "hook": server.connection_json(plan="none")}
        file = real_airflow.add(DAGS, connections)
        yield real_airflow
        file.unlink()  # the other tests of this Airflow need no watchers


def payloads(airflow, name):
    """What Airflow has stored for an asset, the oldest first."""
    query = (
        "SELECT e.extra FROM asset_event e JOIN asset a ON a.id = e.asset_id WHERE a.uri LIKE ? ORDER BY e.id"
    )
    return [json.loads(extra)["payload"] for (extra,) in airflow._ask(query, f"%/{name}")]


def change(portal, contact, name="ONCRMCONTACTUPDATE"):
    portal.events.push(name, {"FIELDS": {"ID": str(contact)}})


def test_events_of_two_watchers_start_their_dags_and_share_one_loop(airflow, portal):
    from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

    change(portal, 82)
    change(portal, 7, "ONCRMCOMPANYUPDATE")
    for name in ("contact", "company"):
        wait_for(lambda name=name: airflow.states(name) == ["success"], 120, airflow._tail)
    assert [payload["id"] for payload in payloads(airflow, "contact")] == [82]
    assert [payload["id"] for payload in payloads(airflow, "company")] == [7]
    if AIRFLOW_V_3_3_PLUS:
        wait_for(lambda: not portal.events.all(), 60, airflow._tail)
        time.sleep(2)
        requests = [
            one for one in portal.journal if "event.offline.get" in str(one.body) or one.method == "batch"
        ]
        both = [one for one in requests[-3:] if "ONCRMCOMPANYUPDATE" in str(one.body)]
        assert both
        assert all("ONCRMCONTACTUPDATE" in str(one.body) for one in both)


def test_a_change_of_a_list_starts_its_dag(airflow, portal):
    wait_for(lambda: portal.executed["server.time"] >= 2, 60, airflow._tail)
    portal.update_record("contact", 84, NAME="New")
    wait_for(lambda: airflow.states("list") == ["success"], 120, airflow._tail)
    assert [payload["ids"] for payload in payloads(airflow, "list")] == [[84]]


def test_no_event_is_lost_while_the_triggerer_is_down(airflow, portal):
    before = len(payloads(airflow, "contact"))
    airflow.kill_triggerer()
    for contact in (501, 502, 503):
        change(portal, contact)
    airflow.start_triggerer()
    wait_for(lambda: len(payloads(airflow, "contact")) >= before + 3, 120, airflow._tail)
    assert [payload["id"] for payload in payloads(airflow, "contact")[before:]] == [501, 502, 503]
    wait_for(lambda: not portal.events.all(), 60, airflow._tail)


def test_no_event_is_lost_when_the_triggerer_is_killed_between_reserving_and_clearing(airflow, portal):
    before = len(payloads(airflow, "contact"))
    for number in range(1000, 1000 + KILLS):
        change(portal, number)
        wait_for(lambda: any(row.process_id for row in portal.events.all()), 120, airflow._tail)
        time.sleep(0.15 * (number % 7))  # at another moment each time
        airflow.kill_triggerer()
        airflow.start_triggerer()
    wait_for(lambda: not portal.events.all(), 120, airflow._tail)
    found = payloads(airflow, "contact")[before:]
    counts = Counter(payload["id"] for payload in found)
    print(
        "events", KILLS, "stored", len(found), "more than once", [one for one in counts.items() if one[1] > 1]
    )
    assert set(counts) == set(range(1000, 1000 + KILLS))
    keys = {payload["id"]: payload["key"] for payload in found}
    assert all(keys[payload["id"]] == payload["key"] for payload in found)
