"""What changed in a list since the last poll, in spans of the portal's time that follow one another."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_b24.crm.values import whole_number
from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError
from airflow_provider_b24.export.incremental import changed_since
from airflow_provider_b24.rest.calls import shown
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.lists import PAGE, list_method
from airflow_provider_b24.rest.names import find_name
from airflow_provider_b24.rest.times import APART, server_time

LAG = 10.0  # seconds in which the portal has stored a change that it dates now
MOST_IDS = 1000

_CAMEL = re.compile(r"[a-z]+(?:[A-Z][a-z0-9]*)*")
_UPPER = re.compile(r"(?!UF_|PROPERTY_)[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME_NAME = re.compile(r"date|time|stamp|chang|modif|updat", re.IGNORECASE)

Warn = Callable[[str, str], None]  # the kind of the warning, so that each is logged once, and its text


def read_changes(
    client: Client,
    polled: PolledList,
    since: str | None,
    warn: Warn = lambda kind, text: None,
    stored_in: str = "since",
) -> dict[str, Any]:
    """
    Return what changed at or after ``since`` and before ``until``, ten seconds before the portal's present.

    :param since: ``until`` of the last poll; None: it is checked that the list can be polled, and the next
        poll begins now.
    :param warn: called with the kind and the text of a warning.
    :param stored_in: what messages call the place of ``since``.
    :returns: ``method, field, since, until, count``, and the first 1,000 ``ids``.
    :raises Bitrix24InputError: this list cannot be polled by this field; the text says why.
    :raises Bitrix24Error: the list cannot be read completely.
    """
    until = (_portal_time(client, warn) - timedelta(seconds=LAG)).replace(microsecond=0)
    found: dict[str, Any] = {
        "method": polled.method,
        "field": polled.field,
        "since": since,
        "until": until.isoformat(),
        "count": 0,
        "ids": [],
    }
    if since is None:
        polled.check(client, found["until"])
        return found
    begin = _begin(since, until, warn, stored_in)
    if begin >= until:  # no second has passed: a change in it could not be told from one of the last span
        return found | {"until": since}
    known = set()
    for row_id, changed in polled.rows(client, since, begin, warn):
        if begin <= changed < until and row_id not in known:  # later ones belong to the next span
            found["count"] += 1
            if len(found["ids"]) < MOST_IDS:
                known.add(row_id)
                found["ids"].append(row_id)
    return found


class PolledList:
    """
    A list and the field with the time of the last change of its rows.

    :param method: name of the list method.
    :param params: its parameters.
    :param field: the field, in any spelling: ``CHANGED_DATE`` and ``changedDate`` are one.
    :raises Bitrix24InputError: the rows of this list have no id of their own.
    """

    def __init__(self, method: str, params: dict[str, Any], field: str) -> None:
        self.method, self.params, self.field = method, params, field
        self._how = list_method(method)
        if len(self._how.key) > 1:
            raise self._refused(f"its rows have no id of their own, but {', '.join(self._how.key)}")
        self._id = self._how.key[0] if self._how.key else "id"
        self._filter_field = self._as_in_filters(field)

    def check(self, client: Client, until: str) -> None:
        """
        Check, with the first page, that changes can be found.

        :raises Bitrix24InputError: they cannot.
        """
        rows = self._first_rows(client, self._narrowed(until)) or self._first_rows(
            client, self._selected(self.params)
        )
        times = self._times(client, rows)
        self._check_resolution([changed for _, changed in times])

    def rows(
        self, client: Client, since: str, begin: datetime, warn: Warn
    ) -> Iterator[tuple[int | str, datetime]]:
        """
        Yield the id and the time of the last change of the rows that changed since then, and of others.

        :raises Bitrix24InputError: the rows cannot be told apart by their time.
        """
        count, earlier, midnights = 0, 0, 0
        for row_id, changed in self._times(client, client.pages(self.method, self._narrowed(since))):
            count += 1
            earlier += changed < begin
            midnights += _is_midnight(changed)
            yield row_id, changed
        if earlier and midnights == count:
            raise self._only_dates()
        if earlier:
            warn(
                "filter",
                f"{self.method} returned {earlier} of {count} rows that changed before {since}: the portal "
                f"does not filter this list by {self._filter_field}, so that all of it is read at each poll.",
            )

    def _times(self, client: Client, rows: Any) -> Iterator[tuple[int | str, datetime]]:
        """Yield the id and the time of each row that has a time; a row without one has not changed yet."""
        dated, row = False, None
        for number, row in enumerate(rows, start=1):
            if not isinstance(row, Mapping):
                raise self._refused(f"its rows are no objects but {type(row).__name__}, e.g. {shown(row)}")
            row_id = self._id_of(row)
            name = find_name(self.field, row)
            dated = dated or name is not None
            if not dated and number >= PAGE:
                break
            if name is not None and (changed := self._time(row[name], row_id)) is not None:
                yield row_id, changed
        if row is not None and not dated:
            raise self._no_field(client, row)

    def _id_of(self, row: Mapping[str, Any]) -> int | str:
        name = find_name(self._id, row)
        value = None if name is None else row[name]
        number = whole_number(value)
        if number is not None and number > 0:
            return number
        if number is None and isinstance(value, str) and value:  # of a dialog, for example
            return value
        if name is None:
            raise self._refused(f"its rows have no id, but {_some(row)}")
        raise self._refused(f"a row has the id {shown(value)}")

    def _time(self, value: Any, row_id: int | str) -> datetime | None:
        if value is None or value is False or value in ("", []):
            return None
        if isinstance(value, str) and _DATE.fullmatch(value):
            raise self._only_dates()
        moment = _parse(value)
        if moment is None:
            raise self._refused(f"{self.field} of row {row_id} is {shown(value)}, not a time with an offset")
        return moment

    def _check_resolution(self, times: list[datetime]) -> None:
        if times and all(map(_is_midnight, times)):
            raise self._only_dates()

    def _first_rows(self, client: Client, params: Mapping[str, Any]) -> list[Any]:
        rows = client.pages(self.method, params)
        first = list(itertools.islice(rows, PAGE))
        if (close := getattr(rows, "close", None)) is not None:
            close()
        return first

    def _narrowed(self, since: str) -> dict[str, Any]:
        return self._selected(changed_since(self.method, self.params, self._filter_field, since, overlap=0.0))

    def _selected(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters with id and time in ``select``, which is added where the method takes one."""
        name = next((name for name in params if name.lower() == "select"), "select")
        select = params.get(name)
        if not select:
            known = self._how.keyset and self._how.filter == "filter"  # user.get and calls have no selection
            return {**params, name: [self._how.id, self._filter_field]} if known else dict(params)
        if isinstance(select, str) or not isinstance(select, list | tuple):
            return dict(params)
        id_name = self._how.id if self._how.key else ("ID" if self.field.isupper() else "id")
        wanted = (id_name, self._filter_field)
        return {**params, name: [*select, *(one for one in wanted if find_name(one, select) is None)]}

    def _as_in_filters(self, field: str) -> str:
        """Return the field as the list's filter spells it, like the id's name there."""
        if not self._how.keyset:
            return field
        if self._how.id.isupper() and _CAMEL.fullmatch(field) and not field.startswith("uf"):
            return re.sub(r"(?=[A-Z])", "_", field).upper()
        if self._how.id.islower() and _UPPER.fullmatch(field):
            first, *others = field.lower().split("_")
            return first + "".join(map(str.capitalize, others))
        return field

    def _no_field(self, client: Client, row: Mapping[str, Any]) -> Bitrix24InputError:
        unselected = {name: value for name, value in self.params.items() if name.lower() != "select"}
        with contextlib.suppress(Bitrix24Error):
            row = next((one for one in client.pages(self.method, unselected) if one), row)
        return self._refused(f"its rows have no field {self.field}, but {_some(row)}")

    def _only_dates(self) -> Bitrix24InputError:
        return self._refused(f"{self.field} holds dates without a time, so changes of a day are all alike")

    def _refused(self, reason: str) -> Bitrix24InputError:
        return Bitrix24InputError(
            f"the list cannot be polled for changes: {reason}",
            method=self.method,
            advice="Name the field with the time of the last change, of a list whose rows have an id.",
        )


def _portal_time(client: Client, warn: Warn) -> datetime:
    """
    Return the portal's time, or ours if that is more than ten minutes earlier.

    :raises Bitrix24ApiError: the portal does not return a time.
    """
    moment, warning = server_time(client.call("server.time").result, client.clock.now())
    if warning:
        warn("clock", warning)
    return moment


def _begin(since: str, until: datetime, warn: Warn, stored_in: str) -> datetime:
    """
    Return the time at which a span begins.

    :raises Bitrix24InputError: it is not a time.
    """
    begin = _parse(since)
    advice = "To begin with the present, delete it."
    if begin is None:
        raise Bitrix24InputError(
            f"{stored_in} must be an ISO 8601 time with an offset, got {shown(since)}", advice=advice
        )
    if begin - until > timedelta(seconds=2 * APART):
        warn(
            "future",
            f"{stored_in} is {since}, later than the portal's time {until.isoformat()}: a clock was wrong, "
            f"and nothing is read until then. {advice}",
        )
    return begin


def _parse(value: Any) -> datetime | None:
    """Return a time with its offset; None if it is not one that can be compared."""
    try:
        moment = datetime.fromisoformat(value)
        moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else None


def _is_midnight(moment: datetime) -> bool:
    """Whether a time is how the portal writes a date: midnight UTC."""
    utc = moment.astimezone(UTC)
    return (utc.hour, utc.minute, utc.second, utc.microsecond) == (0, 0, 0, 0)


def _some(row: Mapping[str, Any]) -> str:
    """Return names of a row's fields for a message: those that may hold a time first."""
    names = sorted(map(str, row), key=lambda name: _TIME_NAME.search(name) is None)
    return ", ".join(f"{name:.40}" for name in names[:10]) or "none at all"
