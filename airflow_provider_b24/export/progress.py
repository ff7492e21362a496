"""How far an export is, told ever more rarely."""

from __future__ import annotations

from collections.abc import Callable

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 60.0  # seconds between two lines


class ExportProgress:
    """
    Logs the number of rows and their rate.

    :param now: the time in seconds.
    :param log: takes one line.
    :param rows: how many rows earlier tries have exported.
    """

    def __init__(self, now: Callable[[], float], log: Callable[[str], None], rows: int = 0) -> None:
        self._now = now
        self._log = log
        self._started = now()
        self._pause = FIRST_PAUSE
        self._next = self._started + FIRST_PAUSE
        self._before = rows

    def tell(self, rows: int) -> None:
        """Log the number of rows exported so far, if it is time for it."""
        now = self._now()
        if now < self._next:
            return
        rate = (rows - self._before) / (now - self._started)
        self._log(f"{rows:,} rows exported, {rate:,.0f} per second")
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        self._next = now + self._pause
