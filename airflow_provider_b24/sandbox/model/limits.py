"""The portal's two limits: requests per source address, and execution time per method."""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from dataclasses import dataclass, field

UNCOUNTED_SECONDS = 0.1
ROUNDING = 1e-6


@dataclass
class Bucket:
    """The leaky bucket: each HTTP request adds 1, ``drain`` leak per second, above ``capacity`` is refused.

    ``level`` is where a source's bucket stands at its first request. With ``charge_refusals`` a refused
    request fills the bucket too.
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

    The window consists of ``buckets`` equal parts; time frees up part by part. ``cost`` bills a method's
    command with so many seconds (or its real duration, if that is longer).
    """

    limit: float = 480.0
    window: float = 600.0
    buckets: int = 10
    cost: dict[str, float] = field(default_factory=dict)
    default_cost: float = 0.0
    _spent: dict[tuple[str, str], dict[int, float]] = field(
        default_factory=lambda: defaultdict(dict), repr=False, compare=False
    )
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def price(self, method: str, duration: float) -> float:
        """Seconds that one command of a method is billed."""
        return max(self.cost.get(method, self.default_cost), duration)

    def is_blocked(self, caller: str, method: str, now: float, speed: float = 1.0) -> bool:
        """Whether the method has used up its time."""
        with self._lock:
            return sum(self._current(caller, method, now, speed).values()) > self.limit

    def bill(self, caller: str, method: str, seconds: float, now: float, speed: float = 1.0) -> None:
        """Add seconds to the part of the window that is running now."""
        with self._lock:
            spent = self._current(caller, method, now, speed)
            part = math.floor(now / self._part(speed))
            spent[part] = spent.get(part, 0.0) + seconds

    def standing(self, caller: str, method: str, now: float, speed: float = 1.0) -> tuple[float, int]:
        """``operating`` (seconds used) and ``operating_reset_at`` (epoch second the oldest part frees)."""
        with self._lock:
            spent = self._current(caller, method, now, speed)
            oldest = min(spent, default=math.floor(now / self._part(speed)))
            return sum(spent.values()), math.ceil((oldest + self.buckets) * self._part(speed))

    def _part(self, speed: float) -> float:
        return self.window / self.buckets / speed

    def _current(self, caller: str, method: str, now: float, speed: float) -> dict[int, float]:
        spent = self._spent[caller, method]
        running = math.floor(now / self._part(speed))
        for part in [part for part in spent if part <= running - self.buckets]:
            del spent[part]
        return spent


class Tally:
    """One request's time per method: it is billed only once it passes 0.1 s, then from the first call on."""

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
