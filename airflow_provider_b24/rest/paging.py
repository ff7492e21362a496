"""Every row of a list method."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from airflow_provider_b24.errors import Bitrix24ApiError
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.replies import Reply

PAGE = 50  # rows of a page, fixed by the portal

# Lists that can be walked by id: no count is needed, and a row deleted meanwhile makes none be skipped.
# https://apidocs.bitrix24.com/settings/performance/huge-data.html
_BY_ID = {
    "crm.item.list": "id",
    **{f"crm.{kind}.list": "ID" for kind in ("lead", "deal", "contact", "company", "quote", "activity")},
}


class Paging:
    """
    All pages of one list, read by id where the method and the parameters allow it.

    :param perform: runs a call.
    :param call: the list, without a position.
    """

    def __init__(self, perform: Callable[[Call], Reply], call: Call) -> None:
        self._perform = perform
        self._call = call
        self._method, self._params = call.method, call.params

    def __iter__(self) -> Iterator[Any]:
        key = _BY_ID.get(self._method.lower())
        if key is None or not self._walkable(key):
            return self._by_offset()
        return self._by_id(key)

    def _walkable(self, key: str) -> bool:
        names = {str(name).lower(): value for name, value in self._params.items()}
        select = names.get("select")
        selects_id = not select or (isinstance(select, list | tuple) and ("*" in select or key in select))
        filtered = isinstance(names.get("filter") or {}, Mapping)
        return not names.get("order") and "start" not in names and selects_id and filtered

    def _by_id(self, key: str) -> Iterator[Any]:
        given = next((one for name, one in self._params.items() if str(name).lower() == "filter"), None) or {}
        rest = {
            name: one for name, one in self._params.items() if str(name).lower() not in ("filter", "order")
        }
        last = 0
        while True:
            above = {"filter": {**given, f">{key}": last}} if last else {"filter": dict(given)}
            rows = self._rows(self._page({**rest, "order": {key: "ASC"}, **above, "start": -1}).result)
            yield from rows
            if len(rows) < PAGE:
                return
            newest = self._id_of(rows[-1], key)
            if newest <= last:
                raise Bitrix24ApiError("the portal repeats a page of the list", method=self._method)
            last = newest

    def _by_offset(self) -> Iterator[Any]:
        start: int | None = None
        while True:
            params = dict(self._params) if start is None else {**self._params, "start": start}
            reply = self._page(params)
            yield from self._rows(reply.result)
            if reply.next is None:
                return
            if start is not None and reply.next <= start:
                raise Bitrix24ApiError("the portal repeats a page of the list", method=self._method)
            start = reply.next

    def _page(self, params: Mapping[str, Any]) -> Reply:
        return self._perform(replace(self._call, params=params))

    def _id_of(self, row: Any, key: str) -> int:
        try:
            return int(row[key])
        except (TypeError, ValueError, LookupError):
            pass
        raise Bitrix24ApiError(
            f"a row of the list has no readable {key} (it is a {type(row).__name__})",
            method=self._method,
        )

    def _rows(self, result: Any) -> list[Any]:
        """
        Return the rows, which are in ``result`` itself or in a list inside it (``items``, ``tasks``, ...).

        PHP writes a list with gaps as a map by position, and some methods answer null or false for no rows.
        """
        if isinstance(result, list):
            return result
        if result is None or result is False:
            return []
        found = _lists_in(result) if isinstance(result, Mapping) else []
        if len(found) == 1:
            return found[0]
        keys = f" with {len(found)} lists" if found else ""
        raise Bitrix24ApiError(
            f"expected a list of rows, got {type(result).__name__}{keys}: use call() or Bitrix24Operator to "
            "get the whole result",
            method=self._method,
        )


def _lists_in(result: Mapping[str, Any]) -> list[list[Any]]:
    """Return what may be the rows: the map itself, or the lists in it, without empty ones beside others."""
    if not result:
        return [[]]
    if (rows := _positions(result)) is not None:
        return [rows]
    lists = [value for value in map(_as_list, result.values()) if value is not None]
    return [rows for rows in lists if rows] or lists[:1]


def _as_list(value: Any) -> list[Any] | None:
    if isinstance(value, list):
        return value
    return _positions(value) if isinstance(value, Mapping) else None


def _positions(value: Mapping[str, Any]) -> list[Any] | None:
    """Return the rows of a map whose keys are numbers; None if it is another map."""
    rows = list(value.values())
    numbered = all(str(key).isdigit() for key in value) and all(isinstance(row, Mapping) for row in rows)
    return rows if rows and numbered else None
