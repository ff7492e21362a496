"""Every row of a list method: by id where that is possible, by offset elsewhere; complete, or an error."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError
from airflow_provider_b24.rest.calls import Call, consumes, shown
from airflow_provider_b24.rest.encoding import goes_alone, json_params
from airflow_provider_b24.rest.flights import Flights, Reads
from airflow_provider_b24.rest.keyset import KeysetReader, Question, is_logical
from airflow_provider_b24.rest.lists import ListMethod, list_method
from airflow_provider_b24.rest.offset import OffsetReader
from airflow_provider_b24.rest.rows import rows_in

if TYPE_CHECKING:
    from airflow_provider_b24.rest.replies import Outcome

COUNTED_TRIES = 2  # of the first page; counting a very long list can take longer than the portal allows


def read_list(
    reads: Reads, method: str, params: Mapping[str, Any] | None = None, *, after: int | None = None
) -> Iterator[Any]:
    """
    Yield every row of a list method, in the order of their ids or in the order that the parameters ask for.

    :param reads: what the requests are sent with.
    :param method: name of the list method.
    :param params: its parameters. ``start`` is left to the reader.
    :param after: yield only rows with a higher id; only for what ``is_read_by_id``.
    :raises Bitrix24InputError: the parameters cannot be sent, or skip a part of the list.
    :raises Bitrix24Error: the list cannot be read, or not completely.
    """
    call = Call(method, {} if params is None else params)
    if consumes(method):
        raise Bitrix24InputError("this method deletes what it returns: call the method itself", method=method)
    json_params(call)
    call = Call(method, _whole(method, call.params))
    how = list_method(method)
    by_id = is_read_by_id(method, call.params)
    if after is not None and not by_id:
        raise Bitrix24InputError("this list is not read by id and cannot be resumed", method=method)
    call, added = _with_id(call, how)
    pages = _by_id(reads, call, after) if by_id else _by_offset(reads, call)
    rows = itertools.chain.from_iterable(pages)
    return (_without(added, row) for row in rows) if added else rows


def is_read_by_id(method: str, params: Mapping[str, Any]) -> bool:
    """Whether a list is read in the order of its ids, so that reading can go on after any of them."""
    how = list_method(method)
    named = {str(name).lower(): value for name, value in params.items()}
    filter_ = named.get("filter") or {}
    if not how.keyset or not isinstance(filter_, Mapping) or (is_logical(filter_) and not how.nests):
        return False
    return _is_order_by_id(named.get("order"), named.get("sort"), how)


def _is_order_by_id(order: Any, sort: Any, how: ListMethod) -> bool:
    if not order and not sort:
        return True
    if how.order == "order":
        if not isinstance(order, Mapping):
            return False
        pairs = [(str(name).upper(), str(way).upper()) for name, way in order.items()]
        return not sort and pairs == [(how.id.upper(), "ASC")]
    return str(sort or how.id).upper() == how.id.upper() and str(order or "ASC").upper() == "ASC"


def _whole(method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """
    Return the parameters without those that are empty and without ``start``.

    A ``start`` of 0 or -1 means the whole list; any other a part of it.
    """
    given = next((name for name in params if str(name).lower() == "start"), None)
    if given is not None and str(params[given]).strip() not in {"0", "-1", "", "None"}:
        raise Bitrix24InputError(
            f"{given}={shown(params[given])} would skip rows: a list is always read as a whole. "
            "Leave it out, or call the method itself for a single page",
            method=method,
        )
    return {
        name: value
        for name, value in params.items()
        if name != given and not (isinstance(value, list | tuple | Mapping) and not value)
    }


def _by_id(reads: Reads, call: Call, after: int | None) -> Iterator[list[Any]]:
    how = list_method(call.method)
    question = Question(call, how)
    flights = _flights(reads, call)
    try:
        first = _first_page(flights, lambda start: question.page(after, start=start))
        if _is_sorted(first, question):
            yield from KeysetReader(question, flights).pages(first, after)
            return
    finally:
        flights.close()
    if after is not None:
        raise Bitrix24InputError("this portal does not sort the list by id", method=call.method)
    yield from _by_offset(reads, call)


def _by_offset(reads: Reads, call: Call) -> Iterator[list[Any]]:
    how = list_method(call.method)
    flights = _flights(reads, call)
    reader = OffsetReader(_with_last_order(call, how), how, flights)
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
    rows = rows_in(first.result, question.how.rows, question.call.method)
    try:
        ids = [question.id_of(row) for row in rows]
    except Bitrix24Error:
        return False
    return all(left < right for left, right in itertools.pairwise(ids))


def _with_id(call: Call, how: ListMethod) -> tuple[Call, str]:
    """Add the id to ``select`` where it is missing; also return its name if it was added."""
    name = next((name for name in call.params if str(name).lower() == "select"), None)
    select = call.params.get(name) if name is not None else None
    if not isinstance(select, Sequence) or isinstance(select, str) or len(how.key) != 1:
        return call, ""
    if not select or "*" in select:
        return call, ""
    field = how.key[0]
    if any(str(one).upper() == field.upper() for one in select):
        return call, ""
    return Call(call.method, {**call.params, str(name): [*select, field]}), field


def _without(field: str, row: Any) -> Any:
    return {name: value for name, value in row.items() if name != field} if isinstance(row, Mapping) else row


def _with_last_order(call: Call, how: ListMethod) -> Call:
    """Sort rows that are equal in the given order by id, or they could change places between two pages."""
    name = next((name for name in call.params if str(name).lower() == "order"), None)
    order = call.params.get(name) if name is not None else None
    if not isinstance(order, Mapping) or not order or not how.keyset or how.order != "order":
        return call
    if any(str(one).upper() == how.id.upper() for one in order):
        return call
    return Call(call.method, {**call.params, str(name): {**order, how.id: "ASC"}})
