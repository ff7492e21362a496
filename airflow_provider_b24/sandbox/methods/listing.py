"""Lists of records: filters, order and pages of 50, shared by all list methods."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from airflow_provider_b24.sandbox.model import php
from airflow_provider_b24.sandbox.model.calls import PAGE, Answer
from airflow_provider_b24.sandbox.model.moments import is_moment, localized, seconds
from airflow_provider_b24.sandbox.model.records import Record, Records

FILTER_KEY = re.compile(r"(!@|!%|!=|>=|<=|=%|%=|[!@%=><]|)(.*)", re.S)
INDEXED = {"=", "@", ">", ">=", "<", "<="}
MOST_CACHED = 8
NO_OFFSET = -1
"""``start`` of a page that is not counted and has no offset."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One entry of a filter: operator, field (upper case) and the values sent."""

    operator: str
    field: str
    values: tuple[Any, ...]

    def holds(self, record: Record) -> bool:
        """Whether a record satisfies the condition."""
        actual = record.get(self.field)
        if self.operator in {"=", "@"}:
            return self._equals(actual)
        if self.operator in {"!", "!=", "!@"}:
            return not self._equals(actual)
        if "%" in self.operator:
            return self._contains(actual) is not self.operator.startswith("!")
        return _compares(self.operator, actual, self.values[0])

    @property
    def is_on_index(self) -> bool:
        """Whether the condition limits ids, which needs no record."""
        return self.field == "ID" and self.operator in INDEXED

    def ids(self) -> set[int]:
        """The ids named by an equality or IN condition on ID."""
        return {php.to_int(value) for value in self.values}

    def _equals(self, actual: Any) -> bool:
        if isinstance(actual, list):
            return any(_same(inner, value) for inner in actual for value in self.values)
        return any(_same(actual, value) for value in self.values)

    def _contains(self, actual: Any) -> bool:
        text = php.to_text(self.values[0]).strip("%").casefold()
        return text in php.to_text(actual).casefold() if text else actual in ("", None)


def parse_condition(key: php.Key, value: Any, utc_offset: float = 0.0) -> Condition | None:
    """``">=ID": 7`` and the like; no operator means equality, with a list also IN.

    An empty list is no condition, nor is a comparison with an empty text. A flag is cast to text: true is
    ``1``, false is empty. Times without an offset are ``utc_offset`` hours from UTC.
    """
    operator, name = split_key(key)
    values = tuple(localized(_cast(one), utc_offset) for one in php.values(value))
    if not values or (operator[:1] in {">", "<"} and values[0] in ("", None)):
        return None
    return Condition(operator or "=", name, values)


def _cast(value: Any) -> Any:
    return php.to_text(value) if isinstance(value, (bool, float)) else value


def split_key(key: php.Key) -> tuple[str, str]:
    """The operator and the field name of a filter's key."""
    match = FILTER_KEY.fullmatch(str(key))
    return (match[1], match[2]) if match else ("", str(key))


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions that must all hold, or of which one must hold (``any_of``)."""

    parts: tuple[Condition | Group, ...] = ()
    any_of: bool = False

    def holds(self, record: Record) -> bool:
        """Whether a record satisfies the group; an empty group is no condition."""
        if self.any_of and self.parts:
            return any(part.holds(record) for part in self.parts)
        return all(part.holds(record) for part in self.parts)

    def split(self) -> tuple[list[Condition], Group]:
        """The conditions that limit ids, and the rest."""
        if self.any_of:
            return [], self
        indexed = [part for part in self.parts if isinstance(part, Condition) and part.is_on_index]
        return indexed, Group(tuple(part for part in self.parts if part not in indexed))


def parse_group(given: php.Array, known: Container[str], utc_offset: float = 0.0) -> Group:
    """The conditions of an older list: unknown and wrongly cased fields are dropped, which lists more."""
    pairs = [(key, value) for key, value in php.pairs(given) if split_key(key)[1] in known]
    parsed = [parse_condition(key, value, utc_offset) for key, value in pairs]
    return Group(tuple(condition for condition in parsed if condition is not None))


def _compares(operator: str, actual: Any, value: Any) -> bool:
    left, right = _comparable(actual, value)
    if left is None or right is None:
        return False
    match operator:
        case ">":
            return bool(left > right)
        case ">=":
            return bool(left >= right)
        case "<":
            return bool(left < right)
    return bool(left <= right)


def _same(actual: Any, value: Any) -> bool:
    if isinstance(actual, str) and not is_moment(actual):
        return actual == value or actual.casefold() == php.to_text(value).casefold()
    if actual is None:
        return value in ("", None, 0, "0")
    left, right = _comparable(actual, value)
    return bool(left == right)


def _comparable(actual: Any, value: Any) -> tuple[Any, Any]:
    if isinstance(actual, bool):
        return actual, php.is_truthy(value) and value != "N"
    if isinstance(actual, int):
        return actual, php.to_int(value)
    if isinstance(actual, float):
        return actual, php.to_float(value)
    if isinstance(actual, str) and is_moment(actual):
        return seconds(actual), seconds(php.to_text(value))
    return (None if actual is None else php.to_text(actual)), php.to_text(value)


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list asks for: conditions, order by (field, descending), and the offset, or ``NO_OFFSET``."""

    conditions: Group
    order: tuple[tuple[str, bool], ...] = ()
    start: int = 0

    def answer(
        self, records: Records, load: Callable[[int], Record], size: int = PAGE, version: int = 0
    ) -> Answer:
        """One page of records.

        ``load`` makes a record from an id; ``version`` changes with whatever else the records depend on.
        """
        if self.start < 0:
            return Answer([load(number) for number in islice(self._ids(records, load), size)], total=0)
        numbers, total = self._page(records, load, size, version)
        following = self.start + size
        rows = [load(number) for number in numbers]
        return Answer(rows, total=total, next=following if following < total else None)

    def _page(
        self, records: Records, load: Callable[[int], Record], size: int, version: int
    ) -> tuple[list[int], int]:
        indexed, rest = self.conditions.split()
        low, high, named = _limits(indexed)
        if self._is_by_id and not rest.parts and named is None and not records.hidden:
            page = islice(records.ids(low, high, self._descends, skip=self.start), size)
            return list(page), records.count(low, high)
        numbers = self._cached(records, load, version)
        return numbers[self.start : self.start + size], len(numbers)

    def _cached(self, records: Records, load: Callable[[int], Record], version: int) -> list[int]:
        key = (repr(self.conditions), self.order, len(records.hidden), version)
        if key not in records.cache:
            if len(records.cache) >= MOST_CACHED:
                records.cache.clear()
            records.cache[key] = list(self._ids(records, load))
        return records.cache[key]

    @property
    def _is_by_id(self) -> bool:
        return not self.order or self.order[0][0] == "ID"

    @property
    def _descends(self) -> bool:
        return bool(self.order) and self._is_by_id and self.order[0][1]

    def _ids(self, records: Records, load: Callable[[int], Record]) -> Iterator[int]:
        indexed, rest = self.conditions.split()
        hidden = records.hidden
        found = (number for number in _candidates(records, indexed, self._descends) if number not in hidden)
        if rest.parts:
            found = (number for number in found if rest.holds(load(number)))
        return found if self._is_by_id else iter(self._sorted(found, load))

    def _sorted(self, numbers: Iterator[int], load: Callable[[int], Record]) -> list[int]:
        rows = [(number, load(number)) for number in numbers]
        for field, descending in reversed(self.order):
            rows.sort(key=lambda row: sort_key(row[1].get(field)), reverse=descending)
        return [number for number, _ in rows]


def _candidates(records: Records, indexed: Sequence[Condition], descending: bool) -> Iterator[int]:
    low, high, named = _limits(indexed)
    if named is None:
        return records.ids(low, high, descending)
    inside = [number for number in named if number >= low and (high is None or number <= high)]
    return (number for number in sorted(inside, reverse=descending) if number in records)


def _limits(indexed: Sequence[Condition]) -> tuple[int, int | None, set[int] | None]:
    low, high, named = 1, None, None
    for condition in indexed:
        if condition.operator in {"=", "@"}:
            named = condition.ids() if named is None else named & condition.ids()
            continue
        limit = php.to_int(condition.values[0])
        if condition.operator.startswith(">"):
            low = max(low, limit + (condition.operator == ">"))
        else:
            bound = limit - (condition.operator == "<")
            high = bound if high is None else min(high, bound)
    return low, high, named


def sort_key(value: Any) -> tuple[int, Any]:
    """A key that sorts values of different types: none, numbers, texts."""
    if value is None:
        return (0, 0)
    return (1, value) if isinstance(value, (int, float)) else (2, php.to_text(value).casefold())


def page_start(start: int | None) -> int:
    """The offset of an older list, which counts in pages: an offset inside a page means its first row."""
    if start is not None and start < 0:
        return NO_OFFSET
    return (start or 0) // PAGE * PAGE
