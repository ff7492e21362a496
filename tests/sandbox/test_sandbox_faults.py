"""Each fault over a real socket, before and after the effect."""

from __future__ import annotations

import http.client
import json
import time
from contextlib import closing

import pytest

from airflow_provider_b24.sandbox import Fault, Portal, PortalServer, seeded_portal
from airflow_provider_b24.sandbox.http.seed import DEMO_CODE

SET = "crm.contact.company.items.set"


@pytest.fixture
def live():
    with PortalServer(seeded_portal()) as server:
        yield server


def post(server: PortalServer, method: str, params: object, timeout: float = 5) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
    try:
        path = f"/rest/1/{DEMO_CODE}/{method}"
        connection.request("POST", path, json.dumps(params), {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def write(server: PortalServer, timeout: float = 5) -> tuple[int, bytes]:
    return post(server, SET, {"id": 82, "items": [{"COMPANY_ID": 8, "SORT": 10}]}, timeout)


def written(portal: Portal) -> bool:
    return portal.bindings(82)[0]["COMPANY_ID"] == 8


@pytest.mark.parametrize("after", [False, True])
def test_a_reset_is_a_real_reset(live, after):
    live.portal.add_fault(Fault("reset", on=1, after=after))
    with pytest.raises(ConnectionResetError):
        write(live)
    assert written(live.portal) is after
    assert write(live)[0] == 200
    assert [entry.fault for entry in live.portal.journal] == ["reset", None]


@pytest.mark.parametrize("after", [False, True])
def test_a_hang_ends_without_an_answer(live, after):
    live.portal.add_fault(Fault("hang", on=1, after=after, seconds=30))
    with pytest.raises(TimeoutError):
        write(live, timeout=0.2)
    assert written(live.portal) is after


def test_a_hang_that_ends_closes_the_connection(live):
    live.portal.add_fault(Fault("hang", on=1, seconds=0.05))
    with pytest.raises(http.client.RemoteDisconnected):
        write(live)


@pytest.mark.parametrize("after", [False, True])
def test_a_truncated_body_promises_more_than_it_sends(live, after):
    live.portal.add_fault(Fault("truncated", on=1, after=after))
    with pytest.raises(http.client.IncompleteRead):
        write(live)
    assert written(live.portal) is after


@pytest.mark.parametrize("status", [403, 413, 500, 502, 503, 504])
@pytest.mark.parametrize("after", [False, True])
def test_machines_before_the_portal_answer_in_html(live, status, after):
    live.portal.add_fault(Fault(f"html_{status}", on=1, after=after))
    code, body = write(live)
    assert code == status
    assert body.startswith(b"<html>")
    assert written(live.portal) is after


@pytest.mark.parametrize("after", [False, True])
def test_a_reply_may_be_empty(live, after):
    live.portal.add_fault(Fault("empty", on=1, after=after))
    assert write(live) == (200, b"")
    assert written(live.portal) is after


def test_a_real_reply_may_be_labeled_as_html(live):
    live.portal.add_fault(Fault("wrong_type", on=1))
    with closing(http.client.HTTPConnection("127.0.0.1", live.port, timeout=5)) as connection:
        connection.request("POST", f"/rest/1/{DEMO_CODE}/profile")
        response = connection.getresponse()
        assert response.getheader("Content-Type") == "text/html"
        assert json.loads(response.read())["result"]["ID"] == "1"
    assert [entry.fault for entry in live.portal.journal] == ["wrong_type"]


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [
        ("query_limit", 503, "QUERY_LIMIT_EXCEEDED"),
        ("time_limit", 429, "OPERATION_TIME_LIMIT"),
        ("expired_token", 401, "expired_token"),
        ("server_error", 500, "INTERNAL_SERVER_ERROR"),
    ],
)
@pytest.mark.parametrize("after", [False, True])
def test_json_faults_look_like_the_portals_own(live, kind, status, error, after):
    live.portal.add_fault(Fault(kind, on=1, after=after))
    code, body = write(live)
    assert (code, json.loads(body)["error"]) == (status, error)
    assert written(live.portal) is after
    assert live.portal.journal[0].error == error


def test_a_redirect_names_its_location(live):
    live.portal.add_fault(Fault("redirect", on=1, location="https://foreign.example/rest/"))
    connection = http.client.HTTPConnection("127.0.0.1", live.port)
    connection.request("POST", f"/rest/1/{DEMO_CODE}/profile")
    response = connection.getresponse()
    assert (response.status, response.getheader("Location")) == (302, "https://foreign.example/rest/")
    connection.close()


def test_a_page_may_come_with_status_200(live):
    live.portal.add_fault(Fault("not_json", on=1))
    status, body = write(live)
    assert status == 200
    assert body.startswith(b"<!DOCTYPE")


def test_a_slow_body_arrives_whole_in_the_end(live):
    live.portal.add_fault(Fault("slow_body", on=1, seconds=0.2))
    started = time.monotonic()
    _status, body = write(live)
    assert json.loads(body)["result"] is True
    assert time.monotonic() - started > 0.15
    assert written(live.portal)


def test_every_and_times_and_method_choose_the_requests(live):
    fault = live.portal.add_fault(Fault("html_502", every=2, times=2, method=SET))
    codes = [write(live)[0] for _ in range(6)]
    assert codes == [200, 502, 200, 502, 200, 200]
    assert post(live, "profile", {})[0] == 200
    assert (fault.seen, fault.fired) == (6, 2)


def test_a_method_is_found_inside_a_batch_too(live):
    live.portal.add_fault(Fault("html_502", method=SET))
    assert post(live, "batch", {"cmd": {"a": "profile"}})[0] == 200
    assert post(live, "batch", {"cmd": {"a": "profile", "b": f"{SET}?id=82"}})[0] == 502


def test_single_commands_can_fail_inside_a_batch(live):
    live.portal.add_fault(Fault("time_limit", on=2, method=SET, per_command=True))
    cmd = dict.fromkeys("abc", f"{SET}?id=82&items[0][COMPANY_ID]=8")
    maps = json.loads(post(live, "batch", {"cmd": cmd})[1])["result"]
    assert list(maps["result"]) == ["a", "c"]
    assert maps["result_error"]["b"]["error"] == "OPERATION_TIME_LIMIT"


def test_without_a_socket_the_fault_is_told(portal):
    portal.add_fault(Fault("reset", on=1, after=True))
    response = portal.handle("POST", f"/rest/1/{DEMO_CODE}/crm.contact.company.items.delete?id=82", {}, b"")
    assert response.fault == "reset"
    assert portal.bindings(82) == []


def test_an_unknown_kind_is_refused_at_once():
    with pytest.raises(ValueError, match="use one of reset, hang"):
        Fault("earthquake")  # type: ignore[arg-type] # what a user might write
