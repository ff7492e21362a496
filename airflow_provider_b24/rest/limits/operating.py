"""
Operating time: each method may use 480 seconds of work in ten minutes.

Every answer of the portal contains the sum so far.

https://apidocs.bitrix24.com/limits.html
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from airflow_provider_b24.rest.clock import Clock
from airflow_provider_b24.rest.forks import bind_to_process
from airflow_provider_b24.rest.replies import Timing

OPERATING_LIMIT = 480.0  # seconds of one method in ten minutes
OPERATING_WINDOW = 600.0  # seconds
OPERATING_MARGIN = 0.98  # share of the limit that is used; work under way is not billed yet
SERVER_SECONDS = 30.0  # of work in one request; the portal ends it after 60
RESET_SLACK = 0.25  # seconds after a reset, as the two clocks differ
_CLOCKS_DIFFER = 86_400.0  # seconds at most; a reset further off is none


@dataclass
class _Usage:
    operating: float = 0.0
    reset_at: float = 0.0
    free_at: float = 0.0  # as reset_at, but no further off than a window: the portal's clock may be wrong
    baseline: float = 0.0
    calls_since_baseline: int = 0
    under_way: int = 0
    blocked_until: float = 0.0
    refusals: int = 0
    seconds_per_call: float = 0.0

    def bound(self, latest: float) -> None:
        """Nothing takes longer than a window, also if our own clock was put back."""
        self.free_at = min(self.free_at, latest)
        self.blocked_until = min(self.blocked_until, latest)

    @property
    def operating_per_call(self) -> float:
        return (
            (self.operating - self.baseline) / self.calls_since_baseline if self.calls_since_baseline else 0.0
        )


class Ledger:
    """Each method's operating time and speed as reported by the portal; safe to use from several threads."""

    def __init__(self, clock: Clock, limit: float = OPERATING_LIMIT) -> None:
        self._clock = clock
        self._limit = limit * OPERATING_MARGIN
        self._lock = threading.Lock()
        self._methods: defaultdict[str, _Usage] = defaultdict(_Usage)
        bind_to_process(self)

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        self._methods = defaultdict(_Usage)  # calls under way are the parent's

    def start(self, method: str, calls: int) -> None:
        """Count calls of the method as under way, until ``end`` is called."""
        with self._lock:
            self._methods[method.lower()].under_way += calls

    def end(self, method: str, calls: int) -> None:
        with self._lock:
            self._methods[method.lower()].under_way -= calls

    def record(self, method: str, time: Timing, calls: int = 1, seconds: float = 0.0) -> None:
        """
        Note the timing of an answer.

        :param time: of the last of the ``calls`` that this answer reports.
        :param seconds: the work of all of them, 0 if unknown.
        """
        with self._lock:
            usage = self._methods[method.lower()]
            usage.refusals = 0
            if seconds > 0:  # one call cannot take more than a request
                mean = min(seconds / calls, 2 * SERVER_SECONDS)
                usage.seconds_per_call = _smooth(usage.seconds_per_call, mean)
            if time.operating is None or time.operating_reset_at is None:
                return
            now, reset_at = self._clock.now(), time.operating_reset_at
            if abs(reset_at - now) > _CLOCKS_DIFFER:
                return
            usage.free_at = min(reset_at, now + OPERATING_WINDOW)
            # A new window: the old sums no longer hold. Or the last one's was wrong: none is that long.
            if reset_at > usage.reset_at or reset_at < usage.reset_at - OPERATING_WINDOW:
                usage.reset_at = reset_at
                usage.operating = time.operating
                usage.baseline, usage.calls_since_baseline = time.operating, 0
                if time.operating > 0 and usage.under_way <= calls:  # nobody else of this client was counted
                    usage.baseline, usage.calls_since_baseline = 0.0, calls
            else:  # answers overtake each other; the highest sum is the newest
                usage.operating = max(usage.operating, time.operating)
                usage.calls_since_baseline += calls

    def timed_out(self, methods: Mapping[str, int]) -> None:
        """Note that a request with so many calls of each method did not finish in time: allow half of it."""
        seconds = 2 * SERVER_SECONDS / sum(methods.values())
        with self._lock:
            for method in methods:
                usage = self._methods[method.lower()]
                usage.seconds_per_call = max(usage.seconds_per_call, seconds)

    def refused(self, method: str) -> float:
        """Note a refusal, which contains no timing; return the epoch second to wait for."""
        with self._lock:
            usage = self._methods[method.lower()]
            now = self._clock.now()
            usage.bound(now + OPERATING_WINDOW)
            if usage.blocked_until > now:
                return usage.blocked_until
            if usage.free_at > now:
                until = usage.free_at + RESET_SLACK
            else:  # the last known reset has passed, or none is known: ask again, less and less often
                usage.refusals += 1
                until = now + min(OPERATING_WINDOW / 10, 2.0 ** (usage.refusals - 1))
            usage.blocked_until = min(until, now + OPERATING_WINDOW)
            return usage.blocked_until

    def ready_at(self, method: str) -> float:
        """When the method may run again, as an epoch second; 0 means now."""
        with self._lock:
            usage = self._methods[method.lower()]
            now = self._clock.now()
            usage.bound(now + OPERATING_WINDOW)
            if usage.blocked_until > now:
                return usage.blocked_until
            if usage.free_at <= now:  # the oldest part of the sum is gone; the next answer tells the rest
                usage.operating = usage.baseline = 0.0
                usage.calls_since_baseline = 0
                return 0.0
            if self._room(usage) < 1 and not usage.under_way:
                return usage.free_at + RESET_SLACK
            return 0.0

    def room(self, method: str, most: int) -> int:
        """
        How many more calls of the method one request may hold now, at most ``most``.

        Two bounds: the operating time that is left, and ``SERVER_SECONDS`` of work in one request.
        """
        with self._lock:
            usage = self._methods[method.lower()]
            room = min(float(most), self._room(usage))
            if usage.seconds_per_call > 0:
                room = min(room, max(1.0, SERVER_SECONDS / usage.seconds_per_call))
            return max(0, int(room))

    def seconds_per_call(self, method: str) -> float:
        """How long a call of the method takes the portal, 0 if unknown."""
        usage = self._methods.get(method.lower())
        return usage.seconds_per_call if usage else 0.0

    def _room(self, usage: _Usage) -> float:
        if usage.operating <= 0 or usage.operating_per_call <= 0:
            return math.inf
        return (self._limit - usage.operating) / usage.operating_per_call - usage.under_way


def _smooth(old: float, new: float) -> float:
    """Follow a rise at once and a fall slowly: a guess that is too low costs more than one too high."""
    return new if new >= old or old == 0.0 else 0.7 * old + 0.3 * new
