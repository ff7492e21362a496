"""
Decides whether a result has at least one row, for every shape in which the portal's methods answer.

Rows are the result itself, or a list or map by id inside it, beside flags, counts, and other lists. ``null``,
``false``, ``""``, ``[]``, and ``{}`` are how PHP writes that there is nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_b24.rest.lists import list_method

MAX_DEPTH = 8  # levels that are searched; what is nested deeper counts as present

_LIST_NAME = re.compile(r"(?:list|search)$", re.IGNORECASE)
_USUAL_NAMES = ("items", "tasks")  # of the rows, where other lists stand beside them
# What a page says about itself, in lower case and without underscores.
_MORE = frozenset({"hasmore", "hasmorepages", "hasnext", "hasnextpage", "hasprev", "islastpage"})
_POSITION = frozenset(
    {"next", "nextpage", "prev", "start", "offset", "limit", "page", "pages", "pagenumber", "pagesize"}
    | {"perpage", "currentpage", "totalpages", "lastid", "cursor", "nextcursor", "nextpagetoken"}
    | {"pagination", "paging", "pager", "nav", "navigation", "navparams", "meta"}
)
_COUNTS = frozenset({"total", "totalcount", "totalitems", "count"})


def has_row(result: Any, method: str = "", total: int | None = None) -> bool:
    """
    Whether a result has at least one row; of a method that is no list, whether it has any value.

    :param result: the ``result`` of the reply.
    :param method: the REST method, which may say what the rows are called.
    :param total: what the reply counts; only lists are counted. The rows decide, not the count.
    """
    if not isinstance(result, Mapping):
        return _has_value(result, 0) and result not in (0, "0")
    name = list_method(method).rows if method else ""
    if name and name in result:
        return _has_value(result[name], 1)
    is_list = total is not None or bool(_LIST_NAME.search(method))
    return _has_member(result, 0, is_list=is_list)


def _has_value(value: Any, depth: int) -> bool:
    if value is None or value is False or value == "":
        return False
    if depth >= MAX_DEPTH:
        return True
    if isinstance(value, list):
        return any(_has_value(one, depth + 1) for one in value)
    if isinstance(value, Mapping):
        return _has_member(value, depth)
    return True


def _has_member(value: Mapping[str, Any], depth: int, *, is_list: bool = False) -> bool:
    """Whether an object has something in it besides what it says about itself as a page."""
    names = {name: str(name).replace("_", "").lower() for name in value}
    is_list = is_list or any(plain in _MORE for plain in names.values())
    facts = _MORE | _POSITION | _COUNTS
    members = {plain: value[name] for name, plain in names.items() if plain not in facts}
    inner = {plain: member for plain, member in members.items() if isinstance(member, list | Mapping)}
    if is_list and inner:
        rows = [inner[usual] for usual in _USUAL_NAMES if usual in inner] or list(inner.values())
        return any(_has_value(one, depth + 1) for one in rows)
    if members:
        return any(_has_value(member, depth + 1) for member in members.values())
    return any(count > 0 for count in _counts(value, names))


def _counts(value: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[int]:
    for name, plain in names.items():
        count = value[name]
        if plain in _COUNTS and isinstance(count, int | str) and re.fullmatch(r"[0-9]{1,15}", str(count)):
            yield int(count)
