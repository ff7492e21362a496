"""Logs the progress of a long run at growing intervals."""

from __future__ import annotations

from collections.abc import Callable

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 60.0  # seconds between lines, doubling


class ProgressLog:
    """
    Logs how many of a run's records are done, and at which rate.

    :param now: returns the time in seconds.
    :param log: takes one line.
    :param what: the records and what is done with them, e.g. ``rows exported``.
    :param total: their number, if known.
    :param before: how many earlier tries have done.
    :param least: how many this try must have done before its rate means something.
    """

    def __init__(
        self,
        now: Callable[[], float],
        log: Callable[[str], None],
        what: str,
        *,
        total: int | None = None,
        before: int = 0,
        least: int = 1,
    ) -> None:
        self._now = now
        self._log = log
        self._what = what
        self._total = total
        self._before = before
        self._least = least
        self._started = now()
        self._pause = FIRST_PAUSE
        self._next = self._started + FIRST_PAUSE

    def update(self, read: Callable[[], tuple[int, str]]) -> None:
        """
        Log the progress if it is time for it.

        :param read: returns how many records are done, those of earlier tries included, and the rest
            of the line; called only if there is a line.
        """
        now = self._now()
        if now < self._next:
            return
        done, details = read()
        if done - self._before < self._least:
            return
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        self._next = now + self._pause
        rate = (done - self._before) / max(now - self._started, 0.001)
        of_all = left = ""
        if self._total is not None:
            of_all = f" of {self._total}"
            left = f", about {duration((self._total - done) / rate)} left"
        self._log(
            f"{done}{of_all} {self._what}, {rate:.0f} per second{left}" + (f"; {details}" if details else "")
        )


def duration(seconds: float) -> str:
    """A length of time for people."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 1 else "less than a second"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"
