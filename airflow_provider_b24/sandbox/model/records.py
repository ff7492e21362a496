"""Tables of records by id; generated ones are made when they are read and take no memory."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any

Record = dict[str, Any]


class Records:
    """Records of one kind: those added, over a generated range 1..N. ``hidden`` ids cannot be read.

    ``cache`` may hold results derived from the records; every change clears it.
    """

    def __init__(self, sample: Callable[[int, int], Record] | None = None) -> None:
        self.hidden: set[int] = set()
        self.cache: dict[Any, list[int]] = {}
        self._sample = sample or (lambda record_id, seed: {})
        self._seed = 0
        self._generated = 0
        self._last = 0
        self._added: dict[int, Record] = {}
        self._beyond: list[int] = []
        self._deleted: list[int] = []

    def add(self, record_id: int | None, fields: Record) -> int:
        """Store a record under this id (None: the next free one) and return the id."""
        number = self.last_id + 1 if record_id is None else record_id
        if number > self._generated and number not in self._added:
            insort(self._beyond, number)
        self._added[number] = {"ID": number, **fields}
        self._undelete(number)
        self._last = max(self._last, number)
        self.cache.clear()
        return number

    def update(self, record_id: int, fields: Record) -> None:
        """Change fields of an existing record."""
        self.add(record_id, (self.get(record_id) or {}) | fields)

    def generate(self, count: int, seed: int = 0) -> None:
        """Make the ids 1..count exist, with data derived from id and seed."""
        self._seed = seed
        self._generated = max(self._generated, count)
        self._beyond = sorted(number for number in self._added if number > self._generated)
        self.cache.clear()

    def delete(self, record_id: int) -> bool:
        """Remove a record; False if there was none."""
        if record_id not in self:
            return False
        self._added.pop(record_id, None)
        if record_id > self._generated:
            self._beyond.remove(record_id)
        else:
            insort(self._deleted, record_id)
        self.cache.clear()
        return True

    def _undelete(self, record_id: int) -> None:
        if self._is_deleted(record_id):
            self._deleted.remove(record_id)

    def get(self, record_id: int) -> Record | None:
        """The record, or None. A generated record is made each time it is read."""
        if record_id not in self:
            return None
        return self._added.get(record_id) or {"ID": record_id, **self._sample(record_id, self._seed)}

    def __contains__(self, record_id: int) -> bool:
        if 0 < record_id <= self._generated:
            return not self._is_deleted(record_id)
        return record_id in self._added

    def _is_deleted(self, record_id: int) -> bool:
        at = bisect_left(self._deleted, record_id)
        return at < len(self._deleted) and self._deleted[at] == record_id

    @property
    def last_id(self) -> int:
        """The highest id ever used; like a database, the table never gives an id twice."""
        return max(self._generated, self._last)

    def ids(
        self, low: int = 1, high: int | None = None, descending: bool = False, skip: int = 0
    ) -> Iterator[int]:
        """Existing ids from low to high in order, without making the records; ``skip`` costs no time."""
        inside, beyond = self._spans(low, high)
        first, second = (beyond[::-1], inside[::-1]) if descending else (inside, beyond)
        skipped_runs = []
        for run in (first, second):
            size = self._live(run) if isinstance(run, range) else len(run)
            skipped_runs.append(self._after(run, min(skip, size)))
            skip -= min(skip, size)
        return chain.from_iterable(skipped_runs)

    def _after(self, run: range | list[int], skip: int) -> Iterator[int]:
        if not isinstance(run, range):
            return islice(run, skip, None)
        if not self._deleted:
            return iter(run[skip:])
        start = self._position(run, skip)
        return (number for number in run[start:] if not self._is_deleted(number))

    def _position(self, run: range, skip: int) -> int:
        """Where in a run the id stands that has ``skip`` existing ids before it."""
        return bisect_left(run, skip, key=lambda number: self._live(run[: run.index(number) + 1]) - 1)

    def count(self, low: int = 1, high: int | None = None) -> int:
        """How many ids exist from low to high."""
        inside, beyond = self._spans(low, high)
        return self._live(inside) + len(beyond)

    def _live(self, run: range) -> int:
        if not run:
            return 0
        low, high = min(run[0], run[-1]), max(run[0], run[-1])
        return len(run) - (bisect_right(self._deleted, high) - bisect_left(self._deleted, low))

    def _spans(self, low: int, high: int | None) -> tuple[range, list[int]]:
        top = self._generated if high is None else min(high, self._generated)
        end = len(self._beyond) if high is None else bisect_right(self._beyond, high)
        return range(max(1, low), max(1, low, top + 1)), self._beyond[bisect_left(self._beyond, low) : end]
