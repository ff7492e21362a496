"""Rows of the offline queue: where they hold the record's id, and what is no row."""

import pytest

from airflow_provider_b24.crm.events import OfflineEvent, parse_events, parse_reserved, record_id
from airflow_provider_b24.errors import Bitrix24ApiError

ROW = {
    "ID": "7",
    "TIMESTAMP_X": "2026-11-29T10:00:00+03:00",
    "EVENT_NAME": "onCrmContactUpdate",
    "EVENT_DATA": {"FIELDS": {"ID": "82"}},
    "EVENT_ADDITIONAL": {"user_id": "5"},
    "MESSAGE_ID": "a" * 32,
}


def without(name):
    return {key: value for key, value in ROW.items() if key != name}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param({"FIELDS": {"ID": "82"}}, 82, id="most events"),
        pytest.param({"FIELDS": {"ID": 82, "ENTITY_TYPE_ID": 128}}, 82, id="smart processes"),
        pytest.param({"FIELDS_BEFORE": {"ID": 82}, "FIELDS_AFTER": {"ID": 82}}, 82, id="a task"),
        pytest.param({"FIELDS_BEFORE": "undefined", "FIELDS_AFTER": {"ID": 82}}, 82, id="a new task"),
        pytest.param({"FIELDS_BEFORE": {"ID": "82"}, "FIELDS_AFTER": "undefined"}, 82, id="a deleted task"),
        pytest.param({"ID": "82", "ACTIVE": True}, 82, id="a user"),
        pytest.param({"id": 82}, 82, id="in lower case"),
        pytest.param({"FIELDS": [], "ID": "82"}, 82, id="beside empty fields"),
        pytest.param({"CALL_ID": "externalCall.1"}, None, id="a call"),
        pytest.param({"FIELDS": {"ID": None}}, None, id="null"),
        pytest.param({"FIELDS": {"ID": "0"}}, None, id="zero"),
        pytest.param({"FIELDS": {"ID": "9" * 5000}}, None, id="digits without end"),
        pytest.param({"FIELDS": {"ID": {"a": 1}}}, None, id="an object"),
        pytest.param({"FIELDS": {"ID": True}}, None, id="a flag"),
        pytest.param({}, None, id="an empty object"),
        pytest.param([], None, id="a list"),
        pytest.param(False, None, id="false"),
        pytest.param(None, None, id="null data"),
        pytest.param("a:1:{", None, id="text"),
    ],
)
def test_the_records_id_is_found_wherever_an_event_holds_it(data, expected):
    assert record_id(data) == expected
    (event,) = parse_events([{**ROW, "EVENT_DATA": data}], "p")
    assert isinstance(event, OfflineEvent)
    assert (event.payload()["id"], event.payload()["data"]) == (expected, data)


@pytest.mark.parametrize("more", [False, None, [], "", {"user_id": "0"}, {"user_id": {}}, {"user_id": "x"}])
def test_who_changed_it_may_be_unknown(more):
    (event,) = parse_events([{**ROW, "EVENT_ADDITIONAL": more}], "p")
    assert event.user_id is None


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        pytest.param(None, "is not an event: None", id="null"),
        pytest.param([ROW], "is not an event", id="a list"),
        pytest.param(without("ID"), "row None of the queue is not an event: it has no ID", id="without id"),
        pytest.param({**ROW, "ID": "x"}, "row 'x' of the queue", id="another id"),
        pytest.param(without("EVENT_NAME"), "row '7' of the queue .* no EVENT_NAME", id="without name"),
        pytest.param({**ROW, "EVENT_NAME": []}, "no EVENT_NAME", id="another name"),
        pytest.param(without("MESSAGE_ID"), "no MESSAGE_ID", id="without key"),
    ],
)
def test_a_row_that_is_no_event_does_not_hold_back_the_others(row, reason):
    error, event = parse_events([row, ROW], "p")
    assert isinstance(error, Bitrix24ApiError)
    assert event.payload()["id"] == 82
    with pytest.raises(Bitrix24ApiError, match=reason):
        raise error


def test_an_event_that_nobody_reserved_cannot_be_cleared():
    (error,) = parse_events([ROW])
    assert "no PROCESS_ID" in str(error)


@pytest.mark.parametrize("events", [[], {}, None, False])
def test_no_events_in_any_shape(events):
    assert list(parse_reserved({"process_id": None, "events": events})) == []


def test_a_list_with_gaps_comes_as_a_map():
    (event,) = parse_reserved({"process_id": "p", "events": {"3": ROW}})
    assert (event.row_id, event.process_id, event.user_id) == ("7", "p", 5)


@pytest.mark.parametrize("result", [None, [], "x", {"process_id": "p"}, {"events": 7}])
def test_another_answer_is_an_error(result):
    with pytest.raises(Bitrix24ApiError, match=r"event\.offline\.get"):
        list(parse_reserved(result))
