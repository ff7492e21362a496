import asyncio
import threading

import pytest

from airflow_provider_b24.sandbox import Fault

pytestmark = pytest.mark.airflow


@pytest.fixture
def make_trigger(airflow_console, bitrix24_conn):
    from airflow_provider_b24.triggers.sensor import Bitrix24SensorTrigger

    def make(method="crm.item.get", until=None, conn_id=bitrix24_conn):
        return Bitrix24SensorTrigger(method, {"entityTypeId": 3, "id": 82}, until, 0.01, conn_id)

    return make


def events(trigger):
    async def collect():
        return [event.payload async for event in trigger.run()]

    return asyncio.run(collect())


def test_it_fires_once_with_the_result(make_trigger):
    (event,) = events(make_trigger())
    assert event["status"] == "success"
    assert event["result"]["item"]["id"] == 82


def test_it_can_be_made_again_from_what_it_serializes(make_trigger):
    trigger = make_trigger(until="total > 1")
    _, arguments = trigger.serialize()
    assert type(trigger)(**arguments).serialize() == trigger.serialize()


def test_it_goes_on_after_errors_that_pass(make_trigger, portal):
    portal.add_fault(Fault("html_502", times=2))
    portal.add_fault(Fault("time_limit", times=1))
    (event,) = events(make_trigger())
    assert event["status"] == "success"
    assert portal.requests >= 3


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"method": "crm.no.such.get"}, "crm.no.such.get"),
        ({"until": "result.nothing"}, "has no attribute 'nothing'"),
        ({"conn_id": "nowhere"}, "nowhere"),
    ],
)
def test_an_error_that_does_not_pass_is_its_event(make_trigger, arguments, reason):
    (event,) = events(make_trigger(**arguments))
    assert event["status"] == "error"
    assert reason in event["message"]


def test_many_of_them_share_the_event_loop(make_trigger, portal):
    """The portal answers two of them at once, or none."""
    two = threading.Barrier(2)
    portal.on_request = lambda entry: two.wait(20)

    async def run_all():
        async def first(trigger):
            return [event async for event in trigger.run()]

        return await asyncio.gather(*(first(make_trigger()) for _ in range(10)))

    assert len(asyncio.run(run_all())) == 10
    assert not two.broken
