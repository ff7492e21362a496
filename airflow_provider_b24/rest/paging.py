"""Every row of a list method."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
    """Walks the pages of one list, by id where the method and the parameters allow it."""

    def __init__(
        self, call: Callable[[str, Mapping[str, Any]], Reply], method: str, params: Mapping[str, Any]
    ) -> None:
        Call(method, params)  # a wrong name or type is found before anything is sent
        self._call = call
        self._method = method
        self._params = params

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
            rows = self._rows(
                self._call(self._method, {**rest, "order": {key: "ASC"}, **above, "start": -1}).result
            )
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
            reply = self._call(self._method, params)
            yield from self._rows(reply.result)
            if reply.next is None:
                return
            if start is not None and reply.next <= start:
                raise Bitrix24ApiError("the portal repeats a page of the list", method=self._method)
            start = reply.next

    def _id_of(self, row: Any, key: str) -> int:
        try:
            return int(row[key])
        except (TypeError, ValueError, LookupError):
            pass
        raise Bitrix24ApiError(
            f"a row of the list, {type(row).__name__}, holds no readable {key}", method=self._method
        )

    def _rows(self, result: Any) -> list[Any]:
        """Rows lie in ``result`` itself or in the only list inside it (``items``, ``tasks``, ...)."""
        if isinstance(result, list):
            return result
        if isinstance(result, Mapping):
            lists = [value for value in result.values() if isinstance(value, list)]
            if len(lists) == 1:
                return lists[0]
            if not result:
                return []
        raise Bitrix24ApiError("the answer holds no list of rows", method=self._method)
