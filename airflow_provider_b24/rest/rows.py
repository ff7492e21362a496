"""The rows inside the result of a list method, whatever shape PHP gave it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_b24.errors import Bitrix24ApiError
from airflow_provider_b24.rest.names import value_of

_MOST_DIGITS = 20
_USUAL_NAMES = ("items", "tasks", "result")


def rows_in(result: Any, name: str = "", method: str = "") -> list[Any]:
    """
    Return the rows of a page.

    They are the result itself or a list inside it. PHP writes a list whose keys have gaps as a map, and an
    empty map as a list; ``null`` and ``false`` mean that there are none.

    :param result: the ``result`` of the reply.
    :param name: what the list inside the result is called, if that is known.
    :param method: the REST method, for the error.
    :raises Bitrix24ApiError: there is no list of rows in it, or there are several.
    """
    if result is None or result is False:
        return []
    if isinstance(result, list):
        return result
    if isinstance(result, Mapping):
        if name and name in result:
            return _named_rows(result[name], name, method)
        if (rows := _rows_by_key(result)) is not None:
            return rows
        found = {key: rows for key, value in result.items() if (rows := _inner_rows(value)) is not None}
        chosen = next((usual for usual in _USUAL_NAMES if usual in found), None)
        filled = [key for key, rows in found.items() if rows]
        if chosen is not None and (found[chosen] or not filled):
            return found[chosen]
        if len(filled) == 1:
            return found[filled[0]]
        if found and not filled:
            return []
        if not found and any(usual in result and not result[usual] for usual in _USUAL_NAMES):
            return []  # null or false in the place of an empty list
        what = f"{len(filled)} lists" if filled else "an object without a list"
        raise Bitrix24ApiError(f"the result is {what}, not one list of rows", method=method, advice=_ADVICE)
    raise _no_list(type(result).__name__, method)


def is_listed(result: Any, name: str = "") -> bool:
    """Whether the rows are a list in their known place, so that their positions count from 0."""
    return isinstance(result.get(name) if name and isinstance(result, Mapping) else result, list)


def row_key(row: Any, names: Sequence[str]) -> tuple[Any, ...] | None:
    """Return what identifies a row, or None if it lacks one of the fields or is no object."""
    if not names or not isinstance(row, Mapping):
        return None
    key = tuple(value_of(row, name) for name in names)
    return None if any(part is None or isinstance(part, list | dict) for part in key) else key


def row_id(row: Any, name: str, method: str = "") -> int:
    """
    Return the id of a row: a whole number above zero, sent as a number or as text.

    :param name: the id's field, in any spelling.
    :raises Bitrix24ApiError: the row is no object, or has no such id.
    """
    value = row.get(name) if type(row) is dict else None  # nearly every row
    if value is None and isinstance(row, Mapping):
        value = value_of(row, name)
    if type(value) is str and len(value) <= _MOST_DIGITS and value.isascii() and value.isdigit():
        value = int(value)
    if type(value) is int and value > 0:
        return value
    if not isinstance(row, Mapping):
        what = f"it is no object but {type(row).__name__}"
    else:
        what = "it is missing" if value is None else f"it is no id but {type(value).__name__}"
    raise Bitrix24ApiError(f"a row of the list has no readable {name}: {what}", method=method)


def has_more(result: Any) -> bool | None:
    """What a page says about further pages in the result itself; None if it does not."""
    if not isinstance(result, Mapping):
        return None
    value = result.get("hasMore", result.get("hasMorePages"))
    return value if isinstance(value, bool) else None


_ADVICE = "If the method is not a list method, call it with Bitrix24Operator."


def _named_rows(value: Any, name: str, method: str) -> list[Any]:
    """The rows in the place where the method is known to have them; there is no second place to look."""
    if value is None or value is False:
        return []
    if (rows := _inner_rows(value)) is not None:
        return rows
    raise _no_list(f"{type(value).__name__} in {name!r}", method)


def _no_list(what: str, method: str) -> Bitrix24ApiError:
    return Bitrix24ApiError(f"the result is {what}, not a list of rows", method=method, advice=_ADVICE)


def _inner_rows(value: Any) -> list[Any] | None:
    if isinstance(value, list):
        return value
    return _rows_by_key(value) if isinstance(value, Mapping) else None


def _rows_by_key(value: Mapping[str, Any]) -> list[Any] | None:
    """The rows of a map by id or position; None if it is no such map."""
    if all(key.isdigit() and isinstance(row, Mapping) for key, row in value.items()):
        return list(value.values())
    return None
