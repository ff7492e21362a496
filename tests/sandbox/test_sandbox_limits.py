"""The bucket, the operating budget and the time block, with a clock that stands still."""

from __future__ import annotations

import json
import threading

import pytest

from airflow_provider_b24.sandbox import Bucket, Operating
from airflow_provider_b24.sandbox.http.seed import DEMO_CODE

SET = "crm.contact.company.items.set"
GET = "crm.contact.company.items.get"
REFUSED = (503, "QUERY_LIMIT_EXCEEDED", "Too many requests")
BLOCKED = "Method is blocked due to operation time limit."


def test_fifty_requests_fit_and_two_more_a_second(portal, rest, clock):
    portal.bucket = Bucket()
    for _ in range(50):
        rest.result("profile")
    assert rest.error("profile") == REFUSED
    clock.sleep(1)
    rest.result("profile")
    rest.result("profile")
    assert rest.error("profile") == REFUSED
    assert (portal.requests, portal.refused) == (54, 2)


def test_a_refused_request_has_no_effect_and_comes_before_authorization(portal, rest):
    portal.bucket = Bucket(capacity=0)
    assert rest.error(SET, {"id": 82, "items": []}) == REFUSED
    rest.code = "wrong"
    assert rest.error("no.such") == REFUSED
    assert portal.bindings(82)


def test_a_batch_counts_as_one_request(portal, rest):
    portal.bucket = Bucket(capacity=2)
    rest.batch({f"k{i}": "scope" for i in range(50)})
    rest.batch({"a": "scope"})
    assert rest.error("scope") == REFUSED


def test_a_bucket_may_start_full_and_charge_refusals(portal, rest, clock):
    portal.bucket = Bucket(level=50, charge_refusals=True)
    assert rest.error("scope") == REFUSED
    clock.sleep(0.4)
    assert rest.error("scope") == REFUSED
    clock.sleep(0.4)
    assert rest.error("scope") == REFUSED
    clock.sleep(0.5)
    rest.result("scope")


def test_each_source_has_a_bucket_of_its_own(portal, rest):
    portal.bucket = Bucket(capacity=1)
    assert rest("scope", source="10.0.0.1")[0] == 200
    assert rest("scope", source="10.0.0.1")[0] == 503
    assert rest("scope", source="10.0.0.2")[0] == 200


def test_a_faster_portal_drains_faster(portal, rest, clock):
    portal.bucket = Bucket(capacity=1)
    portal.speed = 10
    rest.result("scope")
    clock.sleep(0.05)
    rest.result("scope")
    assert rest.error("scope") == REFUSED


def test_the_bucket_is_exact_under_parallel_requests(portal, rest):
    portal.bucket = Bucket(capacity=30)
    answers: list[int] = []

    def call() -> None:
        answers.extend(rest("scope")[0] for _ in range(10))

    threads = [threading.Thread(target=call) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (answers.count(200), answers.count(503)) == (30, 30)


def test_a_method_over_its_budget_is_blocked_and_others_go_on(portal, rest, clock):
    portal.operating = Operating(limit=3, window=20, cost={SET: 1.0})
    for _ in range(4):
        rest.result(SET, {"id": 82, "items": []})
    assert rest.error(SET, {"id": 82, "items": []}) == (429, "OPERATION_TIME_LIMIT", BLOCKED)
    assert rest.result(GET, {"id": 82}) == []
    clock.sleep(20)
    rest.result(SET, {"id": 82, "items": []})


def test_operating_and_its_reset_are_told_with_every_answer(portal, rest, clock):
    """b24jssdk issue 459: the reset is the first call of the window + 600 s."""
    portal.operating = Operating(cost={SET: 1.5})
    clock.sleep(37)
    first = rest(SET, {"id": 82, "items": []})[1]["time"]
    clock.sleep(60)
    second = rest(SET, {"id": 82, "items": []})[1]["time"]
    assert (first["operating"], second["operating"]) == (1.5, 3.0)
    assert first["operating_reset_at"] == second["operating_reset_at"]
    assert isinstance(first["operating_reset_at"], int)
    assert first["operating_reset_at"] == clock.now - 60 + 600


def test_only_the_oldest_part_frees_at_the_reset(portal, rest, clock):
    portal.operating = Operating(limit=10, window=600, cost={SET: 4.0})
    for _ in range(3):
        time = rest(SET, {"id": 82, "items": []})[1]["time"]
        clock.sleep(60)
    assert rest.error(SET, {"id": 82, "items": []})[0] == 429
    clock.now = time["operating_reset_at"] - 1
    assert rest.error(SET, {"id": 82, "items": []})[0] == 429
    clock.now = time["operating_reset_at"]
    assert rest(SET, {"id": 82, "items": []})[1]["time"]["operating"] == 12.0


def test_inside_a_batch_commands_are_billed_and_refused_one_by_one(portal, rest):
    portal.operating = Operating(limit=2, cost={SET: 1.0})
    status, body = rest("batch", {"cmd": {f"k{i}": f"{SET}?id=82&items[0][COMPANY_ID]=8" for i in range(5)}})
    maps = body["result"]
    assert list(maps["result"]) == ["k0", "k1", "k2"]
    assert maps["result_error"]["k3"] == {"error": "OPERATION_TIME_LIMIT", "error_description": BLOCKED}
    assert [time["operating"] for time in maps["result_time"].values()] == [1.0, 2.0, 3.0]
    assert (status, body["time"]["operating"]) == (200, 0)


def test_a_portal_may_bill_everything_to_the_batch(portal, rest):
    """b24jssdk pull request 539: inner results carry the batch's sum, direct counters do not move."""
    portal.operating = Operating(limit=2, cost={SET: 1.0}, bill_batch=True)
    cmd = {f"k{i}": f"{SET}?id=82&items[0][COMPANY_ID]=8" for i in range(3)}
    body = rest("batch", {"cmd": cmd})[1]
    assert [time["operating"] for time in body["result"]["result_time"].values()] == [1.0, 2.0, 3.0]
    assert body["time"]["operating"] == 3.0
    assert rest.error("batch", {"cmd": cmd}) == (429, "OPERATION_TIME_LIMIT", BLOCKED)
    assert rest(SET, {"id": 82, "items": []})[1]["time"]["operating"] == 1.0


def test_short_calls_cost_nothing_alone_but_add_up_in_a_batch(portal, rest):
    portal.operating = Operating(default_cost=0.05)
    for _ in range(5):
        assert rest("scope")[1]["time"]["operating"] == 0
    times = rest.batch({f"k{i}": "scope" for i in range(50)})["result_time"]
    assert times["k1"]["operating"] == 0
    assert times["k49"]["operating"] == pytest.approx(2.5)


def test_each_webhook_has_a_budget_of_its_own(portal, rest, as_user):
    portal.operating = Operating(limit=0, cost={SET: 1.0})
    other = as_user()
    rest.result(SET, {"id": 82, "items": []})
    assert rest.error(SET, {"id": 82, "items": []})[0] == 429
    other.result(SET, {"id": 82, "items": []})


def test_the_budget_comes_after_authorization_and_scope(portal, rest):
    portal.operating = Operating(limit=-1)
    assert rest.error("scope")[0] == 429
    rest.code = "wrong"
    assert rest.error("scope")[0] == 401


def test_a_faster_portal_has_a_shorter_window(portal, rest, clock):
    portal.operating = Operating(limit=0, window=600, cost={SET: 1.0})
    portal.speed = 60
    time = rest(SET, {"id": 82, "items": []})[1]["time"]
    assert 9 <= time["operating_reset_at"] - clock.now <= 10
    clock.now = time["operating_reset_at"]
    rest.result(SET, {"id": 82, "items": []})


def test_the_time_block_has_numbers_and_dates_with_offset(portal, rest):
    portal.latency, portal.command_latency = 0.25, 0.0625
    time = rest("scope")[1]["time"]
    assert list(time) == [
        "start",
        "finish",
        "duration",
        "processing",
        "date_start",
        "date_finish",
        "operating_reset_at",
        "operating",
    ]
    assert isinstance(time["start"], float)
    assert (time["operating"], time["operating_reset_at"]) == (0, int(time["finish"]) + 1)
    assert time["duration"] == 0.0625
    assert time["date_start"] == "2027-01-15T08:00:00+00:00"


def test_latency_is_slept_per_request_and_per_command(portal, rest, clock):
    portal.latency, portal.command_latency = 1.0, 0.25
    before = clock.now
    body = rest("batch", {"cmd": {"a": "scope", "b": "scope"}})[1]
    assert clock.now - before == 1.5
    assert body["time"]["duration"] == 0.5
    assert body["result"]["result_time"]["a"]["duration"] == 0.25
    assert body["result"]["result_time"]["a"]["operating"] == 0.25


def test_sleeping_does_not_keep_others_out(portal):
    asleep, released = threading.Event(), threading.Event()

    def sleep(seconds: float) -> None:
        asleep.set()
        released.wait(5)

    portal.sleep = sleep
    portal.command_latency = 1
    path = f"/rest/1/{DEMO_CODE}/scope"
    slow = threading.Thread(target=portal.handle, args=("POST", path, {}, b""))
    slow.start()
    assert asleep.wait(5)
    portal.command_latency = 0
    assert json.loads(portal.handle("POST", path, {}, b"").body)["result"]
    released.set()
    slow.join()
