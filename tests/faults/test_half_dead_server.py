"""Servers that accept and never answer, break off, or answer what nobody expects: errors of ours, in time."""

import time
from functools import partial

import pytest

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24TransportError
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.replies import Outcome
from tests.faults.half_dead import HalfDeadServer
from tests.faults.portals import CODE

pytestmark = pytest.mark.airflow

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    from airflow_provider_b24.hooks import client

    monkeypatch.setenv("AIRFLOW__BITRIX24__RETRY_TIMEOUT", "0.01")
    monkeypatch.setattr(client, "Client", partial(Client, first_pause=0.01))


@pytest.fixture(scope="module")
def server():
    """One address for all tests: Airflow's masker keeps each that it is told, and looks for all of them."""
    with HalfDeadServer(says_nothing) as server:
        yield server


@pytest.fixture
def hook_at(server, hook_for):
    """A hook for a server that acts as the test says."""

    def start(act):
        server.act = act
        return hook_for(server.connection())

    return start


READS = {
    "fields": lambda hook: hook.get_contact_company_fields(),
    "get": lambda hook: hook.get_contact_companies(1),
    "set, checked": lambda hook: hook.set_contact_companies(1, [8], check_companies=True),
}
PATHS = {
    "set": lambda hook: hook.set_contact_companies(1, [8]),
    "add": lambda hook: hook.add_contact_company(1, 8),
    "delete": lambda hook: hook.delete_contact_company(1, 8),
    "clear": lambda hook: hook.clear_contact_companies(1),
    "call": lambda hook: hook.call("profile"),
    "batch": lambda hook: hook.batch([Call("profile"), Call("scope")]),
    "batch with halt": lambda hook: hook.batch([Call("profile"), Call("scope")], halt=True),
    "pages by id": lambda hook: list(hook.iterate("crm.item.list", {"entityTypeId": 3})),
    "pages by offset": lambda hook: list(hook.iterate("crm.item.list", {"order": {"id": "DESC"}})),
    "sync": lambda hook: hook.sync_contact_companies({1: [8], 2: [9]}, max_failures=2),
    "sync, unchecked": lambda hook: hook.sync_contact_companies(
        {1: [8], 2: [9]}, check_companies=False, max_failures=2
    ),
    "sync, replace": lambda hook: hook.sync_contact_companies(
        {1: [8], 2: [9]}, mode="replace", check_companies=False, max_failures=2
    ),
    "sync of an iterator": lambda hook: hook.sync_contact_companies(
        iter([{"contact_id": 1, "items": [8]}]), max_failures=2
    ),
    "test": lambda hook: hook.test_connection(),
}


def ends(work, hook):
    """Do some work; return what it returned, or the error of ours that it ended in."""
    try:
        return work(hook)
    except Bitrix24Error as error:
        return error


# Answers that never come, or never end


def says_nothing(conversation, method, commands):
    conversation.server.ended.wait(60)


def hangs_up(conversation, method, commands):
    conversation.hang_up()


def breaks_off(sent):
    def act(conversation, method, commands):
        conversation.wfile.write(sent)
        conversation.hang_up()

    return act


def drips(conversation, method, commands):
    conversation.wfile.write(HEAD)
    conversation.drip(b" " * 5000)


def answers(body):
    return lambda conversation, method, commands: conversation.answer(body)


BROKEN = {
    "says nothing": says_nothing,
    "a byte now and then": drips,
    "hangs up": hangs_up,
    "after the headers": breaks_off(HEAD),
    "in the body": breaks_off(HEAD + b'{"result": {"res'),
    "in the headers": breaks_off(HEAD[:40]),
    "without a length": breaks_off(b'HTTP/1.1 200 OK\r\n\r\n{"result": tr'),
    "after a 100": breaks_off(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "no HTTP": breaks_off(b"\x00\x01SSH-2.0\r\n\r\n"),
    "a wrong status": breaks_off(b"HTTP/1.1 999999 Odd\r\n\r\n{}"),
    "a wrong length": breaks_off(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}"),
    "500 headers": breaks_off(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500),
    "a broken chunk": breaks_off(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "broken gzip": breaks_off(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"),
    "half JSON": answers(b'{"result": {"result": ['),
    "nothing": answers(b""),
    "a page": answers(b"<!DOCTYPE html><title>Bitrix24</title>"),
    "no JSON object": answers(b"[]"),
}


@pytest.mark.parametrize("act", BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize(
    "path", ["get", "set", "add", "batch", "batch with halt", "sync", "pages by id", "test"]
)
def test_an_answer_that_never_comes_ends_in_an_error_of_ours(hook_at, act, path):
    started = time.monotonic()
    found = ends((READS | PATHS)[path], hook_at(act))
    assert time.monotonic() - started < 30  # read_timeout is 1 s
    if path.startswith("batch"):
        if path == "batch with halt":  # after a timeout less is sent, so the second may not have been
            assert [outcome.status for outcome in found] in (["unknown"] * 2, ["unknown", "skipped"])
        assert all(isinstance(outcome.error, Bitrix24TransportError) for outcome in found)
    elif path == "test":
        assert found[0] is False
    else:
        assert isinstance(found, Bitrix24TransportError)
        assert "canary" not in str(found)


# Answers that nobody expects


SHAPES = [
    None,
    True,
    False,
    0,
    5,
    "",
    "text",
    [],
    {},
    [None],
    [[]],
    [{"x": 1}],
    {"items": None},
    {"items": [{}]},
    {"items": ["x"]},
    {"a": [1], "b": [2]},
    {"result": None},
    [{"COMPANY_ID": "abc", "SORT": {}, "IS_PRIMARY": []}],
    [{"COMPANY_ID": None}] * 50,
]


def each_result(shape):
    """The answer to a call alone and to each command of a batch."""

    def act(conversation, method, commands):
        results = {str(index): shape for index in range(len(commands))}
        conversation.answer({"result": {"result": results} if method == "batch" else shape})

    return act


def the_result(shape):
    """The answer to whatever it is."""
    return lambda conversation, method, commands: conversation.answer({"result": shape})


def everything(shape):
    """All that surrounds the answers, too."""

    def act(conversation, method, commands):
        rest = {"result_error": shape, "result_time": shape, "result_next": shape, "result_total": shape}
        batch = {"result": [shape] * len(commands), **rest}
        body = batch if method == "batch" else shape
        conversation.answer({"result": body, "time": shape, "total": shape})

    return act


def next_page(shape):
    return lambda conversation, method, commands: conversation.answer({"result": [], "next": shape})


def lost_write(shape):
    """The answer to a write is lost, and what is read afterwards is odd."""

    def act(conversation, method, commands):
        if any(name.partition("?")[0].endswith((".add", ".delete")) for name in (method, *commands)):
            conversation.hang_up()
        each_result(shape)(conversation, method, commands)

    return act


@pytest.mark.parametrize("answer", [each_result, the_result, everything, lost_write])
@pytest.mark.parametrize("path", READS | PATHS)
def test_an_answer_of_any_shape_is_a_result_or_an_error_of_ours(hook_at, path, answer):
    for shape in SHAPES:
        found = ends((READS | PATHS)[path], hook_at(answer(shape)))
        if path.startswith("batch"):
            assert all(isinstance(outcome, Outcome) for outcome in found)
        if path == "test":
            assert isinstance(found[0], bool)


def told(found):
    """What a call tells about what went wrong."""
    if isinstance(found, dict) and "failures" in found:
        return str(found["failures"])
    if isinstance(found, list):
        return str([one.error for one in found if isinstance(one, Outcome)])
    return str(found) if isinstance(found, Bitrix24Error | tuple) else ""


@pytest.mark.parametrize("answer", [each_result, the_result, everything, next_page, lost_write])
@pytest.mark.parametrize("path", READS | PATHS)
def test_no_error_quotes_an_answer_that_quotes_the_request(hook_at, path, answer):
    for shape in (CODE, [CODE], {CODE: CODE}, {"items": [CODE]}, [{"ID": CODE}], [{"COMPANY_ID": CODE}]):
        assert CODE not in told(ends((READS | PATHS)[path], hook_at(answer(shape))))


@pytest.mark.parametrize("path", ["pages by id", "pages by offset"])
def test_a_list_whose_pages_never_end_or_lead_nowhere_ends(hook_at, path):
    for shape in (*SHAPES, -1, 0, 50, "50", 1e300):
        found = ends(PATHS[path], hook_at(next_page(shape)))
        assert found == [] or isinstance(found, Bitrix24Error)


@pytest.mark.parametrize("shape", [None, False, "", [], {}], ids=repr)
@pytest.mark.parametrize("mode", ["diff", "replace"])
def test_a_write_that_is_answered_with_nothing_does_not_count_as_written(hook_at, shape, mode):
    def act(conversation, method, commands):
        results = [[] if ".get" in command else shape for command in commands]
        conversation.answer({"result": {"result": results}})

    summary = hook_at(act).sync_contact_companies({1: [8]}, mode=mode, check_companies=False, max_failures=1)
    assert (summary["written"], summary["unknown"]) == (0, 1)
    assert "expected true, received" in summary["failures"][0]["description"]
