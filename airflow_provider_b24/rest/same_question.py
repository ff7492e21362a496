"""
Checks that a batch asks what a single request asks, before any row of a batch counts.

A single request carries JSON, a command of a batch carries text, and a page by id adds a condition. Where the
portal reads one of them differently, it answers with other rows and no error. So the first batch repeats the
first page, and its rows and counts must agree. A list that changes meanwhile is compared again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.flights import Flights
from airflow_provider_b24.rest.names import value_of
from airflow_provider_b24.rest.replies import Outcome
from airflow_provider_b24.rest.rows import row_key

TRIES = 3  # times that answers are compared which differ; the list may have changed between them

log = logging.getLogger(__name__)


class Sample(NamedTuple):
    """The rows of one page, as what identifies them, and how many rows the portal counts."""

    rows: tuple[Any, ...]
    total: int | None


def sample(rows: Sequence[Any], total: int | None, key: Sequence[str]) -> Sample:
    """Return what can be compared of a page: ids where rows have them, else all they contain."""
    return Sample(tuple(identities(rows, key)), total if total is not None and total > 0 else None)


def identities(rows: Sequence[Any], key: Sequence[str]) -> list[Any]:
    """Return what identifies each row: its key, an id that all of them have, or all it contains."""
    keys = [row_key(row, key) for row in rows]
    if None not in keys:
        return keys
    ids = [value_of(row, "id") if isinstance(row, Mapping) else None for row in rows]
    plain = all(isinstance(one, int | str) and one != "" for one in ids)
    return ids if plain and len(set(map(str, ids))) == len(rows) else list(map(repr, rows))


def agree(before: Sample, batch: Sample, after: Sample) -> bool:
    """
    Whether a page in a batch can be the one that single requests returned before and after it.

    Of a list that changes meanwhile, it has what both of them have, and nothing that neither of them has.
    """
    earlier, now, later = set(before.rows), set(batch.rows), set(after.rows)
    if not earlier & later <= now <= earlier | later:
        return False
    if before.total is None or batch.total is None or after.total is None:
        return True
    low, high = sorted((before.total, after.total))
    return low - (high - low) <= batch.total <= high + (high - low)


def ask_one(flights: Flights, call: Call) -> Outcome:
    """Send one call alone and return its outcome."""
    return ask(flights, [call])[0]


def ask(flights: Flights, calls: Sequence[Call]) -> Sequence[Outcome]:
    """Send calls in one request if they fit, those that were lost again, and return all their outcomes."""
    outcomes: list[Outcome] = []
    while len(outcomes) < len(calls):
        left = calls[len(outcomes) :]
        left = left[: max(1, flights.room(left[0]))]
        flights.send(None, left)
        outcomes += flights.receive().outcomes
    return outcomes


def same_in_batch(
    flights: Flights, call: Call, parse: Callable[[Outcome], Sample], alone: Sample, batch: Sample
) -> bool:
    """
    Whether a call means the same in a batch as alone.

    :param parse: what is compared of an answer.
    :param alone: the answer to the call alone.
    :param batch: the answer to it as a command of a batch, asked after that.
    """
    for left in reversed(range(TRIES)):
        if agree(alone, batch, alone):
            return True
        later = parse(ask_one(flights, call))
        if agree(alone, batch, later):
            return True
        alone = later
        if left:
            answers = ask(flights, [call, call])
            batch = parse(answers[0])
    return False


def report_alone(method: str) -> None:
    """Log that a list is read without batches, and why."""
    log.warning(
        "%s: the portal answers these parameters differently in a batch than in a single request. The list "
        "is read by single requests, one page each, which takes longer.",
        method,
    )


def report_offset(method: str, reason: str) -> None:
    """Log that a list is not read by id as expected, and why."""
    log.warning("%s: %s. The list is read by offset.", method, reason)
