"""The kinds of files that rows become: JSON lines, which are the pieces themselves, CSV and Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, BinaryIO, Protocol

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.export.columns import Column
from airflow_provider_b24.export.texts import cleaned_name

ROW_GROUP = 10_000  # rows of a row group in Parquet
PRECISION, SCALE = 38, 6  # digits of a number in Parquet, and how many of them are decimals

Values = Sequence[Sequence[Any]]  # of each column, for the same rows


class UnfitValueError(ValueError):
    """
    A value that a file cannot hold.

    :param column: the column's position.
    :param row: the row's position among those that were given.
    :param why: what is wrong with the value, a clause.
    """

    def __init__(self, column: int, row: int, why: str) -> None:
        super().__init__(why)
        self.column, self.row, self.why = column, row, why


class TableWriter(Protocol):
    """Writes values of columns into an open file."""

    def write(self, values: Values) -> None:
        """Append rows, as ``values.Converter`` returns them; raises ``UnfitValueError``."""

    def close(self) -> None:
        """Write what is still to be written; the file stays open."""


class TableFormat(Protocol):
    """
    One kind of file with columns.

    :ivar is_typed: whether the file has types, so that texts, whole numbers and times must fit into theirs.
    """

    is_typed: bool

    def writer(self, file: BinaryIO, columns: Sequence[Column]) -> TableWriter:
        """Return what writes a whole file."""


def find_format(name: str, format: str | None = None) -> TableFormat | None:  # noqa: A002 - the public name
    """
    Return the format of a file; None for JSON lines.

    :param name: the file's name; ``.gz`` at its end does not count.
    :param format: ``jsonl``, ``csv`` or ``parquet``; None: what the name says.
    :raises Bitrix24InputError: it is none of them, or Parquet and pyarrow is not installed.
    """
    suffix = name.removesuffix(".gz").rpartition(".")[2].lower()
    wanted = suffix if format is None else format
    if wanted in ("jsonl", "ndjson"):
        return None
    if wanted == "csv":
        return Csv()
    if wanted != "parquet":
        what = "the file name must end in" if format is None else "format must be"
        raise Bitrix24InputError(f"{what} jsonl, csv or parquet, got {wanted!r:.40}")
    if name.endswith(".gz"):
        raise Bitrix24InputError("a Parquet file is compressed inside: leave .gz out of its name")
    try:
        import pyarrow  # noqa: F401 - only whether it is there
    except ImportError:
        raise Bitrix24InputError("Parquet needs pyarrow: install airflow-provider-b24[parquet]") from None
    return Parquet()


class Csv:
    """Comma-separated values with a header; no value is an empty field, lists and objects are JSON text."""

    is_typed = False

    def writer(self, file: BinaryIO, columns: Sequence[Column]) -> TableWriter:
        return _CsvWriter(file, columns)


class _CsvWriter:
    def __init__(self, file: BinaryIO, columns: Sequence[Column]) -> None:
        self._file = file
        self._types = [column.type for column in columns]
        self._write([[column.name for column in columns]])

    def write(self, values: Values) -> None:
        written = [_csv_values(one, type_) for one, type_ in zip(values, self._types, strict=True)]
        self._write(list(zip(*written, strict=True)))

    def _write(self, rows: Sequence[Sequence[Any]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(rows)
        written = text.getvalue()
        if "\r" in written:  # before Python 3.13, it is quoted only where it ends lines
            written = "".join(map(_quoted_line, rows))
        self._file.write(written.encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        pass


def _quoted_line(row: Sequence[Any]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(row)
    return text.getvalue().removesuffix("\r\n") + "\n"


def _csv_values(values: Sequence[Any], type_: str) -> Sequence[Any]:
    if type_ == "boolean":
        return [None if value is None else "true" if value else "false" for value in values]
    if type_ == "number":
        return [plain_number(value) if type(value) is Decimal else value for value in values]
    return values


def plain_number(value: Decimal) -> str:
    """Return a number without an exponent."""
    text = str(value)
    return f"{value:f}" if "E" in text else text


class Parquet:
    """
    Apache Parquet: times in UTC with microseconds, numbers as decimals, lists and objects as JSON text.

    A number that has more decimals than that, according to the portal's description, is text.
    """

    is_typed = True

    def writer(self, file: BinaryIO, columns: Sequence[Column]) -> TableWriter:
        return _ParquetWriter(file, columns)


class _ParquetWriter:
    """Collects rows for row groups of a size that is fast to read."""

    def __init__(self, file: BinaryIO, columns: Sequence[Column]) -> None:
        import pyarrow.parquet as pq

        self._schema = _schema(columns)
        self._numbers_as_text = {index for index, one in enumerate(columns) if _is_number_as_text(one)}
        self._writer = pq.ParquetWriter(file, self._schema)
        self._tables: list[Any] = []

    def write(self, values: Values) -> None:
        import pyarrow

        if not values:
            return
        arrays = [self._array(index, one) for index, one in enumerate(values)]
        self._tables.append(pyarrow.Table.from_arrays(arrays, schema=self._schema))
        if sum(table.num_rows for table in self._tables) >= ROW_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _array(self, index: int, values: Sequence[Any]) -> Any:
        import pyarrow

        if index in self._numbers_as_text:
            values = [None if value is None else plain_number(value) for value in values]
        type_ = self._schema.field(index).type
        try:
            return pyarrow.array(values, type_)
        except (pyarrow.ArrowInvalid, OverflowError, ValueError):
            for row, value in enumerate(values):
                try:
                    pyarrow.array([value], type_)
                except (pyarrow.ArrowInvalid, OverflowError, ValueError):
                    raise UnfitValueError(index, row, _why(type_)) from None
            raise

    def _flush(self) -> None:
        import pyarrow

        if self._tables:
            self._writer.write_table(pyarrow.concat_tables(self._tables))
            self._tables.clear()


def _why(type_: Any) -> str:
    return f"which does not fit into {type_} of Parquet"


def _is_number_as_text(column: Column) -> bool:
    return column.type == "number" and column.decimals is not None and column.decimals > SCALE


def _schema(columns: Sequence[Column]) -> Any:
    import pyarrow

    types = {
        "string": pyarrow.string(),
        "json": pyarrow.string(),
        "integer": pyarrow.int64(),
        "number": pyarrow.decimal128(PRECISION, SCALE),
        "boolean": pyarrow.bool_(),
        "date": pyarrow.date32(),
        "datetime": pyarrow.timestamp("us", tz="UTC"),
    }
    return pyarrow.schema(
        [
            pyarrow.field(cleaned_name(one.name), types["string" if _is_number_as_text(one) else one.type])
            for one in columns
        ]
    )
