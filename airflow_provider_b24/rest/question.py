"""
What is asked of a list that is read by id, page after page, and the checks that a portal understands it.

A page by id adds a condition, and a command of a batch carries text where a single request carries JSON. A
portal that reads one of them differently answers with other rows and no error. So before any row of a batch
counts, the first page is compared with itself in a batch, and its count with that of the rest.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_b24.errors import Bitrix24ApiError
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.flights import Flights
from airflow_provider_b24.rest.list_description import PAGE, ListMethod
from airflow_provider_b24.rest.list_params import narrowed
from airflow_provider_b24.rest.names import is_parameter
from airflow_provider_b24.rest.references import Ref
from airflow_provider_b24.rest.rows import is_listed, row_id, rows_in
from airflow_provider_b24.rest.same_question import TRIES, Sample, agree, ask_one, sample

if TYPE_CHECKING:
    from airflow_provider_b24.rest.replies import Outcome

Verdict = Literal["batches", "alone", "offset"]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a list method, page after page."""

    call: Call
    how: ListMethod

    def page(
        self, after: Any = None, upto: int | None = None, *, start: int = -1, direction: str = "ASC"
    ) -> Call:
        """
        Return the call for a page of 50 rows by id.

        :param after: only ids above this one: a number, or a reference to a row of the same batch.
        :param upto: only ids up to this one.
        :param start: 0 to have the rows counted, -1 not to.
        """
        how, given = self.how, self.call.params
        ours = (how.parameters.order, how.parameters.sort, "order", "sort")
        params = {
            name: value for name, value in given.items() if not any(is_parameter(name, one) for one in ours)
        }
        own: dict[str, Any] = {}
        if after is not None:
            own[f">{how.id}"] = after
        if upto is not None:
            own[f"<={how.id}"] = upto
        if own:
            params[how.filter] = narrowed(given.get(how.filter) or {}, own)
        if how.parameters.sort:
            params |= {how.parameters.sort: how.id, how.parameters.order: direction}
        else:
            params[how.parameters.order] = {how.id: direction}
        return Call(self.call.method, params | {"start": start})

    def id_of(self, row: Any) -> int:
        """
        Return the id of a row.

        :raises Bitrix24ApiError: the row has none.
        """
        return row_id(row, self.how.key[0], self.call.method)

    def reference(self, position: int) -> Ref:
        """Return the id of the last row of a full page, by the page's position in the batch."""
        return Ref(position, *([self.how.rows] if self.how.rows else []), PAGE - 1, *self.how.key)

    def rows(self, outcome: Outcome) -> list[Any]:
        """Return the rows of an answer."""
        return rows_in(outcome.result, self.how.rows, self.call.method)

    def ids(self, outcome: Outcome) -> list[int]:
        """Return the ids of an answer's rows."""
        return [self.id_of(row) for row in self.rows(outcome)]

    def last_id(self, outcome: Outcome) -> int:
        """Return the highest id of an answer's rows; 0 if it has none."""
        return max(self.ids(outcome), default=0)

    def sample(self, outcome: Outcome) -> Sample:
        """Return what can be compared of an answer."""
        return sample(self.rows(outcome), outcome.total, self.how.key)

    def after_same(self, page: Outcome, start: int) -> Call:
        """Return the call for what follows the same page in a batch, wherever that ends by then."""
        full = len(self.rows(page)) == PAGE and is_listed(page.result, self.how.rows)
        return self.page(self.reference(0) if full else self.last_id(page), start=start)

    def follows(self, page: Outcome, rest: Outcome, last: int) -> bool:
        """Whether the rest of a list, above an id, is what the list itself says is above it."""
        try:
            ids, more = self.ids(page), self.ids(rest)
        except Bitrix24ApiError:
            return False
        if any(one <= last for one in more) or any(left >= right for left, right in itertools.pairwise(more)):
            return False
        if not page.total or (not rest.total and more):
            return True  # not counted
        if len(ids) >= PAGE and ids[-1] < last:
            return False  # so many rows have come before that id that the page does not reach it
        return page.total - sum(one <= last for one in ids) == (rest.total or 0)


def how_to_read(
    question: Question,
    flights: Flights,
    call: Call,
    first: Outcome,
    again: Outcome | None,
    rest: Outcome,
    last: int,
) -> Verdict:
    """
    Return how a list is to be read on: by id in batches, by id with single requests, or by offset.

    :param call: the call for the first page.
    :param first: the answer to it alone.
    :param again: the answer to it as a command of a batch, if it was one.
    :param rest: the answer to the call for what is above the first page.
    :param last: the id above which that is.
    """
    start = 0 if first.total else -1
    follows = question.follows(first if again is None else again, rest, last)
    before = None if again is None else question.sample(first)
    same = again is None or (before is not None and agree(before, question.sample(again), before))
    if same and follows:
        return "batches"
    for _ in range(TRIES):
        # The list may have changed between the requests: compare with what is there now.
        now = ask_one(flights, call)
        if before is not None and again is not None:
            same = same or agree(before, question.sample(again), question.sample(now))
        if (same and follows) or not question.rows(now):
            return "batches"
        again, rest = _page_and_rest(question, flights, call, now, start)
        before = question.sample(now)
        follows = follows or question.follows(again, rest, question.last_id(again))
    if same:
        return "offset"
    for _ in range(TRIES):
        now = ask_one(flights, call)
        last = question.last_id(now)
        if question.follows(now, ask_one(flights, question.page(last, start=start)), last):
            return "alone"
    return "offset"


def _page_and_rest(
    question: Question, flights: Flights, call: Call, now: Outcome, start: int
) -> tuple[Outcome, Outcome]:
    """
    Return the first page and what follows it, of the same moment if a batch brings both.

    :param now: the first page a moment ago.
    """
    outcomes: Sequence[Outcome] = ()
    if flights.room(call) > 1:
        flights.send(None, [call, question.after_same(now, start)])
        outcomes = flights.receive().outcomes
    if len(outcomes) > 1:
        return outcomes[0], outcomes[1]
    page = outcomes[0] if outcomes else ask_one(flights, call)
    return page, ask_one(flights, question.page(question.last_id(page), start=start))
