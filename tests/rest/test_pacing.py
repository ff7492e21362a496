"""The two limits, kept from this side: never over them, never far below them, whatever the portal tells."""

import heapq
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_b24.crm.bindings import CompanyBinding
from airflow_provider_b24.crm.contact_company import set_companies
from airflow_provider_b24.rest.exchange import Exchange
from airflow_provider_b24.rest.limits.bucket import PLANS, Bucket, Level, MemoryStore, Plan
from airflow_provider_b24.rest.limits.operating import OPERATING_WINDOW, Ledger
from airflow_provider_b24.rest.pacing import wait_turn
from airflow_provider_b24.rest.replies import Timing
from airflow_provider_b24.rest.retry import RetryBudget
from airflow_provider_b24.sandbox import Bucket as PortalBucket
from airflow_provider_b24.sandbox import Operating, Portal
from tests.rest.conftest import CODE, FakeClock

SET = "crm.contact.company.items.set"
patiently = settings(deadline=None)  # other work on the machine is no failure

# The request bucket


plans = st.sampled_from([*PLANS.values(), Plan(3, 10), Plan(2, 0.5)])


@patiently
@given(plans, st.lists(st.floats(0, 40), max_size=120))
def test_requests_that_leave_when_they_may_are_never_refused(plan, pauses):
    clock = FakeClock()
    bucket, portal = Bucket(plan, MemoryStore(), clock), PortalBucket(*plan)
    for pause in [*pauses, *[0] * int(plan.capacity + 5)]:
        clock.sleep(pause)
        start, _ = bucket.reserve()
        clock.sleep(max(0.0, start - clock.now()))
        assert portal.admit("here", clock.now())


@patiently
@given(plans, st.integers(1, 300))
def test_many_requests_take_hardly_longer_than_the_plan_demands(plan, count):
    clock = FakeClock()
    bucket = Bucket(plan, MemoryStore(), clock)
    last = max(bucket.reserve()[0] for _ in range(min(count, int(plan.capacity) + 150)))
    theory = max(0, min(count, int(plan.capacity) + 150) - plan.capacity) / plan.drain
    assert last - clock.now() <= theory + 1.5 / plan.drain


@patiently
@given(plans, st.integers(0, 300))
def test_a_bucket_that_was_found_full_lets_one_request_pass_for_each_slot_that_drains(plan, level):
    clock = FakeClock()
    bucket, portal = Bucket(plan, MemoryStore(), clock), PortalBucket(*plan, level=plan.capacity)
    for _ in range(min(level, int(plan.capacity) - 1)):
        bucket.reserve()  # believed to be nearly empty
    assert not portal.admit("here", clock.now())
    bucket.refused()
    for _ in range(5):
        start, _ = bucket.reserve()
        clock.sleep(start - clock.now())
        assert portal.admit("here", clock.now())


def test_a_reservation_made_before_a_refusal_counts_no_more():
    clock = FakeClock()
    bucket = Bucket(PLANS["standard"], MemoryStore(), clock)
    start, refusals = bucket.reserve()
    assert start == clock.now()
    assert bucket.is_current(refusals)
    bucket.refused()
    assert not bucket.is_current(refusals)
    start, refusals = bucket.reserve()
    assert start > clock.now()
    assert bucket.is_current(refusals)


def test_looking_and_refusing_take_no_slot():
    store = MemoryStore(Level(5.0, 3))
    bucket = Bucket(PLANS["standard"], store, FakeClock(10.0))
    bucket.is_current(3)
    assert store.update(lambda level: (level, 0.0))[0] == Level(5.0, 3)
    bucket.refused()
    bucket.refused()
    assert store.update(lambda level: (level, 0.0))[0] == Level(35.0, 5)


# The operating ledger


class Work:
    """Calls of one method, some requests in flight, against the portal's own rules; time is simulated."""

    def __init__(self, cost: float, duration: float, parallel: int = 4, foreign: float = 0.0) -> None:
        self.clock = FakeClock()
        self.ledger = Ledger(self.clock)
        self.portal = Operating()
        self.cost, self.duration, self.parallel, self.foreign = cost, duration, parallel, foreign
        self.requests = self.refused = 0
        self.batches: list[int] = []
        self._random = random.Random(7)  # noqa: S311 - only jitter
        self._flights: list[tuple[float, int, int]] = []

    def carry_out(self, calls: int) -> float:
        """Carry out so many calls; return the seconds that it took."""
        started, left = self.clock.now(), calls
        while left or self._flights:
            while left and len(self._flights) < self.parallel and (size := min(left, self._room())):
                left -= size
                self._send(size)
            if self._flights:
                left += self._receive()
            else:
                self.clock.sleep(self.ledger.ready_at(SET) - self.clock.now())
        return self.clock.now() - started

    def _room(self) -> int:
        return 0 if self.ledger.ready_at(SET) > self.clock.now() else self.ledger.room(SET, 50)

    def _send(self, size: int) -> None:
        self.requests += 1
        self.batches.append(size)
        self.ledger.start(SET, size)
        seconds = 0.05 + size * self.duration * self._random.uniform(0.8, 1.2)
        heapq.heappush(self._flights, (self.clock.now() + seconds, self.requests, size))

    def _receive(self) -> int:
        """Let the next answer come, and return how many of its calls were refused."""
        moment, _, size = heapq.heappop(self._flights)
        self.clock.time = max(moment, self.clock.time)
        done = 0
        for _ in range(size):
            if not self.portal.is_blocked("us", SET, self.clock.now()):
                self.portal.bill("us", SET, self.cost, self.clock.now())
                done += 1
        self.portal.bill("us", SET, self.foreign, self.clock.now())
        if done:
            operating, reset_at = self.portal.standing("us", SET, self.clock.now())
            seconds = done * self.duration
            self.ledger.record(SET, Timing(seconds, operating, reset_at), calls=done, seconds=seconds)
        if done < size:
            self.ledger.refused(SET)
        self.ledger.end(SET, size)
        self.refused += size - done
        return size - done


@pytest.mark.parametrize(
    ("calls", "cost", "duration", "parallel"),
    [
        (2_000, 1.0, 0.01, 4),
        (2_000, 1.0, 0.25, 4),
        (2_000, 1.0, 1.0, 4),
        (5_000, 0.3, 0.3, 4),
        (20_000, 0.1, 0.05, 4),
        (2_000, 1.0, 0.05, 1),
        (2_000, 1.0, 0.5, 16),
    ],
)
def test_several_windows_are_used_to_the_full_with_few_refusals(calls, cost, duration, parallel):
    work = Work(cost, duration, parallel)
    seconds = work.carry_out(calls)
    theory = (math.ceil(calls * cost / 480) - 1) * 600 + calls * duration / parallel
    assert seconds <= 1.1 * theory + 10
    refused_requests = work.refused / max(work.batches)
    assert refused_requests <= 5 * parallel  # at most about one wave of requests for each window


def test_a_budget_that_others_use_too_is_not_overdrawn():
    work = Work(1.0, 0.25, foreign=20.0)
    work.carry_out(2_000)
    assert work.refused <= 200


@pytest.mark.parametrize("seconds", [0.2, 0.7, 1.0, 3.0, 29.0, 31.0, 300.0])
def test_a_request_holds_at_most_thirty_seconds_of_work_but_always_one_call(seconds):
    ledger = Ledger(FakeClock())
    assert ledger.room(SET, 50) == 50
    ledger.record(SET, Timing(), calls=50, seconds=50 * seconds)
    room = ledger.room(SET, 50)
    assert 1 <= room <= 50
    assert room * seconds <= 30 or room == 1


def test_a_slow_portal_is_believed_at_once_and_a_fast_one_by_and_by():
    ledger = Ledger(FakeClock())
    rooms = []
    for seconds in (0.1, 2.0, 0.1, 0.1, 0.1, 0.1):
        ledger.record(SET, Timing(), calls=10, seconds=10 * seconds)
        rooms.append(ledger.room(SET, 50))
    assert rooms[:2] == [50, 15]
    assert rooms[1:] == sorted(rooms[1:])


def test_durations_rounded_up_to_whole_seconds_do_not_leave_requests_empty():
    """Recent portals report each duration up to a second too long; that is little for a whole batch."""
    ledger = Ledger(FakeClock())
    for _ in range(20):
        size = ledger.room(SET, 50)
        ledger.record(SET, Timing(), calls=size, seconds=size * 0.02 + 0.99)
    assert ledger.room(SET, 50) == 50


def test_answers_that_overtake_each_other_do_not_lower_the_sum():
    clock = FakeClock()
    ledger = Ledger(clock)
    reset_at = clock.now() + 300
    ledger.start(SET, 100)
    ledger.record(SET, Timing(0, 440.0, reset_at), calls=50)
    ledger.record(SET, Timing(0, 430.0, reset_at), calls=10)
    ledger.record(SET, Timing(0, 465.0, reset_at), calls=40)
    ledger.end(SET, 100)
    assert ledger.ready_at(SET) == 0.0
    assert 1 <= ledger.room(SET, 50) <= 20
    ledger.record(SET, Timing(0, 470.4, reset_at), calls=10)
    assert ledger.room(SET, 50) == 0
    assert reset_at <= ledger.ready_at(SET) <= reset_at + 1
    clock.sleep(300)
    assert ledger.ready_at(SET) == 0.0
    assert ledger.room(SET, 50) == 50


def test_what_others_have_used_tells_nothing_of_the_price_of_a_call():
    clock = FakeClock()
    ledger = Ledger(clock)
    ledger.start(SET, 100)
    ledger.record(SET, Timing(0, 465.0, clock.now() + 300), calls=50)  # some of it may be of the other calls
    ledger.end(SET, 100)
    assert ledger.room(SET, 50) == 50


def test_lists_of_several_windows_are_hardly_ever_refused(make_client, clock):
    portal = Portal(clock=clock.now, sleep=clock.sleep)
    portal.add_webhook(user_id=1, code=CODE)
    portal.add_generated(deal=60_000)
    portal.operating = Operating(cost={"crm.item.list": 0.7})
    client = make_client(portal=portal, max_parallel=1, max_wait=1e9)
    asked = {"entityTypeId": 2, "select": ["id"]}
    assert sum(1 for _ in client.pages("crm.item.list", asked)) == 60_000
    assert sum(1 for _ in client.pages("crm.item.list", asked | {"filter": {"<=id": 20_000}})) == 20_000
    assert client.refusals <= 1
    assert client.waited < 1_300


def test_a_single_call_waits_for_operating_time_to_the_end():
    clock = FakeClock()
    exchange = Exchange(None, None, clock)
    until = exchange.ledger.refused(SET)
    clock.sleep(until - clock.now() - 0.5)
    wait_turn(exchange, [SET], RetryBudget(clock, 60.0, 60.0, 1.0))
    assert clock.now() == until


def test_calls_on_their_way_are_counted_before_they_are_billed():
    clock = FakeClock()
    ledger = Ledger(clock)
    ledger.start(SET, 50)
    ledger.record(SET, Timing(0, 100.0, clock.now() + 300), calls=50)  # two seconds each
    ledger.end(SET, 50)
    assert ledger.room(SET, 500) == 185
    ledger.start(SET, 150)
    assert ledger.room(SET, 50) == 35


def test_methods_do_not_share_a_budget_and_their_names_have_no_case():
    clock = FakeClock()
    ledger = Ledger(clock)
    ledger.record(SET.upper(), Timing(0, 500.0, clock.now() + 100))
    assert ledger.ready_at(SET) > clock.now()
    assert ledger.ready_at("crm.contact.company.items.get") == 0.0


def test_a_refusal_waits_for_the_last_known_reset():
    clock = FakeClock()
    ledger = Ledger(clock)
    ledger.record(SET, Timing(0, 10.0, clock.now() + 123))
    assert ledger.refused(SET) == pytest.approx(clock.now() + 123, abs=1)
    assert ledger.ready_at(SET) == ledger.refused(SET)


def test_a_refusal_without_a_known_reset_asks_again_ever_more_rarely():
    clock = FakeClock()
    ledger = Ledger(clock)
    waits = []
    for _ in range(9):
        waits.append(ledger.refused(SET) - clock.now())
        assert ledger.refused(SET) - clock.now() == waits[-1]  # of one wave of refusals only the first counts
        clock.sleep(waits[-1])
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    ledger.record(SET, Timing())
    assert ledger.refused(SET) - clock.now() == 1


@pytest.mark.parametrize("ahead", [3_600, 86_400 * 365, 1.8e12, -3_600])
def test_a_portal_whose_clock_is_wrong_stops_nobody_for_longer_than_a_window(ahead):
    clock = FakeClock()
    ledger = Ledger(clock)
    ledger.record(SET, Timing(0, 500.0, clock.now() + ahead))
    assert ledger.ready_at(SET) <= clock.now() + OPERATING_WINDOW + 1
    assert ledger.refused(SET) <= clock.now() + OPERATING_WINDOW + 1
    clock.sleep(OPERATING_WINDOW + 1)
    assert ledger.ready_at(SET) == 0.0


numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.floats(0, 1e4)
steps = st.lists(
    st.tuples(
        st.sampled_from(["record", "refused", "start", "sleep"]),
        numbers,
        st.none() | st.floats(-1e3, 1e3),
        st.integers(1, 50),
    ),
    max_size=30,
)


@patiently
@given(steps)
def test_whatever_the_portal_tells_work_goes_on_within_a_window(steps):
    clock = FakeClock()
    ledger = Ledger(clock)
    for step, operating, reset, calls in steps:
        if step == "record":
            reset_at = None if reset is None else clock.now() + reset
            ledger.start(SET, calls)
            ledger.record(SET, Timing(0.0, operating, reset_at), calls=calls, seconds=abs(operating or 0.0))
            ledger.end(SET, calls)
        elif step == "refused":
            assert clock.now() < ledger.refused(SET) <= clock.now() + OPERATING_WINDOW + 1
        elif step == "sleep":
            clock.sleep(abs(reset or 1.0))
        assert 0 <= ledger.room(SET, 50) <= 50
        assert ledger.ready_at(SET) <= clock.now() + OPERATING_WINDOW + 1
    clock.sleep(OPERATING_WINDOW + 1)
    assert ledger.ready_at(SET) == 0.0
    assert ledger.room(SET, 50) >= 1


@pytest.mark.parametrize("jump", [-86_400, -30, 86_400])
def test_a_run_outlives_a_clock_that_is_put_back_or_forward(make_client, portal, clock, jump):
    bucket = Bucket(PLANS["standard"], MemoryStore(), clock)
    for _ in range(60):
        bucket.reserve()  # so that the run has to wait for each turn

    sleep = clock.sleep

    def sleep_and_jump(seconds):
        clock.sleep = sleep
        sleep(seconds)
        clock.time += jump

    clock.sleep = sleep_and_jump
    calls = [set_companies(contact, [CompanyBinding(8)]) for contact in range(1, 501)]
    assert all(outcome.ok for outcome in make_client(bucket=bucket).bulk(calls))
    assert sum(clock.slept) <= 2 * bucket.longest_wait
