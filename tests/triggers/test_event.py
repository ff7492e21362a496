"""Offline events: reserved, handed over, and cleared only then."""

import asyncio
import logging

import pytest

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.sandbox import Fault

pytestmark = pytest.mark.airflow

CHANGED, DELETED = "ONCRMCONTACTUPDATE", "ONCRMCONTACTDELETE"


@pytest.fixture
def make_poll(app_conn):
    """A new process's memory of events; nothing is waited for."""
    from airflow_provider_b24.triggers.event import EventPoll

    return lambda: EventPoll(app_conn, logging.getLogger("test"))


def next_events(poll, *names):
    return asyncio.run(poll.next_events(names or (CHANGED,)))


def change(portal, contact, name=CHANGED):
    portal.events.push(name, {"FIELDS": {"ID": str(contact)}}, user_id=5)


def test_a_change_is_handed_over_once_and_stays_in_the_queue_until_it_is_cleared(make_poll, portal):
    poll = make_poll()
    change(portal, 82)
    (event,) = next_events(poll)
    payload = event.payload()
    assert (payload["event"], payload["id"], payload["user_id"]) == (CHANGED, 82, 5)
    assert next_events(poll) == []
    assert len(portal.events.all()) == 1
    asyncio.run(poll.clear([event]))
    assert portal.events.all() == []


def test_a_process_that_was_killed_leaves_nothing_behind(make_poll, portal):
    for contact in (82, 83, 84):
        change(portal, contact)
    poll = make_poll()
    first = next_events(poll)
    asyncio.run(poll.clear(first[:1]))
    change(portal, 85)
    again = next_events(make_poll())
    assert [event.payload()["id"] for event in again] == [83, 84, 85]
    assert [event.key for event in again[:2]] == [event.key for event in first[1:]]


def test_an_event_that_was_reserved_by_a_request_that_failed_is_handed_over(make_poll, portal):
    """A repetition of the request would answer without it."""
    poll = make_poll()
    change(portal, 82)
    portal.add_fault(Fault("server_error", on=1, method="event.offline.get", per_command=True, after=True))
    assert next_events(poll) == []
    assert [event.payload()["id"] for event in next_events(poll)] == [82]


def test_a_change_while_its_event_is_reserved_is_another_event(make_poll, portal):
    poll = make_poll()
    change(portal, 82)
    (first,) = next_events(poll)
    change(portal, 82)
    (second,) = next_events(poll)
    assert first.key != second.key
    asyncio.run(poll.clear([first]))
    assert [event.key for event in next_events(make_poll())] == [second.key]


def test_more_events_than_one_request_reserves_come_in_order(make_poll, portal):
    for contact in range(1, 121):
        change(portal, contact)
    poll = make_poll()
    found = [event.payload()["id"] for _ in range(4) for event in next_events(poll)]
    assert found == list(range(1, 121))


def test_events_without_data_or_fields_have_no_id(make_poll, portal):
    for data in (False, {"CALL_ID": "x"}, {"FIELDS_AFTER": {"ID": 9}}, {"ID": "10"}):
        portal.events.push(CHANGED, data)
    assert [event.payload()["id"] for event in next_events(make_poll())] == [None, None, 9, 10]


def test_a_row_that_cannot_be_read_does_not_hold_back_the_others(make_poll, portal, caplog):
    change(portal, 82)
    change(portal, 83)
    first, _ = portal.events.all()
    first.message_id = ""
    poll = make_poll()
    assert [event.payload()["id"] for event in next_events(poll)] == [83]
    assert "An event is left out" in caplog.text
    assert "no MESSAGE_ID" in caplog.text


def test_an_unexpected_error_does_not_end_the_watcher(make_poll, portal, monkeypatch, caplog):
    poll = make_poll()
    change(portal, 82)
    monkeypatch.setattr(poll._queue, "reserved", lambda names: {}["nothing"])
    assert [next_events(poll), next_events(poll)] == [[], []]
    assert caplog.text.count("unexpected KeyError: 'nothing' (") == 1
    monkeypatch.undo()


def test_only_events_that_are_wanted_are_reserved(make_poll, portal):
    change(portal, 82, DELETED)
    assert next_events(make_poll()) == []
    assert [row.process_id for row in portal.events.all()] == [""]
    assert [event.name for event in next_events(make_poll(), CHANGED, DELETED)] == [DELETED]


@pytest.mark.parametrize("after", [False, True], ids=["before the effect", "after it"])
@pytest.mark.parametrize("kind", ["reset", "html_502", "truncated", "query_limit"])
def test_a_lost_answer_loses_and_doubles_nothing(make_poll, portal, kind, after):
    poll = make_poll()
    change(portal, 82)
    assert len(next_events(poll)) == 1
    change(portal, 83)
    portal.add_fault(Fault(kind, times=99, method="event.offline.get", after=after))
    assert next_events(poll) == []
    portal.faults.clear()
    assert [event.payload()["id"] for event in next_events(poll)] == [83]
    assert next_events(poll) == []
    asyncio.run(poll.clear(poll.handed_over_before(float("inf"))))
    assert portal.events.all() == []


def test_an_event_that_could_not_be_cleared_is_cleared_later(make_poll, portal):
    poll = make_poll()
    change(portal, 82)
    (event,) = next_events(poll)
    portal.add_fault(Fault("html_502", times=99))
    asyncio.run(poll.clear([event]))
    assert poll.holds(event)
    portal.faults.clear()
    assert next_events(poll) == []
    asyncio.run(poll.clear([event]))
    assert portal.events.all() == []


@pytest.mark.parametrize(
    ("refuse", "reason"),
    [
        (lambda portal: setattr(portal.state.users[1], "admin", False), "ACCESS_DENIED"),
        (lambda portal: setattr(portal, "offline_extended", False), "extended offline events handling"),
    ],
    ids=["no administrator", "the plan"],
)
def test_a_refusal_is_said_once_with_what_is_needed(make_poll, portal, caplog, refuse, reason):
    refuse(portal)
    poll = make_poll()
    assert [next_events(poll) for _ in range(3)] == [[], [], []]
    (record,) = [record for record in caplog.records if "cannot be fetched" in record.message]
    assert reason in record.message
    assert "OAuth as an administrator" in record.message


def test_a_webhook_is_refused_with_what_is_needed(bitrix24_conn, airflow_console, caplog):
    from airflow_provider_b24.triggers.event import EventPoll

    assert next_events(EventPoll(bitrix24_conn, logging.getLogger("test"))) == []
    assert "WRONG_AUTH_TYPE" in caplog.text
    assert "OAuth as an administrator" in caplog.text


@pytest.mark.parametrize("events", [[], "onCrmContactUpdate", ["nothing"], [82], None])
def test_what_is_not_a_list_of_events_is_refused(events, airflow_console):
    from airflow_provider_b24.triggers.event import Bitrix24EventTrigger

    with pytest.raises(Bitrix24InputError, match="event"):
        Bitrix24EventTrigger(events)


def test_it_can_be_made_again_from_what_it_serializes(airflow_console):
    from airflow_provider_b24.triggers.event import Bitrix24EventTrigger

    trigger = Bitrix24EventTrigger(["onCrmContactUpdate", "onCrmContactADD"], "app")
    assert trigger.events == ["ONCRMCONTACTADD", CHANGED]
    _, arguments = trigger.serialize()
    assert type(trigger)(**arguments).serialize() == trigger.serialize()


def test_alone_it_fires_for_each_event(app_conn, portal):
    from airflow_provider_b24.triggers.event import Bitrix24EventTrigger

    change(portal, 82)
    change(portal, 83)

    async def first_two():
        events = Bitrix24EventTrigger(["onCrmContactUpdate"], app_conn, 0.01).run()
        return [(await anext(events)).payload["id"] for _ in range(2)]

    assert asyncio.run(first_two()) == [82, 83]
