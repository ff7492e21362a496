"""A real Airflow: callbacks in workers, deadline alerts and triggers in the triggerer."""

import pytest

from airflow_provider_b24.sandbox import PortalServer, seeded_portal
from airflow_provider_b24.sandbox.http.seed import DEMO_CODE
from tests.faults.real_airflow import wait_for

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

DAGS = """
    from datetime import datetime, timedelta
    from airflow.providers.common.compat.sdk import DAG, task
    from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS
    from airflow_provider_b24.notifications.bitrix24 import Bitrix24Notifier
    from airflow_provider_b24.sensors.bitrix24 import Bitrix24Sensor

    # Airflow 3.3 loses a task that is rescheduled faster than its scheduler hears of the try before.
    modes = {{
        "deferred": {{"deferrable": True, "poke_interval": 1}},
        "rescheduled": {{"mode": "reschedule", "poke_interval": 5}},
    }}
    for name, options in modes.items():
        with DAG(dag_id=name, schedule=None, start_date=datetime(2026, 1, 1)):
            Bitrix24Sensor(
                task_id="wait",
                method="crm.item.get",
                parameters={{"entityTypeId": 3, "id": 500}},
                until="result.item.name == 'Late'",
                timeout=300,
                bitrix24_conn_id="waiting",
                **options,
            )

    for name in ("told", "portal_down"):
        with DAG(dag_id=name, schedule=None, start_date=datetime(2026, 1, 1)):

            @task(on_failure_callback=[
                Bitrix24Notifier(dialog_id="chat42", bitrix24_conn_id=name),
                lambda context: print("the last callback ran"),
            ])
            def work():
                raise ValueError("broken on purpose")

            work()

    if AIRFLOW_V_3_1_PLUS:
        import time
        from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference

        alert = DeadlineAlert(
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=timedelta(seconds=1),
            callback=AsyncCallback(Bitrix24Notifier, kwargs={{"user_id": 7, "bitrix24_conn_id": "late"}}),
        )
        with DAG(dag_id="late", schedule=None, start_date=datetime(2026, 1, 1), deadline=alert):

            @task
            def work():
                time.sleep(5)

            work()
"""


@pytest.fixture(scope="module")
def portals():
    return {name: seeded_portal() for name in ("told", "portal_down", "late", "waiting")}


@pytest.fixture(scope="module")
def airflow(real_airflow, portals):
    servers = {name: PortalServer(portal).start() for name, portal in portals.items()}
    connections = {name: server.connection_json() for name, server in servers.items()}
    servers["portal_down"].stop()
    real_airflow.add(DAGS.format(), connections)
    yield real_airflow
    for server in servers.values():
        server.stop()


def test_a_failing_task_sends_exactly_one_message(airflow, portals):
    airflow.start("told")
    assert airflow.wait_until_ended("told") == "failed"
    wait_for(lambda: "the last callback ran" in airflow.task_log("told"), 30)
    ((params),) = (message["params"] for message in portals["told"].messages)
    assert params["DIALOG_ID"] == "chat42"
    headline, _run, tries, reason, log = params["MESSAGE"].splitlines()
    assert headline == "[B]Task failed[/B]: told.work"
    assert tries == "Try: 1 of 1"
    assert reason == "ValueError: broken on purpose"
    assert log.startswith("[URL=http")


def test_with_the_portal_down_the_task_ends_as_without_a_notifier(airflow, portals):
    airflow.start("portal_down")
    assert airflow.wait_until_ended("portal_down") == "failed"
    wait_for(lambda: "the last callback ran" in airflow.task_log("portal_down"), 30)
    log = airflow.task_log("portal_down")
    assert log.count("The notification was not sent: ") == 1
    assert DEMO_CODE not in log


def test_a_deadline_alert_sends_exactly_one_message(airflow, portals):
    from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS

    if not AIRFLOW_V_3_1_PLUS:
        pytest.skip("Airflow has deadline alerts since 3.1")
    airflow.start("late")
    wait_for(lambda: portals["late"].messages, 60)
    airflow.wait_until_ended("late")
    ((params),) = (message["params"] for message in portals["late"].messages)
    assert params["USER_ID"] == 7
    assert params["MESSAGE"].startswith("[B]Deadline missed[/B]: late\n")


def test_a_deferred_sensor_takes_no_slot_and_survives_its_triggerer(airflow, portals):
    portal = portals["waiting"]
    airflow.start("deferred")
    wait_for(lambda: portal.requests >= 3, 60, lambda: airflow.task_log("deferred"))
    assert airflow.task("deferred")["state"] == "deferred"
    assert airflow.used_slots() == 0
    airflow.kill_triggerer()
    airflow.start_triggerer()
    before = portal.requests
    wait_for(lambda: portal.requests > before, 120, lambda: airflow.task_log("deferred"))
    portal.add_contact(500, NAME="Late")
    assert airflow.wait_until_ended("deferred") == "success"
    assert airflow.task("deferred")["try_number"] == 1
    portal.delete_contact(500)


def test_a_rescheduled_sensor_succeeds_later(airflow, portals):
    portal = portals["waiting"]
    before = portal.requests
    airflow.start("rescheduled")
    wait_for(lambda: portal.requests >= before + 2, 60, lambda: airflow.task_log("rescheduled"))
    portal.add_contact(500, NAME="Late")
    assert airflow.wait_until_ended("rescheduled") == "success", airflow.task_log("rescheduled")
