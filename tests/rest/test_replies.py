"""Whatever bytes an answer consists of, it becomes a reply, outcomes in input order, or an error of ours."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_b24.errors import (
    Bitrix24AccessDeniedError,
    Bitrix24ApiError,
    Bitrix24BadRequestError,
    Bitrix24Error,
    Bitrix24NotFoundError,
    Bitrix24RateLimitError,
    Bitrix24ServerError,
    Bitrix24TransportError,
)
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.replies import Outcome, RawReply, Reply, Timing, parse_batch, parse_reply

patiently = settings(deadline=None)  # other work on the machine is no failure

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=10,
)


def answer(status=200, **body):
    return parse_reply(RawReply(status, json.dumps(body).encode()), "crm.item.list")


# Single answers


def test_a_whole_answer():
    time = {"duration": 0.5, "operating": 3, "operating_reset_at": 1_800_000_000}
    assert answer(result=[1], total=120, next=50, time=time) == Reply(
        [1], 120, 50, Timing(0.5, 3.0, 1_800_000_000.0)
    )


@pytest.mark.parametrize("result", [None, False, 0, "", [], {}, "text", [1], {"items": []}], ids=repr)
def test_a_result_is_a_result_whatever_it_is(result):
    assert answer(result=result) == Reply(result)


@pytest.mark.parametrize("before", ["", "\ufeff", " \n", ".", "<br />\n<b>Notice</b>: Undefined index {x}\n"])
def test_what_stands_before_the_json_is_passed_over(before):
    """Byte order marks and PHP's notices."""
    body = before + '{"result": {"ID": "1"}, "time": {}}'
    assert parse_reply(RawReply(200, body.encode()), "profile") == Reply({"ID": "1"})


@pytest.mark.parametrize("error", [None, "", [], {}, False, 0], ids=repr)
def test_an_empty_error_is_an_error(error):
    with pytest.raises(Bitrix24BadRequestError) as caught:
        answer(error=error, error_description="The parameter items must be array.", result=True)
    assert caught.value.description == "The parameter items must be array."


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": "", "error_description": "Not found."}, Bitrix24NotFoundError),
        (400, {"error": "", "error_description": "Access denied."}, Bitrix24AccessDeniedError),
        (
            503,
            {"error": "QUERY_LIMIT_EXCEEDED", "error_description": "Too many requests"},
            Bitrix24RateLimitError,
        ),
        (500, {"error": "ERROR_CORE", "error_description": "SQL query error!"}, Bitrix24ServerError),
        (200, {"error": {"code": "NOT_FOUND", "message": "No such item"}}, Bitrix24NotFoundError),
        (200, {"error": ["odd"], "error_description": {"odd": 1}}, Bitrix24BadRequestError),
    ],
)
def test_an_error_becomes_a_class_by_code_status_and_text(status, body, kind):
    with pytest.raises(kind):
        answer(status, **body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"<html>maintenance</html>",
        b'{"result": tru',
        b"[]",
        b"null",
        b"true",
        b'"result"',
        b"{}",
        b'{"time": {}}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"result":' * 100_000,
        b'{"result": ' + b"9" * 5_000 + b"}",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_no_answer_of_the_portal_is_temporary(body):
    with pytest.raises(Bitrix24TransportError) as caught:
        parse_reply(RawReply(200, body), "profile")
    assert caught.value.temporary
    assert caught.value.sent


@pytest.mark.parametrize(
    ("status", "temporary"), [(400, False), (404, False), (403, False), (500, True), (502, True)]
)
def test_a_page_is_judged_by_its_status(status, temporary):
    with pytest.raises(Bitrix24Error) as caught:
        parse_reply(RawReply(status, b"<html>"), "profile")
    assert caught.value.temporary is temporary
    assert caught.value.http_status == status


def test_a_result_under_a_status_of_failure_is_not_believed():
    with pytest.raises(Bitrix24TransportError):
        answer(502, result=True)


@pytest.mark.parametrize(("given", "read"), [(50, 50), ("50", 50), (50.0, 50), (None, None)])
def test_the_start_of_the_next_page_is_a_number(given, read):
    assert answer(result=[], next=given).next == read


@pytest.mark.parametrize("given", ["abc", [], {}, True, "", "inf"], ids=repr)
def test_a_next_page_that_cannot_be_read_does_not_pass_for_the_last(given):
    with pytest.raises(Bitrix24ApiError, match="'next' must be a number"):
        answer(result=[], next=given)


@pytest.mark.parametrize(
    "odd", [None, "x", [], {}, True, "nan", "inf", -1, 1e400, 10**400], ids=lambda one: f"{one!r:.9}"
)
def test_odd_numbers_of_a_time_block_count_as_unknown_or_as_they_are(odd):
    body = json.dumps(
        {"result": 1, "time": dict.fromkeys(("duration", "operating", "operating_reset_at"), odd)}
    )
    time = parse_reply(RawReply(200, body.encode()), "profile").time
    assert time in (Timing(), Timing(-1.0, -1.0, -1.0))
    assert answer(result=1, time=odd if odd != 1e400 else None).time == Timing()


@patiently
@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()), st.integers(200, 599))
def test_any_bytes_are_a_reply_or_an_error_of_ours(body, status):
    with contextlib.suppress(Bitrix24Error):
        assert isinstance(parse_reply(RawReply(status, body), "profile"), Reply)


known = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("result", "error", "error_description", "total", "next", "time"), json_values),
)


@patiently
@given(known, st.sampled_from([200, 400, 401, 403, 404, 429, 500, 502, 503]))
def test_any_json_under_the_known_names_is_a_reply_or_an_error_of_ours(body, status):
    with contextlib.suppress(Bitrix24Error):
        assert isinstance(parse_reply(RawReply(status, json.dumps(body).encode()), "profile"), Reply)


# Batches

CALLS = [Call("profile"), Call("scope"), Call("app.info")]
DENIED = {"error": "", "error_description": "Access denied."}


def statuses(halt=False, **maps):
    return [outcome.status for outcome in parse_batch(Reply(maps), CALLS, halt)]


def test_maps_that_came_as_lists_are_read_by_position():
    assert statuses(result=[1, 2, 3], result_error=[]) == ["success"] * 3
    assert statuses(result={"0": 1, "2": 3}, result_error={"1": DENIED}) == ["success", "failure", "success"]
    assert statuses(result=[1, 2], result_error={"2": DENIED}) == ["success", "success", "failure"]
    assert statuses(result=[], result_error=[DENIED] * 3) == ["failure"] * 3


@pytest.mark.parametrize("value", [None, False, [], {}, 0, ""], ids=repr)
def test_a_command_that_answers_with_nothing_has_answered(value):
    assert statuses(result=[value] * 3, result_error=[]) == ["success"] * 3


def test_a_command_that_is_left_out_was_skipped_after_a_halt_and_is_unknown_otherwise():
    maps = {"result": [1], "result_error": {"1": DENIED}}
    assert statuses(halt=True, **maps) == ["success", "failure", "skipped"]
    assert statuses(**maps) == ["success", "failure", "unknown"]


def test_a_failure_wins_over_a_result():
    assert statuses(result=[1, 2, 3], result_error={"0": DENIED}) == ["failure", "success", "success"]


@pytest.mark.parametrize("result", [None, [], {}, "text", 8, True, {"result_error": []}], ids=repr)
def test_an_answer_without_results_is_no_answer_to_a_batch(result):
    with pytest.raises(Bitrix24TransportError, match="contains no results"):
        parse_batch(Reply(result), CALLS)


maps = st.fixed_dictionaries(
    {"result": json_values},
    optional={
        name: json_values | st.dictionaries(st.sampled_from("0123"), json_values)
        for name in ("result_error", "result_time", "result_total", "result_next")
    },
)


@patiently
@given(maps, st.booleans())
def test_any_answer_to_a_batch_is_one_outcome_for_each_command(result, halt):
    outcomes = parse_batch(Reply(result), CALLS, halt)
    assert [outcome.call for outcome in outcomes] == CALLS
    for outcome in outcomes:
        assert isinstance(outcome, Outcome)
        assert (outcome.error is None) == outcome.ok
