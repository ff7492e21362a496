"""
The portal's request limit, a leaky bucket, counted on our side.

Every HTTP request adds a token to a bucket that drains at a steady rate; above its capacity the portal
answers 503. Requests are counted per source address, so the level is shared by all processes of a
machine (see ``stores``).

https://apidocs.bitrix24.com/limits.html
"""

from __future__ import annotations

import threading
from typing import NamedTuple, Protocol

from airflow_provider_b24.rest.clock import Clock
from airflow_provider_b24.rest.forks import bind_to_process

JITTER_TOKENS = 1.0  # left free, for requests that arrive closer together than they left
MAX_BACKLOG = 200.0  # tokens reserved by waiting requests; more means that a clock jumped


class Plan(NamedTuple):
    """A plan's bucket: how many requests fit, how many drain per second."""

    capacity: float
    drain: float


PLANS = {"standard": Plan(50, 2), "enterprise": Plan(250, 5)}


class Level(NamedTuple):
    """
    A bucket in one number: the time at which it will be empty.

    ``refusals`` counts how often the portal refused a request; a token reserved before the latest refusal no
    longer counts.
    """

    empty_at: float = 0.0
    refusals: int = 0


class LevelStore(Protocol):
    """Stores one portal's level and changes it atomically."""

    def update(self, change: LevelChange) -> tuple[Level, float]:
        """Apply ``change`` to the stored level and return the new level and what ``change`` returned."""


class LevelChange(Protocol):
    """A pure function from the old level to the new one and a number for the caller."""

    def __call__(self, level: Level) -> tuple[Level, float]: ...


class MemoryStore:
    """A level known to this process only."""

    def __init__(self, level: Level | None = None) -> None:
        self._level = level or Level()
        self._lock = threading.Lock()
        bind_to_process(self)

    def after_fork(self) -> None:
        self._lock = threading.Lock()

    def update(self, change: LevelChange) -> tuple[Level, float]:
        with self._lock:
            self._level, answer = change(self._level)
            return self._level, answer


class Bucket:
    """
    Tells when the next request may leave.

    The arithmetic is the generic cell rate algorithm: a request moves ``empty_at`` by the time that one token
    takes to drain, and may leave as soon as what is left to drain fits the capacity.
    """

    def __init__(self, plan: Plan, store: LevelStore, clock: Clock) -> None:
        self.plan = plan
        self._store = store
        self._clock = clock

    @property
    def longest_wait(self) -> float:
        """The longest time in seconds until a reserved token may be used, unless the clock jumps."""
        return (MAX_BACKLOG + JITTER_TOKENS + 1) / self.plan.drain

    def reserve(self) -> tuple[float, int]:
        """Reserve a token; return the epoch second at which it may be used and the count of refusals."""
        now = self._clock.now()

        def take(level: Level) -> tuple[Level, float]:
            latest = now + (self.plan.capacity + MAX_BACKLOG) / self.plan.drain
            empty_at = min(max(level.empty_at, now), latest) + 1 / self.plan.drain
            start = empty_at - (self.plan.capacity - JITTER_TOKENS) / self.plan.drain
            return level._replace(empty_at=empty_at), max(now, start)

        level, start = self._store.update(take)
        return start, level.refusals

    def is_current(self, refusals: int) -> bool:
        """Whether a token still counts: the portal has refused nothing since it was reserved."""
        level, _ = self._store.update(lambda level: (level, 0.0))
        return level.refusals == refusals

    def refused(self) -> None:
        """The portal refused a request, so the bucket is full, whatever our count says."""
        now = self._clock.now()

        def fill(level: Level) -> tuple[Level, float]:
            return Level(now + self.plan.capacity / self.plan.drain, level.refusals + 1), 0.0

        self._store.update(fill)


class Turn:
    """
    A reserved token. After a refusal, or when the clock jumped, another one is reserved in its place.

    :param bucket: None means that no limit is kept.
    """

    def __init__(self, bucket: Bucket | None, clock: Clock) -> None:
        self._bucket = bucket
        self._clock = clock
        self._reserved: tuple[float, int] | None = None

    def wait(self) -> float:
        """Return the seconds until the next request may leave; 0 or less means now."""
        bucket = self._bucket
        if bucket is None:
            return 0.0
        if self._reserved is None or not bucket.is_current(self._reserved[1]):
            self._reserved = bucket.reserve()
        wait = self._reserved[0] - self._clock.now()
        if wait > bucket.longest_wait:  # the clock was put back
            self._reserved = bucket.reserve()
            wait = self._reserved[0] - self._clock.now()
        return wait

    def use(self) -> None:
        """Spend the token: a request leaves."""
        self._reserved = None
