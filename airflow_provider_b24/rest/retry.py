"""Whether a call whose request failed is repeated, and when."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Literal

import pendulum

from airflow_provider_b24.errors import (
    Bitrix24Error,
    Bitrix24LimitError,
    Bitrix24OperatingLimitError,
    Bitrix24TransportError,
    Bitrix24UnknownOutcomeError,
)
from airflow_provider_b24.rest.clock import Clock
from airflow_provider_b24.rest.limits.operating import OPERATING_WINDOW
from airflow_provider_b24.rest.replies import Status

RETRY_TIMEOUT = 120.0  # seconds without any progress, after which a temporary error is passed on
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0  # seconds between two tries, before jitter
MAX_TRIES = 12  # of one call, where the run goes on without it
ANSWERED_TRIES = 4  # of a call that the portal itself says it failed at, while it answers others

Decision = Literal["repeat", "verify"] | Status


def decide(
    error: Bitrix24Error, *, repeatable: bool, verifiable: bool, tries: int = 0, max_tries: float = MAX_TRIES
) -> Decision:
    """
    Say what to do with a call that ended in this error.

    ``repeat`` it; ``verify`` by reading whether it was applied; or give it up with a status: ``failure``,
    ``unknown`` (it may have been executed) or ``skipped`` (it was not executed).

    :param repeatable: whether executing the call twice is safe.
    :param verifiable: whether there is a way to find out if it was executed.
    :param tries: how often the call was tried.
    :param max_tries: with so many tries it is given up. The operating limit is not one of its failures.
    """
    executed = may_be_executed(error, repeatable)
    if isinstance(error, Bitrix24OperatingLimitError):
        return "repeat"
    if tries < max_tries and (error.temporary or executed):
        if repeatable or not executed:
            return "repeat"
        if verifiable:
            return "verify"
    return given_up(error, repeatable)


def given_up(error: Bitrix24Error, repeatable: bool) -> Status:
    """Return the status of a call that is given up with this error, whatever the error would allow."""
    if may_be_executed(error, repeatable):
        return "unknown"
    return "skipped" if isinstance(error, Bitrix24TransportError | Bitrix24LimitError) else "failure"


def may_be_executed(error: Bitrix24Error, repeatable: bool) -> bool:
    """
    Whether the portal may have executed a call that ended in this error.

    If the portal itself answers that it failed, a call that is safe to repeat counts as not executed.
    """
    if isinstance(error, Bitrix24TransportError):
        return error.sent
    return error.temporary and not repeatable and not isinstance(error, Bitrix24LimitError)


def unknown_outcome(error: Bitrix24Error, method: str) -> Bitrix24UnknownOutcomeError:
    """Return the error of a write that this error left undecided and that must not be repeated."""
    return Bitrix24UnknownOutcomeError(error.description, http_status=error.http_status, method=method)


def long_wait(method: str, until: float) -> Bitrix24OperatingLimitError:
    """Return the error that leaves a long wait for operating time to the caller."""
    return Bitrix24OperatingLimitError(
        "the method's operating time is used up", method=method, retry_at=pendulum.from_timestamp(until)
    )


class RetryBudget:
    """
    A limit on the time without progress, shared by all requests of a run.

    :param timeout: seconds without progress after which ``pause`` gives up.
    :param max_wait: longest single wait in seconds that is slept through; None means any.
    :param first_pause: seconds before the first repetition, before jitter; later ones are longer.
    :param rng: a random number in [0, 1) for the jitter.
    """

    def __init__(
        self,
        clock: Clock,
        timeout: float = RETRY_TIMEOUT,
        max_wait: float | None = None,
        first_pause: float = FIRST_PAUSE,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self.first_pause = first_pause
        self._clock = clock
        self._timeout = timeout
        self._max_wait = max_wait
        self._rng = rng
        self._start()

    def progress(self) -> None:
        """Something succeeded: all the time is available again."""
        self._start()

    def _start(self) -> None:
        self._pauses = 0
        self._since = self._clock.now()
        self._smallest = math.inf

    def timed_out(self, size: int) -> None:
        """Note that a request with so many commands timed out: a smaller one has all the time again."""
        if size < self._smallest:
            self._since, self._smallest = self._clock.now(), size

    def pause(self, error: Bitrix24Error) -> float | None:
        """Return the seconds to wait before a request is repeated; None: give up."""
        if not error.temporary:
            return None
        now = self._clock.now()
        if isinstance(error, Bitrix24OperatingLimitError) and error.retry_at is not None:
            until: float = error.retry_at.timestamp()
            return max(0.0, until - now) if self.outlasts(until) else None
        left = self._since + self._timeout - now
        if left <= 0:
            return None
        longest = min(LONGEST_PAUSE, self.first_pause * 2**self._pauses)
        self._pauses = min(self._pauses + 1, 10)
        return min(float(longest) * (0.5 + self._rng() / 2), left)

    def outlasts(self, until: float) -> bool:
        """
        Whether a wait until this epoch second, which the portal dictates, is slept through.

        Such waits do not count as time without progress, unless a limit never opens.
        """
        now = self._clock.now()
        if self._max_wait is not None and until - now > self._max_wait:
            return False
        return now < self._since + self._timeout + OPERATING_WINDOW
