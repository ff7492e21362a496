"""
Lists by offset, for what cannot be read by id: pages in batches, and a check that none was lost or doubled.

A row that is deleted while the list is read moves all later rows one place forward, and the next page begins
one row too late. So each batch begins with the last page of the batch before, a batch counts only as far as
the total has not fallen, and rows that were read already are dropped.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from airflow_provider_b24.errors import Bitrix24ApiError
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.flights import Flights
from airflow_provider_b24.rest.lists import PAGE, ListMethod, Paging
from airflow_provider_b24.rest.rows import has_more, row_key, rows_in

if TYPE_CHECKING:
    from airflow_provider_b24.rest.replies import Outcome

GROWTH = 4  # times as many pages in the next batch while it is not known how many there are
MAX_CHANGES = 5  # times in a row that a list may change while it is read, before the reader gives up


def page_call(call: Call, paging: Paging, start: int) -> Call:
    """Return the call for the page of 50 rows that begins at a row."""
    params = dict(call.params)
    if paging == "start":
        return Call(call.method, params | {"start": start} if start else params)
    if paging == "OFFSET":
        return Call(call.method, params | {"OFFSET": start, "LIMIT": PAGE})
    # This method takes its parameters by position, so that none before PARAMS may be left out.
    by_position = {"ORDER": {"ID": "ASC"}, "FILTER": {">ID": 0}, "SELECT": ["*"], "PARAMS": {}}
    given = by_position | {name: value for name, value in params.items() if value}
    page = {"nPageSize": PAGE, "iNumPage": start // PAGE + 1}
    order = [name for name in given if name not in by_position] + list(by_position)
    return Call(call.method, {name: given[name] for name in order} | {"PARAMS": {"NAV_PARAMS": page}})


class Page(NamedTuple):
    """
    One page of the list.

    :ivar start: which row of the list it begins with.
    :ivar total: how many rows there are, if the portal's number can be right.
    :ivar next: where the next page begins, according to the portal.
    :ivar has_more: whether there are more pages, if the result itself says so.
    """

    start: int
    rows: list[Any]
    total: int | None = None
    next: int | None = None
    has_more: bool | None = None

    @property
    def end(self) -> int:
        return self.start + len(self.rows)

    def is_followed(self) -> bool:
        """Whether there is, or may be, another page: that there is no ``next`` proves nothing."""
        if self.has_more is not None:
            return self.has_more
        if self.next is not None and self.next > self.start:
            return True
        if self.total is not None and (self.total > self.end or self.start > 0):
            return self.total > self.end
        if self.start == 0 and len(self.rows) > PAGE:
            return False  # the method does not page
        return len(self.rows) >= PAGE


class SeenRows:
    """
    Which rows were read: known by their key, or by all they contain where the method has no known key.

    :param rows: the first page. If rows in it are equal, rows of this list cannot be told apart.
    :param key: the fields that identify a row.
    """

    def __init__(self, rows: Sequence[Any], key: Sequence[str]) -> None:
        self._key = key
        self._seen: set[Any] = set()
        self.count = 0
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

    def _identity(self, row: Any) -> Any:
        key = row_key(row, self._key)
        return (
            hash(json.dumps(row, sort_keys=True, default=str))
            if key is None
            else key[0]
            if len(key) == 1
            else key
        )


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
        self._paging: Paging = how.paging
        self._flights = flights
        self._size = PAGE
        self._last = Page(0, [])
        self._commands = 1
        self._changes = 0
        self._next: Literal["pages", "last", "alone"] = "pages"
        self._fewest: int | None = None

    def first_call(self) -> Call:
        """Return the call for the first page."""
        return page_call(self._call, self._paging, 0)

    def pages(self, first: Outcome) -> Iterator[list[Any]]:
        """
        Yield the rows, page by page.

        :param first: the first page.
        :raises Bitrix24ApiError: the list is not complete, or that cannot be told.
        """
        page = self._parse(0, first)
        seen = SeenRows(page.rows, self._how.key)
        self._size = page.next if page.next is not None and page.next > 0 else PAGE
        self._last = page
        yield seen.take(page.rows)
        while self._last.is_followed():
            yield from self._read_on(seen)
        if self._fewest is not None and seen.count < self._fewest:
            raise self._incomplete(f"the portal counts {self._fewest} rows but returned only {seen.count}")

    def _read_on(self, seen: SeenRows) -> Iterator[list[Any]]:
        """Read the next pages with one request, as far as they certainly follow the last one."""
        starts = self._starts()
        self._flights.send(None, [page_call(self._call, self._paging, start) for start in starts])
        _, outcomes = self._flights.receive()
        for start, outcome in zip(starts, outcomes, strict=False):
            page = self._parse(start, outcome)
            if not page.rows and page.is_followed():
                raise self._incomplete(f"the portal counts {page.total} rows but returned only {seen.count}")
            if self._has_changed(page, seen):
                return
            if not seen.distinct and start > self._last.start and self._is_hopeless(page):
                raise self._incomplete("the portal repeats a page of the list, or leaves out rows of it")
            new = seen.take(page.rows) if seen.distinct or start > self._last.start else []
            if page.rows and not new and start > self._last.start and self._is_repeated(page):
                return
            if new and len(new) < len(page.rows):
                self._check_others(page)
            self._last = page
            self._next = "alone"  # should the command for the page after this one fail
            if new:
                self._changes, self._next = 0, "pages"
                yield new
            if not page.is_followed():
                return

    def _starts(self) -> list[int]:
        """Where the pages of the next request begin: the last page again, then those that follow it."""
        last, step = self._last, self._size
        left = (last.total - last.start - step) / step if last.total is not None else None
        self._commands = self._commands * GROWTH if left is None else max(1, math.ceil(left))
        room = self._flights.room(page_call(self._call, self._paging, last.start + step))
        if room == 1 or self._next == "alone":
            return [last.start if self._next == "last" else last.start + step]
        count = min(self._commands + 1, room)
        self._commands = count - 1
        return [last.start + step * index for index in range(count)]

    def _parse(self, start: int, outcome: Outcome) -> Page:
        rows = rows_in(outcome.result, self._how.rows, self._call.method)
        total = outcome.total
        if total is not None and (total < 1 or total < start + len(rows)):
            total = None  # not counted, or the number of rows in this page
        if total is not None:
            self._fewest = total if self._fewest is None else min(self._fewest, total)
        return Page(start, rows, total, outcome.next, has_more(outcome.result))

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

    def _is_repeated(self, page: Page) -> bool:
        """
        Decide about a page without a new row: True if the request has nothing more to give.

        :raises Bitrix24ApiError: the portal does not page as expected.
        """
        if self._paging == "NAV_PARAMS":  # beyond the last page, another page is repeated
            self._last = Page(page.start, [])
            return True
        self._changes += 1
        if page.rows != self._last.rows and self._changes <= MAX_CHANGES:
            self._check_others(page)
            return False
        if self._paging == "start" and page.has_more:
            self._paging = "OFFSET"
            self._next = "pages"
            return True
        raise self._incomplete("the portal repeats a page of the list")

    def _incomplete(self, what: str) -> Bitrix24ApiError:
        return Bitrix24ApiError(what, method=self._call.method, temporary=True)
