"""What a sync says in the log: the start, ever fewer lines on the way, and what went wrong at the end."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

from airflow_provider_b24.rest.clock import Clock
from airflow_provider_b24.sync.lines import BAD, LISTED_FAILURES, Tally

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 60.0  # seconds between lines, doubling
KNOWN_RATE = 100  # contacts after which their rate says something


class ProgressLog:
    """
    Says from time to time how far a sync has come.

    :param clock: the time.
    :param total: number of contacts, if known.
    :param done: contacts that were finished before this try.
    :param counts: returns the number of contacts by status so far.
    """

    def __init__(
        self, clock: Clock, total: int | None, done: int, counts: Callable[[], Counter[str]]
    ) -> None:
        self._clock = clock
        self._total = total
        self._before = done
        self._counts = counts
        self._uncounted = done - counts().total()
        self._started = clock.now()
        self._pause = FIRST_PAUSE
        self._next = self._started + FIRST_PAUSE

    def tell(self, refusals: int) -> None:
        """Say how far the sync is, if it is time."""
        now = self._clock.now()
        if now < self._next:
            return
        counts = self._counts()
        done = self._uncounted + counts.total()
        if done - self._before < KNOWN_RATE:
            return
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        self._next = now + self._pause
        rate = (done - self._before) / max(now - self._started, 0.001)
        of_all, left = "", ""
        if self._total is not None:
            of_all = f" of {self._total}"
            left = f", about {duration((self._total - done) / rate)} left"
        log.info(
            "%d%s contacts done, %.0f per second%s; %d written, %d failed, %d requests rate-limited",
            *(done, of_all, rate, left, counts["written"], sum(counts[one] for one in BAD), refusals),
        )


def duration(seconds: float) -> str:
    """A length of time for people."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 1 else "less than a second"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def counted(number: int, noun: str = "contact") -> str:
    """A number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def say_end(host: str, tally: Tally, summary: dict[str, Any]) -> None:
    """Say what was done, then the first failures, then where the report is."""
    counts = tally.counts
    parts = [f"{counts['written']} written", f"{counts['unchanged']} unchanged"]
    if "planned" in summary:
        parts[0] = f"{counts['planned']} would be written"
    parts += [f"{counts['failed']} failed"]
    if counts["skipped"]:
        parts += [f"{counts['skipped']} skipped because they have changed since the plan was made"]
    if counts["unknown"]:
        parts += [f"{counts['unknown']} with unknown result"]
    log.info(
        "Synced %s to %s in %s with %s: %s",
        *(counted(tally.contacts), host, duration(summary["seconds"])),
        *(counted(summary["requests"], "request"), ", ".join(parts)),
    )
    for failure in tally.failures:
        code = f" ({failure['code']})" if failure["code"] else ""
        log.warning(
            "Contact %s (line %s): %s%s",
            *(failure["contact_id"], failure["line"], failure["description"], code),
        )
    more = sum(counts[status] for status in BAD) - LISTED_FAILURES
    if more > 0:
        where = "; the report lists all" if summary["report_path"] else ""
        log.warning("... and %s%s", counted(more, "more failure"), where)
    if summary["report_path"]:
        log.info("Report: %s", summary["report_path"])
