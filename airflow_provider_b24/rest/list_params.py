"""The parameters of a list method, so that its first page and every later one ask the same question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.rest.calls import Call, shown
from airflow_provider_b24.rest.list_description import ListMethod
from airflow_provider_b24.rest.names import find_name, is_parameter, same_name, split_condition

_SELECTING = ("filter", "order", "select", "sort")  # empty ones mean nothing, whatever the method
_NOTHING = {"0", "-1", "", "None"}


def whole_list(call: Call, how: ListMethod) -> Call:
    """
    Return the call with its parameters as every page is to be asked with.

    Names are spelled as the documentation spells them, conditions stand where they still count when one is
    added, and what would select only a part of the list is refused.

    :raises Bitrix24InputError: the parameters are ambiguous, skip a part of the list, or would match it all.
    """
    params = _spelled(call, how)
    params = _without_start(params, how, call.method)
    if how.parameters.options:
        params = _conditions_gathered(params, how, call.method)
    return Call(
        call.method, {name: value for name, value in params.items() if not _means_nothing(name, value, how)}
    )


def is_logical(given: Mapping[str, Any]) -> bool:
    """Whether a filter joins its conditions otherwise than by AND: ``logic`` in any case, ``::LOGIC``."""
    return any(str(name).strip().lstrip(":").lower() == "logic" for name in given)


def filter_of(call: Call, how: ListMethod) -> Any:
    """Return the value of the call's filter; None if it has none."""
    name = parameter(call.params, how.filter or "filter")
    return None if name is None else call.params[name]


def parameter(params: Mapping[str, Any], wanted: str) -> str | None:
    """Return the name by which a parameter is given, in any spelling that the portal takes."""
    return next((name for name in params if is_parameter(name, wanted)), None)


def asks_by_id(call: Call, how: ListMethod) -> bool:
    """Whether the order that is asked for is that of ascending ids, as it is if none is asked for."""
    order = _given(call, how.parameters.order or "order")
    sort = _given(call, how.parameters.sort or "sort")
    if not order and not sort:
        return True
    if not how.parameters.sort:
        if sort or not isinstance(order, Mapping) or len(order) != 1:
            return False
        ((name, way),) = order.items()
        return same_name(name, how.id) and str(way).upper() == "ASC"
    return same_name(sort or how.id, how.id) and str(order or "ASC").upper() == "ASC"


def with_id(call: Call, how: ListMethod) -> tuple[Call, str]:
    """Add the id to the selection where it is missing; also return what rows call it if it was added."""
    name = parameter(call.params, how.parameters.select or "select")
    select = call.params.get(name) if name is not None else None
    if name is None or not isinstance(select, Sequence) or isinstance(select, str) or len(how.key) != 1:
        return call, ""
    if not select or "*" in select or find_name(how.id, select) is not None:
        return call, ""
    return Call(call.method, {**call.params, name: [*select, how.id]}), how.key[0]


def with_last_order(call: Call, how: ListMethod) -> Call:
    """Sort rows that are equal in the given order by id, or they could change places between two pages."""
    named = how.parameters
    name = parameter(call.params, named.order) if named.order and not named.sort else None
    order = call.params.get(name) if name is not None else None
    if name is None or not isinstance(order, Mapping) or not order or not how.keyset:
        return call
    if find_name(how.id, order) is not None:
        return call
    return Call(call.method, {**call.params, name: {**order, how.id: "ASC"}})


def _given(call: Call, wanted: str) -> Any:
    name = parameter(call.params, wanted)
    return None if name is None else call.params[name]


def _spelled(call: Call, how: ListMethod) -> dict[str, Any]:
    """Return the parameters under the names that the method documents: it may drop others silently."""
    if how.paging == "unknown":
        return dict(call.params)
    wanted = [name for name in _names(how) if name]
    params: dict[str, Any] = {}
    for name, value in call.params.items():
        spelled = next((one for one in wanted if is_parameter(name, one)), name)
        if spelled in params:
            raise Bitrix24InputError(
                f"{spelled} is given more than once, in several spellings", method=call.method
            )
        params[spelled] = value
    return params


def _without_start(params: Mapping[str, Any], how: ListMethod, method: str) -> dict[str, Any]:
    """
    Leave out what selects a page, which is the reader's business.

    A ``start`` of 0 or -1 means the whole list; any other a part of it.
    """
    paging = {"start"} | ({"offset"} if how.paging in ("offset", "OFFSET", "unknown") else set())
    kept: dict[str, Any] = {}
    for name, value in params.items():
        if str(name).lower() not in paging:
            kept[name] = value
        elif str(value).strip() not in _NOTHING:
            raise Bitrix24InputError(
                f"{name}={shown(value)} would skip rows: a list is always read as a whole. "
                "Leave it out, or call the method itself for a single page",
                method=method,
            )
    return kept


def _conditions_gathered(params: Mapping[str, Any], how: ListMethod, method: str) -> dict[str, Any]:
    """
    Move conditions that stand at the top into the filter.

    The server reads them at the top only as long as there is no filter, and a page by id needs one.
    """
    options = {one.lower() for one in (*how.parameters.options, how.filter) if one}
    beside = {name: value for name, value in params.items() if str(name).lower() not in options}
    empty = next((name for name, value in beside.items() if _is_empty(value)), None)
    if empty is not None:
        raise Bitrix24InputError(
            f'{empty:.80} is empty: an empty list means "no condition" to the portal, so everything would '
            "match. Skip the call when there is nothing to look for",
            method=method,
        )
    if not how.filter or not beside:
        return dict(params)
    filter_ = params.get(how.filter)
    if filter_:
        raise Bitrix24InputError(
            f"the portal ignores conditions beside {how.filter}: move "
            f"{', '.join(map(str, beside)):.200} into it",
            method=method,
        )
    kept = {name: value for name, value in params.items() if name not in beside and name != how.filter}
    return {**kept, how.filter: beside}


def _means_nothing(name: str, value: Any, how: ListMethod) -> bool:
    return _is_empty(value) and any(is_parameter(name, one) for one in (*_SELECTING, *_names(how)))


def _names(how: ListMethod) -> tuple[str, ...]:
    """What the method calls its filter, order and selection."""
    named = how.parameters
    return (named.filter, named.order, named.sort, named.select)


def _is_empty(value: Any) -> bool:
    return isinstance(value, list | tuple | Mapping) and not value


def narrowed(given: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Add conditions to a filter; what was read already satisfies the given ones on the same field."""
    if is_logical(given):
        return {**own, "0": given}  # beside a top-level `logic: OR` they would be one more alternative
    mine = dict.fromkeys(map(split_condition, own))
    kept = {name: value for name, value in given.items() if not _is_one_of(name, mine)}
    return {**kept, **own}


def _is_one_of(key: Any, conditions: Mapping[tuple[str, str], Any]) -> bool:
    operator, field = split_condition(key)
    return any(operator == one and same_name(field, name) for one, name in conditions)
