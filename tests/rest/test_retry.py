"""What is done with a call whose request failed, and how long it is tried: pure decisions."""

import math

import pendulum
import pytest

from airflow_provider_b24.errors import (
    Bitrix24AccessDeniedError,
    Bitrix24OperatingLimitError,
    Bitrix24RateLimitError,
    Bitrix24ServerError,
    Bitrix24TimeoutError,
    Bitrix24TransportError,
    Bitrix24UnknownOutcomeError,
)
from airflow_provider_b24.rest.limits.operating import OPERATING_WINDOW
from airflow_provider_b24.rest.retry import MAX_TRIES, RetryBudget, decide, given_up

DENIED = Bitrix24AccessDeniedError("no")
FAILED = Bitrix24ServerError("broken")
LOST = Bitrix24TimeoutError("late")
NOT_SENT = Bitrix24TransportError("refused", sent=False)
RATE = Bitrix24RateLimitError("too many")
OPERATING = Bitrix24OperatingLimitError("too long")
LEFT_OUT = Bitrix24UnknownOutcomeError("the answer leaves out this command")


@pytest.mark.parametrize(
    ("error", "repeatable", "verifiable", "first", "last"),
    [
        # The portal rejected the call.
        (DENIED, True, False, "failure", "failure"),
        (DENIED, False, True, "failure", "failure"),
        # It was provably not executed.
        (NOT_SENT, True, False, "repeat", "skipped"),
        (NOT_SENT, False, False, "repeat", "skipped"),
        (NOT_SENT, False, True, "repeat", "skipped"),
        (RATE, True, False, "repeat", "skipped"),
        (RATE, False, False, "repeat", "skipped"),
        (OPERATING, True, False, "repeat", "repeat"),
        (OPERATING, False, False, "repeat", "repeat"),
        # It may have been executed.
        (LOST, True, False, "repeat", "unknown"),
        (LOST, False, True, "verify", "unknown"),
        (LOST, False, False, "unknown", "unknown"),
        (LEFT_OUT, True, False, "repeat", "unknown"),
        (LEFT_OUT, False, True, "verify", "unknown"),
        (LEFT_OUT, False, False, "unknown", "unknown"),
        # The portal says that it failed.
        (FAILED, True, False, "repeat", "failure"),
        (FAILED, False, True, "verify", "unknown"),
        (FAILED, False, False, "unknown", "unknown"),
    ],
)
def test_what_is_done_with_a_call(error, repeatable, verifiable, first, last):
    can = {"repeatable": repeatable, "verifiable": verifiable}
    assert decide(error, **can) == decide(error, **can, tries=MAX_TRIES - 1) == first
    assert decide(error, **can, tries=MAX_TRIES) == last
    assert decide(error, **can, tries=4, max_tries=4) == last
    if error is not OPERATING:
        assert given_up(error, repeatable) == last


@pytest.fixture
def budget(clock):
    return RetryBudget(clock, 120.0, first_pause=0.5, rng=lambda: 1.0)


def test_pauses_grow_and_end_with_the_budget(budget, clock):
    pauses = []
    while (pause := budget.pause(FAILED)) is not None:
        pauses.append(pause)
        clock.sleep(pause)
    assert pauses[:6] == [0.5, 1, 2, 4, 8, 15]
    assert max(pauses) == 15
    assert sum(pauses) == 120
    budget.progress()
    assert budget.pause(FAILED) == 0.5


def test_pauses_differ_by_up_to_half(clock):
    assert RetryBudget(clock, first_pause=1.0, rng=lambda: 0.0).pause(FAILED) == 0.5


def test_a_permanent_error_is_not_waited_for(budget):
    assert budget.pause(DENIED) is None


def test_a_smaller_request_has_all_the_time_again(budget, clock):
    clock.sleep(119)
    budget.timed_out(50)
    clock.sleep(119)
    assert budget.pause(LOST) is not None
    budget.timed_out(50)
    clock.sleep(2)
    assert budget.pause(LOST) is None


def test_a_wait_that_the_portal_dictates_does_not_count(budget, clock):
    clock.sleep(119)
    error = Bitrix24OperatingLimitError("x", retry_at=pendulum.from_timestamp(clock.now() + 400))
    assert budget.pause(error) == pytest.approx(400)
    clock.sleep(120 + OPERATING_WINDOW)  # a limit that never opens
    assert budget.pause(error) is None


@pytest.mark.parametrize(("max_wait", "outlasts"), [(None, True), (61, True), (60, True), (59, False)])
def test_a_long_wait_is_left_to_the_caller(clock, max_wait, outlasts):
    budget = RetryBudget(clock, math.inf, max_wait)
    assert budget.outlasts(clock.now() + 60) is outlasts
