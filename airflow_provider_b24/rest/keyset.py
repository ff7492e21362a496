"""
Lists by id: each page asks for the ids above the last one of the page before, many pages in one batch.

A row that is deleted or created meanwhile makes no other row be skipped or doubled, and the portal need not
count. A long list is read as several ranges of ids, so that the server may work on several requests at once.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_b24.errors import Bitrix24ApiError
from airflow_provider_b24.rest.calls import MAX_BATCH, Call
from airflow_provider_b24.rest.flights import WRITTEN, Flights
from airflow_provider_b24.rest.list_description import PAGE
from airflow_provider_b24.rest.list_params import is_logical
from airflow_provider_b24.rest.question import Question, how_to_read
from airflow_provider_b24.rest.rows import is_listed
from airflow_provider_b24.rest.same_question import ask_one, report_alone

if TYPE_CHECKING:
    from airflow_provider_b24.rest.replies import Outcome

__all__ = ["KeysetReader", "is_logical"]

GROWTH = 4  # times as many pages in the next chain while it is not known how many there are
RANGE_ROWS = MAX_BATCH * PAGE  # rows of a range, about: its first page is counted, one chain reads the rest
SLOW_CHAIN = 0.5  # seconds of server time for a full chain, above which ranges are read side by side
EMPTY_CHECKS = 3  # counts that must agree before a list counts as incomplete
MIN_COMPARED = 2  # commands of the smallest request that can hold the first page again


@dataclass(slots=True)
class Range:
    """
    A range of ids and how far it is read.

    :param after: the last id read.
    :param upto: the range's last id; None for an open range.
    :param expected: how many rows are still to come; None if unknown.
    :param count: whether the next page is to be counted.
    """

    after: int | None = None
    upto: int | None = None
    expected: int | None = None
    count: bool = False
    rows: list[Any] = field(default_factory=list)
    commands: int = 1
    checks: int = 0
    in_flight: bool = False
    ended: bool = False

    def pages_left(self) -> int:
        """How many pages to ask for next; the last page of an open range is the one that is not full."""
        if self.count:
            return 1
        if self.expected is None:
            return self.commands * GROWTH
        return max(1, -(-self.expected // PAGE)) if self.upto is not None else self.expected // PAGE + 1

    def take(self, rows: Sequence[Any], last: int) -> None:
        """Append a page that is not empty."""
        self.rows += rows
        self.after = last
        self.checks = 0
        if self.expected is not None:
            self.expected -= len(rows)

    def close(self, full: bool) -> None:
        """
        End the range after a page if that was the last, and have the rest counted if that is in doubt.

        Only a page that is not full ends it, or the range's last id. That all counted rows were read does
        not: other rows may have come into the filter since, and pushed some of the counted ones back.
        """
        if not full:
            missing = self.expected is not None and self.expected > 0
            self.count, self.ended = missing, not missing
        elif self.upto is not None and self.after == self.upto:
            self.ended = True
        elif self.expected is not None and self.expected < 0:
            self.expected = None  # more rows than were counted: they are new, or the count is wrong


class _Opening(NamedTuple):
    """
    The first request after the first page.

    :ivar repeats: 1 if it begins with the first page again, else 0.
    :ivar pages: how many pages follow that.
    """

    calls: list[Call]
    repeats: int
    pages: int


class KeysetReader:
    """
    Reads one list by id; iterate it once.

    :param question: what is asked.
    :param flights: what its requests are sent with.
    """

    def __init__(self, question: Question, flights: Flights) -> None:
        self._question = question
        self._flights = flights
        self._ranges: deque[Range] = deque()
        self._chains = True
        # Every chain has the same links, one for each place in a batch.
        self._link = lru_cache(WRITTEN)(
            lambda position, upto: question.page(question.reference(position), upto)
        )

    def begin(self, first: Outcome, after: int | None) -> str:
        """
        Read on from the first page with one request, and check that it continues that page.

        :param first: the first page, asked alone, and counted if the portal counts it.
        :param after: the id it was asked above; None for the start of the list.
        :returns: why the list cannot be read by id; empty if it can.
        """
        whole = Range(after, count=True)
        self._ranges.append(whole)
        self._take_page(whole, first)
        start = 0 if first.total else -1
        call = self._question.page(after, start=start)
        slow = self._is_slow(whole)
        while not whole.ended:
            opening = self._opening(whole, call, start, slow)
            self._flights.send(None, opening.calls)
            _, outcomes = self._flights.receive()
            if not outcomes:
                continue  # the request was lost
            if len(outcomes) == opening.repeats:
                outcomes = [*outcomes, ask_one(self._flights, opening.calls[1])]
            again = outcomes[0] if opening.repeats else None
            verdict = how_to_read(
                self._question, self._flights, call, first, again, outcomes[opening.repeats], whole.after or 0
            )
            if verdict == "offset":
                return "the portal answers otherwise when an id is added to the conditions"
            if verdict == "alone":
                report_alone(self._method)
            if verdict == "alone" or len(opening.calls) == 1:
                self._flights.send_alone()  # no batch has been compared
            if verdict == "alone":
                break
            whole.count = start == 0
            for outcome in outcomes[opening.repeats :][: opening.pages]:
                if whole.ended or not self._take_page(whole, outcome):
                    break
            if slow and len(outcomes) == len(opening.calls) > opening.repeats + opening.pages:
                self._split(whole, self._question.last_id(outcomes[-1]))
            break
        return ""

    def pages(self) -> Iterator[list[Any]]:
        """
        Yield the rows, some pages at a time.

        :raises Bitrix24ApiError: the portal does not give all the rows that it counts.
        """
        while self._ranges:
            self._flights.check_process()
            self._launch()
            head = self._ranges[0]
            if head.rows:
                rows, head.rows = head.rows, []
                yield rows
            elif head.ended:
                self._ranges.popleft()
            else:
                answer = self._flights.receive()
                self._take(answer.key, answer.outcomes)

    def _opening(self, whole: Range, first: Call, start: int, slow: bool) -> _Opening:
        """
        Return the calls of the first request after the first page.

        The first page again, as a command; the pages that follow it, the first of them counted; and the
        newest id if the list is to be read as ranges. The repetition is left out where it would cost a
        request and the parameters hold nothing that text could change.
        """
        following = self._question.page(whole.after, start=start)
        room = self._flights.room(following)
        if slow and room > 1:
            calls = [first] * (room > MIN_COMPARED) + [following, self._question.page(direction="DESC")]
            return _Opening(calls, len(calls) - 2, 1)
        left = whole.pages_left()
        repeats = int(
            room > 1 and left > 1 and (left % room != 0 or not _is_plain(self._question.call.params))
        )
        pages = max(1, min(left, room - repeats))
        whole.commands = pages
        links = (self._link(position, None) for position in range(repeats, repeats + pages - 1))
        return _Opening([first] * repeats + [following, *links], repeats, pages)

    def _is_slow(self, whole: Range) -> bool:
        """Whether the server's work, not the number of requests, decides how long the list takes."""
        chain = self._flights.seconds_per_command * MAX_BATCH
        long = whole.expected is not None and whole.expected > 2 * RANGE_ROWS
        return long and not whole.ended and chain > SLOW_CHAIN and self._flights.parallel > 1

    def _split(self, one: Range, newest: int) -> None:
        """Leave the rest of a range to several, each of about as many rows as one chain reads."""
        lanes = self._flights.parallel
        parts = -(-(one.expected or 0) // RANGE_ROWS)
        parts = -(-parts // lanes) * lanes
        start = one.after or 0
        newest = max(newest, start)  # rows may have been deleted since
        bounds = sorted({start + (newest - start) * part // parts for part in range(1, parts)} - {start})
        pairs = zip([start, *bounds], [*bounds, one.upto], strict=True)
        position = self._ranges.index(one) + 1
        for after, upto in reversed(list(pairs)):
            self._ranges.insert(position, Range(after, upto, count=True))
        one.ended = True

    def _launch(self) -> None:
        lanes = self._flights.parallel
        while len(self._flights) < lanes:
            window = itertools.islice(self._ranges, 2 * lanes)
            waiting = [one for one in window if not one.in_flight and not one.ended]
            if not waiting:
                return
            room = self._flights.room(self._question.page(waiting[0].after, waiting[0].upto))
            if not room:
                return
            self._send(waiting, room)

    def _send(self, waiting: Sequence[Range], room: int) -> None:
        calls: list[Call] = []
        aboard: list[tuple[Range, int]] = []
        for one in waiting:
            if len(calls) == room:
                break
            chain = self._chain(one, room - len(calls), position=len(calls))
            calls += chain
            aboard.append((one, len(chain)))
        self._flights.send(aboard, calls)

    def _chain(self, one: Range, room: int, position: int) -> list[Call]:
        """Return a range's next calls for a place in the batch; each refers to the one before."""
        one.commands = min(one.pages_left(), room) if self._chains else 1
        one.in_flight = True
        first = self._question.page(one.after, one.upto, start=0 if one.count else -1)
        steps = range(position, position + one.commands - 1)
        return [first, *(self._link(step, one.upto) for step in steps)]

    def _take(self, aboard: Sequence[tuple[Range, int]], outcomes: Sequence[Outcome]) -> None:
        position = 0
        for one, commands in aboard:
            one.in_flight = False
            for outcome in outcomes[position : position + commands]:
                # After a page that is not full, references lead nowhere and the list begins again.
                if one.ended or not self._take_page(one, outcome):
                    break
            position += commands
            if one.upto is not None and (one.expected or 0) > 2 * RANGE_ROWS and not one.ended:
                self._split(one, one.upto)

    def _take_page(self, one: Range, outcome: Outcome) -> bool:
        """Take the rows of a page; False if what follows it in the chain is not its continuation."""
        rows, counted = self._rows(outcome), one.count
        one.count = False
        if counted:
            one.expected = outcome.total if outcome.total and outcome.total > 0 else None
        if not rows:
            return self._take_nothing(one)
        ids = self._ids(rows)
        if one.after is not None and ids[0] <= one.after:
            raise Bitrix24ApiError("the portal repeats a page of the list", method=self._method)
        if any(left >= right for left, right in itertools.pairwise(ids)):
            raise Bitrix24ApiError("the portal does not sort the list by id", method=self._method)
        one.take(rows, ids[-1])
        one.close(full=len(rows) >= PAGE)
        # A reference finds the last row of a page only where it is the 50th of a list, not of a map, and
        # where the row spells its id as expected.
        how = self._question.how
        self._chains = self._chains and (
            len(rows) <= PAGE and is_listed(outcome.result, how.rows) and how.key[0] in rows[-1]
        )
        return len(rows) == PAGE

    def _take_nothing(self, one: Range) -> bool:
        one.checks += 1
        if one.checks > EMPTY_CHECKS:
            raise Bitrix24ApiError(
                f"the portal counts {one.expected} more rows than it returns", method=self._method
            )
        one.close(full=False)
        return False

    def _rows(self, outcome: Outcome) -> list[Any]:
        return self._question.rows(outcome)

    def _ids(self, rows: Sequence[Any]) -> list[int]:
        return [self._question.id_of(row) for row in rows]

    @property
    def _method(self) -> str:
        return self._question.call.method


def _is_plain(value: Any) -> bool:
    """Whether a value is made of texts and numbers only, which text carries as they are."""
    if isinstance(value, Mapping):
        return all(map(_is_plain, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return type(value) in (int, str)
