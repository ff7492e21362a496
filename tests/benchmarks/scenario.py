"""What a scenario is: what is done, what is the least possible, and what this package has to reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from environments import OWN, PLAIN
from lab import Load, Result

BASELINE = "baseline"
Results = Mapping[str, Result]


@dataclass(frozen=True)
class Target:
    """A figure of this package, and the most that it may be."""

    text: str
    figure: Callable[[Results], float]
    most: float

    def is_met(self, results: Results) -> bool:
        """Whether it was reached."""
        return self.figure(results) <= self.most


@dataclass(frozen=True)
class Scenario:
    """
    One row of the table.

    :param name: for ``--scenario``.
    :param text: what is done.
    :param load: the portal and the work.
    :param targets: what this package has to reach.
    :param least: the least seconds possible; 0 where time is not what counts.
    :param in_client: whether time is the client's own, else from the portal's first request to its last.
    :param rivals: whether the other clients are measured too.
    :param reference: whether the plain loop is.
    :param baseline: another load of this package, to compare with.
    :param repeats: runs, of which the fastest counts.
    :param cap: seconds after which a client is stopped.
    :param small: contacts per process with ``--quick``.
    """

    name: str
    text: str
    load: Load
    targets: tuple[Target, ...]
    least: float = 0.0
    in_client: bool = False
    rivals: bool = True
    reference: bool = False
    baseline: Load | None = None
    repeats: int = 1
    cap: float = 150.0
    small: int = 0

    def seconds(self, result: Result) -> float:
        """The time that counts here."""
        return result.seconds if self.in_client else result.portal_seconds

    def quick(self) -> Scenario:
        """The same with less to do; its targets are as they were."""
        load = replace(self.load, writes=self.small) if self.small else self.load
        return replace(self, load=load, repeats=1)


def of_ours(figure: Callable[[Result], float]) -> Callable[[Results], float]:
    """A figure of this package's own run."""
    return lambda results: figure(results[OWN.name])


def cpu_over_plain(results: Results) -> float:
    """CPU of this package over that of the plain loop."""
    return results[OWN.name].cpu / results[PLAIN.name].cpu


def cpu_over_best_peer(results: Results) -> float:
    """CPU of this package over the least of a peer that did all the work."""
    peers = [one.cpu for name, one in results.items() if name not in (OWN.name, PLAIN.name) and one.is_whole]
    return results[OWN.name].cpu / min(peers, default=float("inf"))


def extra_memory(results: Results) -> float:
    """Megabytes of peak memory above the baseline's."""
    return results[OWN.name].peak_mb - results[BASELINE].peak_mb


def cpu_per_contact(results: Results) -> float:
    """CPU per contact over the baseline's."""
    big, small = results[OWN.name], results[BASELINE]
    return (big.cpu / big.wanted) / (small.cpu / small.wanted)


LOST = Target("contacts not written", of_ours(lambda one: one.wanted - one.right), 0)
DEAD = Target("processes that died", of_ours(lambda one: len(one.died)), 0)
REQUESTS = of_ours(lambda one: one.requests)
WALL = of_ours(lambda one: one.seconds)
PORTAL = of_ours(lambda one: one.portal_seconds)
