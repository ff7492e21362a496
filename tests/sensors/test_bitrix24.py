"""The sensor over the imitation portal, in each of its modes."""

import time

import pytest

from airflow_provider_b24.sandbox import Fault
from airflow_provider_b24.sandbox.http.seed import DEMO_CODE

pytestmark = pytest.mark.airflow

DAG = """
    from datetime import datetime, timedelta
    from airflow.providers.common.compat.sdk import DAG
    from airflow_provider_b24.sensors.bitrix24 import Bitrix24Sensor

    with DAG(dag_id="waiting", schedule=None, start_date=datetime(2026, 1, 1)):
        Bitrix24Sensor(task_id="wait", retries=2, retry_delay=timedelta(minutes=5), {arguments})
"""
GET_82 = "method='crm.item.get', parameters={'entityTypeId': 3, 'id': 82}"
GET_500 = "method='crm.item.get', parameters={'entityTypeId': 3, 'id': 500}"
WAITS = pytest.mark.parametrize("mode", ["poke_interval=0.05", "poke_interval=0.05, deferrable=True"])


def dag(*arguments):
    return DAG.format(arguments=", ".join(arguments))


@pytest.fixture
def after_requests(portal):
    """Do something to the portal when so many requests have arrived."""

    def plan(count, action):
        def on_request(entry):
            if portal.requests == count:
                action()

        portal.on_request = on_request

    return plan


@pytest.fixture
def make_sensor(airflow_console, bitrix24_conn):
    from airflow_provider_b24.sensors.bitrix24 import Bitrix24Sensor

    return lambda **arguments: Bitrix24Sensor(task_id="wait", **arguments)


@WAITS
def test_it_waits_until_a_record_exists_and_returns_it(run_dag, portal, bitrix24_conn, after_requests, mode):
    after_requests(3, lambda: portal.add_contact(500, NAME="Late"))
    run = run_dag(dag(GET_500, mode))
    assert run.states["wait"] == "success"
    assert run.returned("wait")["item"]["name"] == "Late"
    assert portal.requests == 4
    assert "Not yet: " in run.log


def test_it_waits_until_a_condition_holds(run_dag, portal, bitrix24_conn, after_requests):
    after_requests(2, lambda: portal.bind(82, [(8, 10, True), (9, 20, False)]))
    run = run_dag(
        dag(
            "method='crm.contact.company.items.get', parameters={'id': '{{ 82 }}'}",
            'until=\'result | map(attribute="COMPANY_ID") | map("int") | sort == [8, {{ 9 }}]\'',
            "poke_interval=0.05",
        )
    )
    assert run.states["wait"] == "success"
    assert [row["COMPANY_ID"] for row in run.returned("wait")] == [8, 9]


@WAITS
def test_an_error_that_passes_does_not_fail_it(run_dag, portal, bitrix24_conn, mode):
    fault = portal.add_fault(Fault("html_503", times=3))
    run = run_dag(dag(GET_82, mode))
    assert (run.states["wait"], run.tries["wait"]) == ("success", 1)
    assert fault.fired == 3
    assert "No answer yet: " in run.log
    assert DEMO_CODE not in run.log


@WAITS
def test_another_error_fails_it_at_once(run_dag, portal, bitrix24_conn, mode):
    run = run_dag(dag("method='crm.no.such.get'", mode))
    assert (run.states["wait"], run.tries["wait"]) == ("failed", 1)
    assert "crm.no.such.get" in run.log


@WAITS
@pytest.mark.parametrize("option", ["soft_fail=True", "never_fail=True"])
def test_such_an_error_may_skip_the_task_instead(run_dag, portal, bitrix24_conn, mode, option):
    run = run_dag(dag("method='crm.no.such.get'", mode, option))
    assert run.states["wait"] == "skipped"


@pytest.mark.parametrize(("option", "state"), [("", "failed"), ("soft_fail=True", "skipped")])
def test_it_times_out(run_dag, portal, bitrix24_conn, option, state):
    run = run_dag(dag(GET_500, "poke_interval=0.05, timeout=0.3", option))
    assert run.states["wait"] == state
    assert 1 <= portal.requests <= 8


def test_a_portal_that_is_down_does_not_keep_it_from_timing_out(run_dag, server, monkeypatch):
    connection = server.connection_json()
    server.stop()
    monkeypatch.setenv("AIRFLOW_CONN_BITRIX24_DEFAULT", connection)
    started = time.monotonic()
    run = run_dag(dag(GET_82, "poke_interval=0.05, timeout=1"))
    assert run.states["wait"] == "failed"
    assert "timed out" in run.log
    assert time.monotonic() - started < 30  # a hook would repeat the call for two minutes


def test_in_reschedule_mode_it_leaves_its_slot_between_two_calls(make_sensor, mocker):
    from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS, AIRFLOW_V_3_3_PLUS

    if not AIRFLOW_V_3_0_PLUS:
        pytest.skip("a sensor of Airflow 2 reads its first start from the database")
    if AIRFLOW_V_3_3_PLUS:
        from airflow.sdk.exceptions import AirflowRescheduleException
    else:
        from airflow.exceptions import AirflowRescheduleException

    ti = mocker.Mock(spec=["get_first_reschedule_date"])
    ti.get_first_reschedule_date.return_value = None
    sensor = make_sensor(
        method="crm.item.get", parameters={"entityTypeId": 3, "id": 500}, mode="reschedule", poke_interval=60
    )
    with pytest.raises(AirflowRescheduleException):
        sensor.execute({"ti": ti})


@pytest.mark.parametrize("until", [None, "", "None"])
def test_a_condition_that_is_rendered_to_nothing_is_none(make_sensor, until):
    get = {"method": "crm.item.get", "parameters": "{'entityTypeId': 3, 'id': 82}"}
    assert make_sensor(**get, until=until).poke({}).is_done


def test_a_deferrable_one_hands_plain_values_to_the_triggerer(make_sensor):
    import datetime

    from airflow.providers.common.compat.sdk import TaskDeferred

    filters = {">createdTime": datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)}
    sensor = make_sensor(
        method="crm.item.list",
        parameters={"entityTypeId": 3, "filter": filters},
        until="total > 0",
        poke_interval=60,
        timeout=600,
        deferrable=True,
    )
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute({})
    path, arguments = deferred.value.trigger.serialize()
    assert path == "airflow_provider_b24.triggers.sensor.Bitrix24SensorTrigger"
    assert arguments == {
        "method": "crm.item.list",
        "parameters": {"entityTypeId": 3, "filter": {">createdTime": "2030-01-01T00:00:00+00:00"}},
        "until": "total > 0",
        "poke_interval": 60,
        "bitrix24_conn_id": "bitrix24_default",
    }
    assert deferred.value.timeout == datetime.timedelta(seconds=600)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"status": "error", "message": "no permission"}, "no permission"),
        (None, "unknown event: None"),
        ({"status": "running"}, "unknown event"),
        ("success", "unknown event"),
        ({"status": "error"}, "unknown event"),
    ],
)
def test_an_event_that_is_no_success_fails_the_task(make_sensor, event, reason):
    from airflow.providers.common.compat.sdk import AirflowFailException

    with pytest.raises(AirflowFailException, match=reason):
        make_sensor(method="profile").execute_complete({}, event)


def test_the_event_s_result_is_returned(make_sensor):
    event = {"status": "success", "result": {"ID": "1"}}
    assert make_sensor(method="profile").execute_complete({}, event) == {"ID": "1"}
