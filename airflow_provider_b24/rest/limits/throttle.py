"""When the next request of a run may be sent."""

from __future__ import annotations

from airflow_provider_b24.rest.clock import Clock
from airflow_provider_b24.rest.limits.bucket import Bucket, Turn

FIRST_ANSWER = 0.05  # seconds the first request goes alone: a full bucket refuses it sooner than that


class Throttle:
    """
    The bucket, the pauses after failures, and a slow start.

    :ivar answered: whether a request of this run has been answered.
    """

    def __init__(self, bucket: Bucket | None, clock: Clock) -> None:
        self.answered = False
        self._clock = clock
        self._turn = Turn(bucket, clock)
        self._not_before = 0.0
        self._pause = 0.0
        self._first_sent_at: float | None = None

    def wait(self) -> float:
        """Return the seconds to wait; 0 or less means now."""
        now = self._clock.now()
        # At most what was asked for, also if the clock was put back.
        wait = max(min(self._not_before - now, self._pause), min(self._slow_start() - now, FIRST_ANSWER))
        return wait if wait > 0 else self._turn.wait()

    def sent(self) -> None:
        """Note that a request was sent."""
        self._turn.use()
        if self._first_sent_at is None:
            self._first_sent_at = self._clock.now()

    def pause(self, seconds: float) -> None:
        """Let no request be sent for some seconds."""
        self._not_before = max(self._not_before, self._clock.now() + seconds)
        self._pause = max(self._pause, seconds)

    def _slow_start(self) -> float:
        """Until the first answer, only one request is in flight for a moment: the bucket may be full."""
        if self.answered or self._first_sent_at is None:
            return 0.0
        return self._first_sent_at + FIRST_ANSWER
