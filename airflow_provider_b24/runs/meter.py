"""Counts a long run's requests over all tries, and keeps a few points over time for the report tab."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

MOST_POINTS = 40


class Clock(Protocol):
    """The time."""

    def now(self) -> float:
        """Return the seconds since the epoch."""


class Traffic(Protocol):
    """What counts its requests; a ``rest.client.Client`` is one."""

    @property
    def clock(self) -> Clock:
        """The time."""

    @property
    def requests(self) -> int:
        """How many were sent so far."""

    @property
    def refusals(self) -> int:
        """How often a limit rejected a request or a command so far."""

    @property
    def waited(self) -> float:
        """Seconds in which requests were held back so far."""


class Meter:
    """
    Counts the requests, seconds, refusals and waits of a run over all its tries.

    :param client: sends the requests of the run.
    """

    def __init__(self, client: Traffic) -> None:
        self._client = client
        self._start = self._counts()
        self._before: tuple[float, ...] = (0, 0.0, 0, 0.0)

    def resume(self, requests: int, seconds: float, timeline: Sequence[Sequence[float]]) -> None:
        """Take over what earlier tries counted."""
        refusals, waited = timeline[-1][3:] if timeline else (0, 0.0)
        self._before = (requests, seconds, refusals, waited)

    def measure(self, timeline: list[list[float]], done: int) -> tuple[int, float]:
        """
        Add a point to the timeline; return the number of requests and the seconds so far.

        :param timeline: points ``[time, done, requests, refusals, waited]``: seconds since the epoch,
            contacts or rows, requests sent, requests and commands that a limit rejected, and the seconds in
            which requests were held back; each of the last four since the start of the first try.
        :param done: contacts or rows so far.
        """
        counted = zip(self._before, self._counts(), self._start, strict=True)
        requests, seconds, refusals, waited = (before + now - start for before, now, start in counted)
        point = [round(self._client.clock.now(), 1), done, requests, refusals, round(waited, 1)]
        add_point(timeline, point)
        return int(requests), round(seconds, 3)

    def _counts(self) -> tuple[float, ...]:
        client = self._client
        return client.requests, client.clock.now(), client.refusals, client.waited


def add_point(timeline: list[list[float]], point: list[float]) -> None:
    """Add a point; of too many, remove the one whose neighbors are closest in time."""
    timeline.append(point)
    if len(timeline) > MOST_POINTS:
        inner = range(1, len(timeline) - 1)
        del timeline[min(inner, key=lambda index: timeline[index + 1][0] - timeline[index - 1][0])]
