"""Whether a request that failed is repeated, and when."""

from __future__ import annotations

import random
from collections.abc import Callable

import pendulum

from airflow_provider_b24.errors import (
    Bitrix24Error,
    Bitrix24LimitError,
    Bitrix24OperatingLimitError,
    Bitrix24TransportError,
)
from airflow_provider_b24.rest.clock import Clock
from airflow_provider_b24.rest.limits.operating import OPERATING_WINDOW
from airflow_provider_b24.rest.replies import Status

RETRY_TIMEOUT = 120.0  # seconds without any progress, after which a temporary error is passed on
MAX_REPLAYS = 3  # of one request whose access token had expired
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0  # seconds between repetitions, before jitter


def was_executed(error: Bitrix24Error) -> bool:
    """Whether the portal may have carried out a request that ended with this error."""
    if isinstance(error, Bitrix24TransportError):
        return error.sent
    return error.temporary and not isinstance(error, Bitrix24LimitError)


def fate(error: Bitrix24Error) -> Status:
    """What a request that is given up with this error means for the calls it carried."""
    if was_executed(error):
        return "unknown"
    return "skipped" if error.temporary else "failure"


def long_wait(method: str, until: float) -> Bitrix24OperatingLimitError:
    """The error that hands a long wait for operating time to the caller."""
    return Bitrix24OperatingLimitError(
        "the method's operating time is used up", method=method, retry_at=pendulum.from_timestamp(until)
    )


class RetryBudget:
    """
    One budget of time without progress, shared by all requests of a run.

    :param budget: seconds without progress after which ``pause`` gives up.
    :param max_wait: longest single wait in seconds that is slept through; None means any.
    :param rng: a random number in [0, 1) for the jitter.
    """

    def __init__(
        self,
        clock: Clock,
        budget: float = RETRY_TIMEOUT,
        max_wait: float | None = None,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._budget = budget
        self._max_wait = max_wait
        self._rng = rng
        self.progress()

    def progress(self) -> None:
        """Something succeeded: the budget is whole again."""
        self._pauses = 0
        self._since = self._clock.now()

    def pause(self, error: Bitrix24Error) -> float | None:
        """Return the seconds to wait before a request that may be repeated is repeated; None: give up."""
        if not error.temporary:
            return None
        now = self._clock.now()
        if isinstance(error, Bitrix24OperatingLimitError) and error.retry_at is not None:
            until: float = error.retry_at.timestamp()
            return max(0.0, until - now) if self.outlasts(until) else None
        left = self._since + self._budget - now
        if left <= 0:
            return None
        longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2**self._pauses)
        self._pauses = min(self._pauses + 1, 10)
        return min(float(longest) * (0.5 + self._rng() / 2), left)

    def outlasts(self, until: float) -> bool:
        """
        Whether a wait until this epoch second, which the portal dictates, is slept through.

        Such waits do not count against the budget; only a limit that never opens ends in giving up.
        """
        now = self._clock.now()
        if self._max_wait is not None and until - now > self._max_wait:
            return False
        return now < self._since + self._budget + OPERATING_WINDOW
