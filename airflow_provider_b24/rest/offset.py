"""
Lists by offset, for what cannot be read by id: pages in batches, and a check that none was lost or doubled.

A row that is deleted while the list is read moves all later rows one place forward, and the next page begins
one row too late. So each batch begins with the last page of the batch before, a batch counts only as far as
the total has not fallen, and rows that were read already are dropped.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_b24.errors import Bitrix24ApiError, Bitrix24InputError
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.flights import Flights
from airflow_provider_b24.rest.list_description import PAGE, ListMethod
from airflow_provider_b24.rest.list_params import parameter
from airflow_provider_b24.rest.pages import Page, Selecting, may_be_a_page, page_call
from airflow_provider_b24.rest.rows import has_more, row_key, rows_in
from airflow_provider_b24.rest.same_question import (
    Sample,
    identities,
    report_alone,
    same_in_batch,
    sample,
)

if TYPE_CHECKING:
    from airflow_provider_b24.rest.replies import Outcome

GROWTH = 4  # times as many pages in the next batch while it is not known how many there are
MAX_CHANGES = 5  # times in a row that a list may change while it is read, before the reader gives up
_ADVICE = "Call the method itself, page after page, as its documentation says."

log = logging.getLogger(__name__)


class SeenRows:
    """
    Which rows were read: known by their key, or by all they contain where the method has no known key.

    :param rows: the first page. If rows in it are equal, rows of this list cannot be told apart.
    :param key: the fields that identify a row.
    :ivar count: how many rows were read.
    :ivar first: how many rows the first page has.
    :ivar fewest: the lowest number of rows that the portal counted.
    """

    def __init__(self, rows: Sequence[Any], key: Sequence[str]) -> None:
        self._key = key
        self._seen: set[Any] = set()
        self.count = 0
        self.first = len(rows)
        self.fewest: int | None = None
        self.distinct = len({self._identity(row) for row in rows}) == len(rows)

    def __contains__(self, row: Any) -> bool:
        return self._identity(row) in self._seen

    def take(self, rows: Sequence[Any]) -> list[Any]:
        """Return the rows that are new, and remember them."""
        new = [row for row in rows if not self.distinct or row not in self]
        if self.distinct:
            self._seen.update(map(self._identity, new))
        self.count += len(new)
        return new

    def note_total(self, total: int | None) -> None:
        """Remember how many rows the portal counts, if it does."""
        if total is not None:
            self.fewest = total if self.fewest is None else min(self.fewest, total)

    def _identity(self, row: Any) -> Any:
        key = row_key(row, self._key)
        if key is None:
            return hash(json.dumps(row, sort_keys=True, default=str))
        return key[0] if len(key) == 1 else key


class OffsetReader:
    """
    Reads one list by offset; iterate it once.

    :param call: the method with its parameters, without those that select a page.
    :param how: how the method pages.
    :param flights: what its requests are sent with.
    """

    def __init__(self, call: Call, how: ListMethod, flights: Flights) -> None:
        self._call = call
        self._how = how
        self._paging: Selecting = how.paging
        self._flights = flights
        self._size = PAGE
        self._last = Page(0, [])
        self._commands = 1
        self._changes = 0
        self._next: Literal["pages", "last", "alone"] = "pages"
        self._compared = False

    def first_call(self) -> Call:
        """Return the call for the first page."""
        return self._page_call(0)

    def pages(self, first: Outcome) -> Iterator[list[Any]]:
        """
        Yield the rows, page by page.

        :param first: the first page.
        :raises Bitrix24InputError: the method can return only a part of the list.
        :raises Bitrix24ApiError: the list is not complete, or that cannot be told.
        """
        page = self._page(0, first)
        self._check_limit(page)
        seen = SeenRows(page.rows, self._how.key)
        seen.note_total(page.total)
        if page.next is not None and page.next > 0:
            self._size = page.next
        elif page.names_more() is None and self._is_full(page):
            # Perhaps a full page of a method that pages in its own way: look before asking for many pages.
            self._size = len(page.rows)
            self._next = "pages" if self._how.paging == "start" else "alone"
        self._last = page
        yield seen.take(page.rows)
        while self._is_followed(self._last, seen):
            yield from self._read_on(seen)
        if seen.fewest is not None and seen.count < seen.fewest:
            raise self._incomplete(f"the portal counts {seen.fewest} rows but returned only {seen.count}")

    def _read_on(self, seen: SeenRows) -> Iterator[list[Any]]:
        """Read the next pages with one request, as far as they certainly follow the last one."""
        starts = self._starts(seen)
        outcomes = self._ask(starts)
        if len(starts) > 1 and outcomes and not self._is_compared(starts[0], outcomes[0]):
            report_alone(self._call.method)
            self._flights.send_alone()
            return
        for start, outcome in zip(starts, outcomes, strict=False):
            page = self._page(start, outcome)
            seen.note_total(page.total)
            later = start > self._last.start
            if not page.rows and self._is_followed(page, seen):
                raise self._incomplete(f"the portal counts {page.total} rows but returned only {seen.count}")
            if self._has_changed(page, seen):
                return
            if later and self._repeats_last(page, seen):
                self._take_repeated(page, seen)
                return
            if not seen.distinct and later and self._is_hopeless(page):
                raise self._incomplete("the portal repeats a page of the list, or leaves out rows of it")
            new = seen.take(page.rows) if seen.distinct or later else []
            if page.rows and not new and later:
                self._changes += 1
                if self._changes > MAX_CHANGES:
                    raise self._incomplete("the portal repeats a page of the list")
                self._check_others(page)
            if new and len(new) < len(page.rows):
                self._check_others(page)
            self._last = page
            self._next = "alone"  # should the command for the page after this one fail
            if new:
                self._changes, self._next = 0, "pages"
                yield new
            if not self._is_followed(page, seen):
                return

    def _ask(self, starts: Sequence[int]) -> Sequence[Outcome]:
        calls = [self._page_call(start) for start in starts]
        self._flights.send(None, calls)
        try:
            return self._flights.receive().outcomes
        except Bitrix24ApiError as error:
            if self._paging != "any" or error.temporary:
                raise
            self._end_of_unknown(len(self._last.rows))  # it does not take these parameters
            return ()

    def _is_compared(self, start: int, outcome: Outcome) -> bool:
        """Whether a batch asks what single requests ask; found out once, with the page that it repeats."""
        if not self._compared:
            call = self._page_call(start)
            alone = sample(self._last.rows, self._last.total, self._how.key)
            self._compared = same_in_batch(self._flights, call, self._sample, alone, self._sample(outcome))
        return self._compared

    def _sample(self, outcome: Outcome) -> Sample:
        page = self._page(0, outcome)
        return sample(page.rows, page.total, self._how.key)

    def _is_followed(self, page: Page, seen: SeenRows) -> bool:
        """Whether there is, or may be, another page."""
        more = page.names_more()
        if more is not None:
            return more
        if page.start == 0:
            return self._is_full(page)
        # Where rows cannot be told apart, a page beyond the end might be the last one again.
        counted = page.total is not None and not seen.distinct
        return len(page.rows) >= self._size and not counted

    def _is_full(self, page: Page) -> bool:
        """Whether the first page, about whose successor the portal says nothing, may have one."""
        count = len(page.rows)
        if self._how.paging in ("offset", "OFFSET", "unknown"):
            counted = page.total is not None and count != PAGE
            return (may_be_a_page(count) or count == _given_limit(self._call)) and not counted
        return count == PAGE and self._how.paging != "limit"

    def _starts(self, seen: SeenRows) -> list[int]:
        """Where the pages of the next request begin: the last page again, then those that follow it."""
        last, step = self._last, self._size
        following = last.start + step
        if last.total is None:
            self._commands *= GROWTH
        else:
            left = last.total - last.start
            # Also the page behind the last one, if that is full: the count may be wrong by one.
            self._commands = max(1, left // step if seen.distinct else math.ceil((left - step) / step))
        room = self._flights.room(self._page_call(following))
        if room == 1 or self._next == "alone":
            self._commands = 1
            return [last.start if self._next == "last" else following]
        count = min(self._commands + 1, room)
        self._commands = count - 1
        return [last.start + step * index for index in range(count)]

    def _page_call(self, start: int) -> Call:
        return page_call(self._call, self._how, self._paging, start, self._size)

    def _page(self, start: int, outcome: Outcome) -> Page:
        rows = rows_in(outcome.result, self._how.rows, self._call.method)
        more = has_more(outcome.result)
        if self._paging == "any" and len(rows) > self._size:
            rows, more = rows[: self._size], True
        total = outcome.total
        if total is not None and (total < 1 or total < start + len(rows)):
            total = None  # not counted, or the number of rows in this page
        return Page(start, rows, total, outcome.next, more)

    def _check_limit(self, page: Page) -> None:
        if self._how.paging == "limit" and len(page.rows) >= self._how.pages.size:
            raise Bitrix24InputError(
                f"this method returns at most {self._how.pages.size} rows and has no further pages, so the "
                "list may be longer: ask for less, or call the method itself",
                method=self._call.method,
            )

    def _has_changed(self, page: Page, seen: SeenRows) -> bool:
        """Whether rows moved since the last page was read, so that reading goes on from that page again."""
        last = self._last
        fell = page.total is not None and last.total is not None and page.total < last.total
        again = page.start == last.start
        if again and not seen.distinct and page.rows != last.rows:
            raise self._incomplete("the list changed while it was read, and its rows have no id to compare")
        lost = again and seen.distinct and not any(row in seen for row in page.rows)
        if not fell and not lost:
            return False
        self._changes += 1
        if self._changes > MAX_CHANGES:
            raise self._incomplete("the list keeps changing while it is read")
        back = self._size * self._changes if lost else 0
        self._last = last._replace(total=page.total, start=max(0, last.start - back))
        self._next = "last"
        return True

    def _is_hopeless(self, page: Page) -> bool:
        """Whether a page of rows that cannot be told apart is repeated, or leaves out counted rows."""
        if page.total is None:
            return bool(page.rows) and page.rows == self._last.rows
        return page.total > page.end and len(page.rows) < self._size

    def _check_others(self, page: Page) -> None:
        """
        Check that rows of a page that equal earlier ones cannot be others, which no count would miss.

        :raises Bitrix24ApiError: they may be.
        """
        uncounted = page.total is None and page.start > self._last.start
        if uncounted and any(row_key(row, self._how.key) is None for row in page.rows):
            raise self._incomplete("the list has equal rows without an id, and the portal counts none")

    def _repeats_last(self, page: Page, seen: SeenRows) -> bool:
        """Whether this page is the one before it once more, row for row."""
        if not page.rows or (not seen.distinct and page.total is not None):
            return False
        key = self._how.key
        return identities(page.rows, key) == identities(self._last.rows, key)

    def _take_repeated(self, page: Page, seen: SeenRows) -> None:
        """
        Decide what it means that the page before came again: the end, or that pages are selected otherwise.

        :raises Bitrix24ApiError: the portal does not page as expected.
        """
        is_first = self._last.start == 0
        counted = seen.fewest is not None and seen.first < seen.fewest <= seen.count
        if self._how.paging in ("all", "NAV_PARAMS") or (counted and seen.distinct):
            self._last = Page(page.start, [])  # beyond the last page, another one is repeated
        elif self._paging in ("start", "unknown") and page.has_more:
            self._paging, self._next = "OFFSET", "pages"
        elif self._paging == "unknown" and is_first:
            self._paging, self._next = "any", "alone"
        elif self._paging == "any" and is_first and not page.has_more:
            self._end_of_unknown(len(self._last.rows))
        else:
            raise self._incomplete("the portal repeats a page of the list", temporary=self._paging != "any")

    def _end_of_unknown(self, count: int) -> None:
        """
        Decide whether the page of a method that ignores all that selects a page is the whole list.

        :raises Bitrix24ApiError: that cannot be told.
        """
        if count >= PAGE:
            raise self._incomplete(
                "the portal repeats a page of the list: this method ignores start, limit and offset, and "
                f"nothing shows whether {count} rows are all",
                temporary=False,
            )
        log.warning(
            "%s: this method is not known, counts no rows, and ignores start, limit and offset. Its %s rows "
            "are taken for the whole list.",
            self._call.method,
            count,
        )
        self._last = Page(self._size, [])

    def _incomplete(self, what: str, temporary: bool = True) -> Bitrix24ApiError:
        advice = None if temporary else _ADVICE
        return Bitrix24ApiError(what, method=self._call.method, temporary=temporary, advice=advice)


def _given_limit(call: Call) -> int | None:
    """The number of rows that the parameters of a method that is not known ask for, if they do."""
    name = parameter(call.params, "limit")
    value = None if name is None else call.params[name]
    return int(value) if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()) else None
