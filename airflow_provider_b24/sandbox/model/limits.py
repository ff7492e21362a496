"""The portal's two limits: requests per source address, and execution time per method."""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from dataclasses import dataclass, field

UNCOUNTED_SECONDS = 0.1
WINDOW = 600
ROUNDING = 1e-6


@dataclass
class Bucket:
    """The leaky bucket: each HTTP request adds 1, ``drain`` leak out per second, an overflow is refused.

    ``level`` is the level of a source's bucket before its first request. With ``charge_refusals`` refused
    requests fill the bucket too.
    """

    capacity: float = 50
    drain: float = 2.0
    level: float = 0.0
    charge_refusals: bool = False
    _levels: dict[str, tuple[float, float]] = field(default_factory=dict, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def admit(self, source: str, now: float, speed: float = 1.0) -> bool:
        """Count a request from ``source`` at ``now`` (epoch seconds); False when it is refused."""
        with self._lock:
            level = self._level(source, now, speed)
            admitted = level + 1 <= self.capacity + ROUNDING
            if admitted or self.charge_refusals:
                level = min(level + 1, self.capacity)
            self._levels[source] = (level, now)
            return admitted

    def level_of(self, source: str, now: float, speed: float = 1.0) -> float:
        """How full the bucket of ``source`` is."""
        with self._lock:
            return self._level(source, now, speed)

    def _level(self, source: str, now: float, speed: float) -> float:
        level, since = self._levels.get(source, (self.level, now))
        return max(0.0, level - max(0.0, now - since) * self.drain * speed)


STANDARD = (50, 2.0)
ENTERPRISE = (250, 5.0)


@dataclass
class Operating:
    """Execution time per caller and method: over ``limit`` seconds in ``window`` the method is blocked.

    The window opens with the first call and is kept in ``parts``; the oldest part frees first. ``cost``
    bills each command of a method with so many seconds, or with its real duration if that is longer. With
    ``bill_batch`` all commands of a batch are billed to ``batch``, as some portals do since 2026.
    """

    limit: float = 480.0
    window: float = 600.0
    parts: int = 10
    cost: dict[str, float] = field(default_factory=dict)
    default_cost: float = 0.0
    bill_batch: bool = False
    _spent: dict[tuple[str, str], list[Part]] = field(
        default_factory=lambda: defaultdict(list), repr=False, compare=False
    )
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def price(self, method: str, duration: float) -> float:
        """Seconds that one command of a method is billed."""
        return max(self.cost.get(method, self.default_cost), duration)

    def is_blocked(self, caller: str, method: str, now: float, speed: float = 1.0) -> bool:
        """Whether the method has used up its time."""
        return self.standing(caller, method, now, speed)[0] > self.limit

    def bill(self, caller: str, method: str, seconds: float, now: float, speed: float = 1.0) -> None:
        """Add seconds to the current part of the window."""
        with self._lock:
            spent = self._current(caller, method, now, speed)
            if not spent or now >= spent[-1].start + self.window / self.parts / speed:
                spent.append(Part(now))
            spent[-1].seconds += seconds

    def standing(self, caller: str, method: str, now: float, speed: float = 1.0) -> tuple[float, int]:
        """``operating`` (seconds used) and ``operating_reset_at`` (epoch second the oldest part frees)."""
        with self._lock:
            spent = self._current(caller, method, now, speed)
            oldest = spent[0].start if spent else now
            return sum(part.seconds for part in spent), math.ceil(oldest + self.window / speed)

    def _current(self, caller: str, method: str, now: float, speed: float) -> list[Part]:
        spent = self._spent[caller, method]
        while spent and now >= math.ceil(spent[0].start + self.window / speed):
            del spent[0]
        return spent


@dataclass(slots=True)
class Part:
    """A part of the operating window: when it began and the seconds used in it."""

    start: float
    seconds: float = 0.0


@dataclass
class Limits:
    """The limits in force (None: not limited); ``speed`` makes them recover so many times faster."""

    bucket: Bucket | None = None
    operating: Operating | None = None
    speed: float = 1.0

    def admit(self, source: str, now: float) -> bool:
        """Count a request against the bucket; False if it is refused."""
        return self.bucket is None or self.bucket.admit(source, now, self.speed)

    def standing(self, caller: str, method: str, duration: float, now: float) -> tuple[float, int]:
        """``operating`` and ``operating_reset_at`` after a command that took ``duration`` seconds."""
        if self.operating is None:
            # Clients wait for the reset after a time_limit fault; with nothing used up that must be short.
            return (duration, int(now) + WINDOW) if duration > UNCOUNTED_SECONDS else (0, int(now) + 1)
        return self.operating.standing(caller, method, now, self.speed)


class Tally:
    """One request's time per method: billed once it exceeds 0.1 s, then from the first call on."""

    def __init__(self) -> None:
        self._waiting: dict[str, float] = defaultdict(float)
        self._billed: set[str] = set()

    def due(self, method: str, seconds: float) -> float:
        """Seconds to bill now, after a call that took ``seconds``."""
        self._waiting[method] += seconds
        if method not in self._billed and self._waiting[method] <= UNCOUNTED_SECONDS:
            return 0.0
        self._billed.add(method)
        return self._waiting.pop(method)
