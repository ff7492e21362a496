"""Gives values the types of their columns, a chunk of rows at a time, column by column."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from airflow_provider_b24.errors import Bitrix24Error
from airflow_provider_b24.export.columns import Column, Type

MOST = 2**63 - 1  # of a whole number in Parquet and in tables
_FLAGS: dict[Any, bool | None] = {
    **dict.fromkeys(("Y", "y", "1", "true", True, 1), True),
    **dict.fromkeys(("N", "n", "0", "false", False, 0), False),
    **dict.fromkeys(("", None), None),
}
_INTEGER = re.compile(r"[+-]?\d{1,4000}(\.0*)?", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_NO_DATE = ("-0001-11-30", "0000-00-00")  # what PHP makes of the date 0000-00-00 of MySQL
_TEXTS = {str, type(None)}
_DAY = 10  # characters of 2026-05-10
_SHOWN = 60  # characters of a value in an error

encode_json = msgspec.json.Encoder(decimal_format="number").encode


class Converter:
    """
    Converts rows as the portal sent them into values of the types of their columns.

    ``string`` and ``json`` are text, ``number`` is Decimal, ``date`` the UTC date of the value, ``datetime``
    has an offset. A field that is missing, ``null`` or ``false``, and an empty text that is to be anything
    but text, is no value: None.

    :param columns: the columns.
    :param sources: the names of columns that the rows spell otherwise.
    :param bounded: whether whole numbers must fit into 64 bits.
    :param key: the name of the rows' id, for errors.
    :param moments: whether times become ``datetime``; otherwise they are checked and stay text.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        sources: Mapping[str, str] | None = None,
        *,
        bounded: bool = True,
        key: str = "",
        moments: bool = True,
    ) -> None:
        self._bounded = bounded
        self._key = key
        self._done = 0
        self._columns = [(one, (sources or {}).get(one.name, one.name)) for one in columns]
        self._convert = dict(_CONVERSIONS)
        if not moments:
            self._convert["datetime"] = _check_moments

    def convert(self, rows: Sequence[Mapping[str, Any]]) -> list[Sequence[Any]]:
        """
        Return the values of each column.

        :raises Bitrix24Error: a value breaks its column's promise.
        """
        values = [self._column(one, name, rows) for one, name in self._columns]
        self._done += len(rows)
        return values

    def _column(self, column: Column, name: str, rows: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
        values = [row.get(name) for row in rows]
        kinds = set(map(type, values))
        if column.type == "string":
            return values if kinds <= _TEXTS else _to_texts(values, column.keeps_false)
        if kinds == {type(None)}:
            return values
        try:
            converted = self._convert[column.type](values)
            if column.type == "integer" and self._bounded:
                _check_bounds(converted)
        except (TypeError, ValueError, KeyError, ArithmeticError):
            raise self._broken(column, values, rows) from None
        return converted

    def _broken(
        self, column: Column, values: Sequence[Any], rows: Sequence[Mapping[str, Any]]
    ) -> Bitrix24Error:
        """Return the error about the first value that breaks its column's promise."""
        index = next(index for index, value in enumerate(values) if self._breaks(column, value))
        key = rows[index].get(self._key) if self._key else None
        row = f"row {self._done + index + 1:,}" if key is None else f"the row with {self._key} {key}"
        return broken(column, row, values[index])

    def _breaks(self, column: Column, value: Any) -> bool:
        try:
            converted = self._convert[column.type]([value])
            if column.type == "integer" and self._bounded:
                _check_bounds(converted)
        except (TypeError, ValueError, KeyError, ArithmeticError):
            return True
        return False


def broken(column: Column, row: str, value: Any, why: str = "") -> Bitrix24Error:
    """
    Return the error about a value that breaks the promise of its column's type.

    :param row: which row it is in.
    :param why: what is wrong with it, if the type does not say it.
    """
    text = json_text(value)
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    shown = shown.encode("utf-8", "backslashreplace").decode()
    reason = why or f"which is no {_MEANING[column.type]}"
    name = column.name.encode("utf-8", "backslashreplace").decode()
    return Bitrix24Error(
        f"{row}: column {name} is of type {column.type}, but holds {shown}, {reason}",
        advice=f"Give the column another type, for example types={{{name!r}: 'string'}}.",
    )


_MEANING: dict[Type, str] = {
    "integer": "whole number of 64 bits",
    "number": "number",
    "boolean": "flag",
    "date": "date in ISO 8601",
    "datetime": "time in ISO 8601 with an offset",
    "json": "JSON",
    "string": "text",
}


def json_text(value: Any) -> str:
    """Return a value as JSON text, numbers with the digits that they were sent with."""
    try:
        return encode_json(value).decode()
    except UnicodeEncodeError:
        from airflow_provider_b24.export.texts import exact_json

        return exact_json(value)


def _to_texts(values: Sequence[Any], keeps_false: bool) -> list[str | None]:
    return [
        value
        if type(value) is str or value is None
        else None
        if value is False and not keeps_false
        else json_text(value)
        for value in values
    ]


def _to_json(values: Sequence[Any]) -> list[str | None]:
    return [None if value is None or value is False or value == "" else json_text(value) for value in values]


def _to_integers(values: Sequence[Any]) -> Sequence[Any]:
    if set(map(type, values)) <= {int, type(None)}:
        return values
    return [_to_integer(value) for value in values]


def _to_integer(value: Any) -> int | None:
    kind = type(value)
    if kind is int:
        return int(value)
    if value is None or value is False or value == "":
        return None
    if kind is str:
        text = value.strip()
        if not _INTEGER.fullmatch(text):
            raise ValueError
        return int(text.partition(".")[0] or 0)
    if kind is Decimal and value == value.to_integral_value() and value.adjusted() < 4000:
        return int(value)
    raise ValueError


def _check_bounds(values: Iterable[Any]) -> None:
    numbers = [value for value in values if value is not None]
    if numbers and (max(numbers) > MOST or min(numbers) < -MOST - 1):
        raise ValueError


def _to_numbers(values: Sequence[Any]) -> list[Decimal | None]:
    return [_to_number(value) for value in values]


def _to_number(value: Any) -> Decimal | None:
    kind = type(value)
    if kind is Decimal:
        return value  # type: ignore[no-any-return]  # checked above
    if kind is int:
        return Decimal(value)
    if value is None or value is False or value == "":
        return None
    if kind is str:
        text = value.strip()
        if _DECIMAL.fullmatch(text):
            return Decimal(text)
    raise ValueError


def _to_flags(values: Sequence[Any]) -> list[bool | None]:
    return [_FLAGS[value] for value in values]


def _to_dates(values: Sequence[Any]) -> list[date | None]:
    return [_to_date(value) for value in values]


def _to_date(value: Any) -> date | None:
    if type(value) is str:
        if not value or value.startswith(_NO_DATE):
            return None
        if len(value) == _DAY:
            return date.fromisoformat(value)
        moment = datetime.fromisoformat(value)
        # Midnight of the day plus the portal's offset, written with that offset: the day is that of UTC.
        return (moment if moment.tzinfo is None else moment.astimezone(UTC)).date()
    if value is None or value is False:
        return None
    raise ValueError


def _to_moments(values: Sequence[Any]) -> list[datetime | None]:
    return [_to_moment(value) for value in values]


def _to_moment(value: Any) -> datetime | None:
    if type(value) is str:
        if not value or value.startswith(_NO_DATE):
            return None
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    elif value is None or value is False:
        return None
    raise ValueError


def _check_moments(values: Sequence[Any]) -> list[str | None]:
    return [value if value and _is_moment(value) else None for value in values]


def _is_moment(value: Any) -> bool:
    if type(value) is not str:
        raise ValueError
    if value.startswith(_NO_DATE):
        return False
    if datetime.fromisoformat(value).tzinfo is None:
        raise ValueError
    return True


_CONVERSIONS: dict[Type, Callable[[Sequence[Any]], Sequence[Any]]] = {
    "integer": _to_integers,
    "number": _to_numbers,
    "boolean": _to_flags,
    "date": _to_dates,
    "datetime": _to_moments,
    "json": _to_json,
}
