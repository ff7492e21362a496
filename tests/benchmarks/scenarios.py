"""The scenarios: what is measured, what is the least possible, and what this package has to reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from lab import BUCKET, Load, Result

FULL = {**BUCKET, "level": 50}
OPERATING = {"limit": 480, "window": 20, "cost": {"crm.contact.company.items.set": 1.0}}
EVERY = 50  # one contact in so many differs: 2 %
Results = Mapping[str, Result]


@dataclass(frozen=True)
class Target:
    """A bound for this package: the figure it concerns is at most ``most``."""

    text: str
    figure: Callable[[Results], float]
    most: float

    def value(self, results: Results) -> float:
        """What was measured."""
        return self.figure(results)

    def is_met(self, results: Results) -> bool:
        """Whether it was reached."""
        return self.value(results) <= self.most


@dataclass(frozen=True)
class Scenario:
    """
    One row of the table.

    :param name: for ``--scenario``.
    :param text: what is done.
    :param loads: by name; the results carry the same names with the client's before them.
    :param least: the theoretical minimum of ``seconds``, or 0 where none is given.
    :param seconds: the time that counts, out of a result.
    :param targets: what this package has to reach.
    :param peers: whether the other clients are measured too.
    :param reference: whether the plain loop is.
    :param repeats: of which the median counts.
    :param waits: whether a run is mostly waiting, so that several clients may be measured side by side.
    :param cap: seconds after which a client is stopped.
    """

    name: str
    text: str
    load: Load
    targets: tuple[Target, ...]
    least: float = 0.0
    seconds: Callable[[Result], float] = lambda result: result.portal_seconds
    peers: bool = True
    reference: bool = False
    repeats: int = 1
    waits: bool = False
    cap: float = 150.0
    small: Load | None = None


def ours(figure: Callable[[Result], float]) -> Callable[[Results], float]:
    """A figure of this package alone."""
    return lambda results: figure(results["this package"])


def lost(results: Results) -> float:
    """Contacts that this package did not bring to their wanted state."""
    own = results["this package"]
    return own.wanted - own.right


def in_client(result: Result) -> float:
    """Seconds of the job as the client sees them."""
    return result.seconds


def cpu_ratio(results: Results) -> float:
    """CPU of this package over that of the plain loop."""
    return results["this package"].cpu / results["plain requests loop"].cpu


def cpu_rank(results: Results) -> float:
    """How many peers need less CPU; one that lost contacts did less work and does not count."""
    own = results["this package"]
    return sum(one.cpu < own.cpu for name, one in results.items() if name in PEER_NAMES and one.is_whole)
