"""Lists of CRM records: filters, order and pages of 50, shared by crm.contact.list and crm.item.list."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from airflow_provider_b24.sandbox.model import php
from airflow_provider_b24.sandbox.model.calls import Answer
from airflow_provider_b24.sandbox.model.records import Record, Records

PAGE = 50
FILTER_KEY = re.compile(r"(!@|!%|!=|>=|<=|=%|%=|[!@%=><]|)(.*)", re.S)


@dataclass(frozen=True, slots=True)
class Condition:
    """One entry of a filter: operator, field (upper case) and the value sent."""

    operator: str
    field: str
    value: Any

    @classmethod
    def parse(cls, key: php.Key, value: Any) -> Condition:
        """``">=ID": 7`` and the like; no operator means equality, with a list also IN."""
        match = FILTER_KEY.fullmatch(str(key))
        operator, name = match.groups() if match else ("", str(key))
        return cls(operator or "=", name, value)

    def holds(self, record: Record) -> bool:
        """Whether a record satisfies the condition."""
        actual = record.get(self.field)
        if self.operator in {"=", "@"}:
            return self._equals(actual)
        if self.operator in {"!", "!=", "!@"}:
            return not self._equals(actual)
        if "%" in self.operator:
            return self._contains(actual) is not self.operator.startswith("!")
        return self._compares(actual)

    def ids(self) -> set[int]:
        """The ids named by an equality or IN condition on ID."""
        return {php.to_int(value) for value in self._values()}

    def _values(self) -> list[Any]:
        return [value for _, value in php.pairs(self.value)] if php.is_array(self.value) else [self.value]

    def _equals(self, actual: Any) -> bool:
        if isinstance(actual, list):
            return any(php.to_int(value) in actual for value in self._values())
        return any(_same(actual, value) for value in self._values())

    def _contains(self, actual: Any) -> bool:
        return php.to_text(self.value).strip("%").casefold() in php.to_text(actual).casefold()

    def _compares(self, actual: Any) -> bool:
        if isinstance(actual, int):
            left: Any = actual
            right: Any = php.to_int(self.value)
        else:
            left, right = php.to_text(actual), php.to_text(self.value)
        if self.operator.startswith(">"):
            return bool(left >= right if "=" in self.operator else left > right)
        return bool(left <= right if "=" in self.operator else left < right)


def _same(actual: Any, value: Any) -> bool:
    if isinstance(actual, int):
        return actual == php.to_int(value)
    return php.to_text(actual).casefold() == php.to_text(value).casefold()


@dataclass(frozen=True, slots=True)
class Listing:
    """A question to a table: conditions, order by (field, descending), and the offset (-1: do not count)."""

    conditions: Sequence[Condition]
    order: Sequence[tuple[str, bool]]
    start: int

    def answer(self, records: Records, load: Callable[[int], Record], hidden: set[int]) -> Answer:
        """One page of records; ``load`` makes a record from an id, ``hidden`` ids cannot be read."""
        matches = self._matches(records, load, hidden)
        if self.start < 0:
            return Answer(list(islice(matches, PAGE)), total=0)
        rows = list(islice(matches, self.start, self.start + PAGE))
        total = self._total(records, load, hidden)
        following = self.start + PAGE
        return Answer(rows, total=total, next=following if following < total else None)

    def _matches(self, records: Records, load: Callable[[int], Record], hidden: set[int]) -> Iterator[Record]:
        by_id = not self.order or self.order[0][0] == "ID"
        descending = bool(self.order) and by_id and self.order[0][1]
        rest = [condition for condition in self.conditions if not _on_index(condition)]
        found = (load(number) for number in self._candidates(records, descending) if number not in hidden)
        matches = (record for record in found if all(condition.holds(record) for condition in rest))
        return matches if by_id else iter(self._sorted(matches))

    def _sorted(self, matches: Iterable[Record]) -> list[Record]:
        rows = list(matches)
        for field, descending in reversed(self.order):
            rows.sort(key=lambda record: _sort_key(record.get(field)), reverse=descending)
        return rows

    def _total(self, records: Records, load: Callable[[int], Record], hidden: set[int]) -> int:
        if not hidden and all(_on_index(condition) for condition in self.conditions):
            if self._named() is None:
                return records.count(*self._bounds())
            return sum(1 for _ in self._candidates(records))
        return sum(1 for _ in self._matches(records, load, hidden))

    def _candidates(self, records: Records, descending: bool = False) -> Iterator[int]:
        low, high = self._bounds()
        named = self._named()
        if named is None:
            return records.ids(low, high, descending)
        inside = (number for number in named if number >= low and (high is None or number <= high))
        return (number for number in sorted(inside, reverse=descending) if number in records)

    def _named(self) -> set[int] | None:
        sets = [one.ids() for one in self.conditions if _on_index(one) and one.operator in {"=", "@"}]
        return set.intersection(*sets) if sets else None

    def _bounds(self) -> tuple[int, int | None]:
        low, high = 1, None
        for condition in self.conditions:
            if not _on_index(condition) or condition.operator in {"=", "@"}:
                continue
            limit = php.to_int(condition.value)
            if condition.operator.startswith(">"):
                low = max(low, limit + (condition.operator == ">"))
            else:
                bound = limit - (condition.operator == "<")
                high = bound if high is None else min(high, bound)
        return low, high


def _on_index(condition: Condition) -> bool:
    return condition.field == "ID" and condition.operator in {"=", "@", ">", ">=", "<", "<="}


def _sort_key(value: Any) -> tuple[int, Any]:
    if value is None:
        return (0, 0)
    return (1, value) if isinstance(value, int) else (2, php.to_text(value).casefold())
