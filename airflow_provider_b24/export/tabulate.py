"""Step two of an export: rows in pieces become values of columns, and text that is none is replaced."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_b24.export.columns import Column, sources
from airflow_provider_b24.export.formats import UnfitValueError
from airflow_provider_b24.export.saved_rows import check_objects, decode_rows
from airflow_provider_b24.export.texts import Cleaner
from airflow_provider_b24.export.values import Converter, broken

CHUNK_ROWS = 1_000  # rows converted at once
log = logging.getLogger(__name__)


class NewNameError(Exception):
    """A row has a name that nobody noted when it was read: another try wrote its piece."""


class Tabulator:
    """
    Converts the lines of pieces, in order.

    :param columns: the columns.
    :param seen: all names in the rows.
    :param method: the list method, for errors.
    :param key: the name of the rows' id.
    :param is_typed: whether the target has types, and texts that cannot hold everything.
    :param moments: whether times become ``datetime``; otherwise they stay text.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        seen: Sequence[str],
        method: str,
        key: str = "",
        *,
        is_typed: bool = True,
        moments: bool = True,
    ) -> None:
        self._columns = columns
        self._known = {*seen, *(one.name for one in columns)}
        self._method = method
        self._key = key
        self._is_typed = is_typed
        self._cleaner = Cleaner()
        spelled = sources(columns, seen)
        self._converter = Converter(columns, spelled, bounded=is_typed, key=key, moments=moments)
        self._done = 0

    def chunks(self, lines: Iterator[bytes], most: int | None = None) -> Iterator[Chunk]:
        """
        Yield the values of the next rows, a chunk at a time.

        :param most: how many rows; None: all.
        :raises Bitrix24Error: a value breaks the promise of its column.
        """
        left = most
        while left is None or left > 0:
            chunk = list(itertools.islice(lines, CHUNK_ROWS if left is None else min(left, CHUNK_ROWS)))
            if not chunk:
                return
            rows = self._rows(chunk)
            yield Chunk(self, rows, self._converter.convert(rows), self._done)
            self._done += len(rows)
            left = None if left is None else left - len(chunk)

    def _rows(self, lines: Sequence[bytes]) -> list[Mapping[str, Any]]:
        rows = decode_rows(lines)
        known = self._known
        try:
            if not all(row.keys() <= known for row in rows):
                raise NewNameError
        except AttributeError:
            check_objects(rows, self._method)
        if self._is_typed:
            for index, line in enumerate(lines):
                if b"\\u" in line:  # only so are characters written that are no text
                    rows[index] = self._cleaner.clean(
                        rows[index], self.row_name(self._done + index, rows[index])
                    )
        return rows

    def row_name(self, index: int, row: Mapping[str, Any]) -> str:
        """Return what errors and warnings call a row."""
        key = row.get(self._key) if self._key else None
        return f"row {index + 1:,}" if key is None else f"the row with {self._key} {key}"

    def column(self, index: int) -> Column:
        """Return a column by its position."""
        return self._columns[index]

    def warn(self) -> None:
        """Log once what was replaced."""
        warning = self._cleaner.warning()
        if warning:
            log.warning("%s: %s", self._method, warning)


class Chunk:
    """
    Values of some rows.

    :ivar values: of each column.
    :ivar count: how many rows.
    """

    def __init__(
        self, tabulator: Tabulator, rows: Sequence[Mapping[str, Any]], values: list[Sequence[Any]], first: int
    ) -> None:
        self.values = values
        self.count = len(rows)
        self._tabulator = tabulator
        self._rows = rows
        self._first = first

    def tuples(self) -> list[tuple[Any, ...]]:
        """Return the rows as tuples."""
        return list(zip(*self.values, strict=True))

    def unfit(self, error: UnfitValueError) -> Exception:
        """Return the error about a value that the target cannot hold."""
        column = self._tabulator.column(error.column)
        row = self._rows[error.row]
        name = self._tabulator.row_name(self._first + error.row, row)
        return broken(column, name, self.values[error.column][error.row], error.why)
