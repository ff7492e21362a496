"""One page of a list by offset: how it is asked for, and what its answer says about further pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.list_description import PAGE, ListMethod, Paging

# Sizes of pages that methods have, from 50 on.
_SIZES = frozenset({50, 100, 128, 150, 200, 250, 256, 300, 400, 500, 512})
_SIZES |= {1000, 1024, 2000, 2500, 5000, 10_000}

Selecting = Paging | Literal["any"]
"""What selects a page; ``any``: limit and offset in every spelling, for a method that is not known."""


class Page(NamedTuple):
    """
    One page of a list.

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

    def names_more(self) -> bool | None:
        """Whether the portal says that there is more; None if it does not: no ``next`` proves nothing."""
        if self.has_more is not None:
            return self.has_more
        if self.next is not None and self.next > self.start:
            return True
        if self.total is not None and self.total > self.end:
            return True
        return None


def page_call(call: Call, how: ListMethod, paging: Selecting, start: int, size: int = PAGE) -> Call:
    """
    Return the call for the page that begins at a row.

    :param paging: what selects it, which may have turned out to be another than the table says.
    :param size: rows of a page.
    """
    params = dict(call.params)
    if paging == "offset":
        return Call(call.method, _inside(params, how.pages.inside, {"offset": start, "limit": PAGE}))
    if paging == "OFFSET":
        return Call(call.method, _inside(params, how.pages.inside, {"OFFSET": start, "LIMIT": PAGE}))
    if paging == "any":  # one row more than a page, which shows whether the limit counts
        chosen = {"offset": start, "limit": size + 1, "OFFSET": start, "LIMIT": size + 1}
        return Call(call.method, _inside(params, "", chosen))
    if paging == "limit":
        return Call(call.method, _inside(params, "", {"limit": how.pages.size}))
    if paging == "page":
        return Call(call.method, params | {"page": start // PAGE + 1})
    if paging == "NAV_PARAMS":
        return Call(call.method, _by_position(params, start))
    return Call(call.method, params | {"start": start} if start else params)


def may_be_a_page(count: int) -> bool:
    """Whether so many rows may be all that fit into a page: sizes of pages are round."""
    return count in _SIZES if count >= PAGE else count > 0 and count % 5 == 0


def _inside(params: Mapping[str, Any], name: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Add what selects a page to the parameters, or to those inside the one of that name."""
    if name:
        inner = params.get(name)
        return {**params, name: _inside(inner if isinstance(inner, Mapping) else {}, "", chosen)}
    ours = {one.lower() for one in chosen}
    return {key: value for key, value in params.items() if str(key).lower() not in ours} | dict(chosen)


def _by_position(params: Mapping[str, Any], start: int) -> dict[str, Any]:
    """The parameters of a method that takes them by position, so that none before PARAMS may be left out."""
    by_position = {"ORDER": {"ID": "ASC"}, "FILTER": {">ID": 0}, "SELECT": ["*"], "PARAMS": {}}
    given = by_position | {name: value for name, value in params.items() if value}
    page = {"nPageSize": PAGE, "iNumPage": start // PAGE + 1}
    order = [name for name in given if name not in by_position] + list(by_position)
    return {name: given[name] for name in order} | {"PARAMS": {"NAV_PARAMS": page}}
