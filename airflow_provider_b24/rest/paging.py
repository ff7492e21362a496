"""Every row of a list method: by id where that is possible, by offset elsewhere; complete, or an error."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError
from airflow_provider_b24.rest.calls import Call, consumes
from airflow_provider_b24.rest.encoding import goes_alone, json_params
from airflow_provider_b24.rest.flights import Flights, Reads
from airflow_provider_b24.rest.keyset import KeysetReader
from airflow_provider_b24.rest.list_params import (
    asks_by_id,
    filter_of,
    is_logical,
    whole_list,
    with_id,
    with_last_order,
)
from airflow_provider_b24.rest.lists import ListMethod, list_method
from airflow_provider_b24.rest.offset import OffsetReader
from airflow_provider_b24.rest.question import Question
from airflow_provider_b24.rest.same_question import report_offset

if TYPE_CHECKING:
    from airflow_provider_b24.rest.replies import Outcome

COUNTED_TRIES = 2  # of the first page; counting a very long list can take longer than the portal allows


class Rows:
    """
    The rows of a list; an iterator.

    :ivar by_id: whether the rows come in strictly ascending order of their id. Until the first row has been
        taken this is what is expected; from then on it is so, or is not.
    """

    def __init__(self, by_id: bool) -> None:
        self.by_id = by_id
        self._rows: Iterator[Any] = iter(())

    def __iter__(self) -> Iterator[Any]:
        return self._rows

    def __next__(self) -> Any:
        return next(self._rows)

    def take_from(self, rows: Iterator[Any]) -> Rows:
        """Yield these rows from now on."""
        self._rows = rows
        return self


def read_list(
    reads: Reads, method: str, params: Mapping[str, Any] | None = None, *, after: int | None = None
) -> Rows:
    """
    Return every row of a list method, in the order of their ids or in the order that the parameters ask for.

    :param reads: what the requests are sent with.
    :param method: name of the list method.
    :param params: its parameters. ``start`` is left to the reader.
    :param after: yield only rows with a higher id; only for what ``is_read_by_id``.
    :raises Bitrix24InputError: the parameters cannot be sent, or skip a part of the list, or the method pages
        in a way that is not supported.
    :raises Bitrix24Error: the list cannot be read, or not completely.
    """
    call, how = Call(method, {} if params is None else params), list_method(method)
    if consumes(method):
        raise Bitrix24InputError("this method deletes what it returns: call the method itself", method=method)
    if how.paging == "refused":
        raise Bitrix24InputError(
            f"this method pages by {how.pages.refusal}, which a list cannot be read by safely. "
            "Call the method itself, page after page (Bitrix24Operator, hook.call)",
            method=method,
        )
    call = whole_list(call, how)
    json_params(call)
    by_id = _may_be_by_id(call, how)
    if after is not None and not by_id:
        raise Bitrix24InputError("this list is not read by id and cannot be resumed", method=method)
    call, added = with_id(call, how)
    result = Rows(by_id)
    pages = _by_id(reads, call, after, result) if by_id else _by_offset(reads, call)
    rows = itertools.chain.from_iterable(pages)
    return result.take_from((_without(added, row) for row in rows) if added else rows)


def is_read_by_id(method: str, params: Mapping[str, Any]) -> bool:
    """Whether a list is expected to be read in the order of its ids, so that it can be resumed after one."""
    how = list_method(method)
    return _may_be_by_id(whole_list(Call(method, params), how), how)


def _may_be_by_id(call: Call, how: ListMethod) -> bool:
    filter_ = filter_of(call, how) or {}
    if not how.keyset or not isinstance(filter_, Mapping) or (is_logical(filter_) and not how.nests):
        return False
    return asks_by_id(call, how)


def _by_id(reads: Reads, call: Call, after: int | None, result: Rows) -> Iterator[list[Any]]:
    how = list_method(call.method)
    question = Question(call, how)
    flights = _flights(reads, call)
    try:
        first = _first_page(flights, lambda start: question.page(after, start=start))
        reason = "the portal does not sort the list by id"
        if _is_sorted(first, question):
            reader = KeysetReader(question, flights)
            reason = reader.begin(first, after)
            if not reason:
                yield from reader.pages()
                return
    finally:
        flights.close()
    result.by_id = False
    if after is not None:
        raise Bitrix24InputError(f"{reason}: it cannot be resumed", method=call.method)
    report_offset(call.method, reason)
    yield from _by_offset(reads, call)


def _by_offset(reads: Reads, call: Call) -> Iterator[list[Any]]:
    how = list_method(call.method)
    flights = _flights(reads, call)
    reader = OffsetReader(with_last_order(call, how), how, flights)
    try:
        first = _first_page(flights, lambda start: reader.first_call())
        yield from reader.pages(first)
    finally:
        flights.close()


def _flights(reads: Reads, call: Call) -> Flights:
    # Every page must ask the same question, and a batch cannot ask this one.
    return Flights(reads, call.method, takes_batches=not goes_alone(call))


def _first_page(flights: Flights, call: Callable[[int], Call]) -> Outcome:
    outcomes: Sequence[Outcome] = ()
    tries = 0
    while not outcomes:
        asked = call(0 if tries < COUNTED_TRIES else -1)
        flights.room(asked)
        flights.send(None, [asked])
        _, outcomes = flights.receive()
        tries += 1
    return outcomes[0]


def _is_sorted(first: Outcome, question: Question) -> bool:
    """Whether the portal sorted the first page by an id that can be read."""
    rows = question.rows(first)
    try:
        ids = [question.id_of(row) for row in rows]
    except Bitrix24Error:
        return False
    return all(left < right for left, right in itertools.pairwise(ids))


def _without(field: str, row: Any) -> Any:
    return {name: value for name, value in row.items() if name != field} if isinstance(row, Mapping) else row
