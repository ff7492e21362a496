"""How rows are written: JSON lines, CSV, Parquet."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, BinaryIO, Protocol

import msgspec

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError
from airflow_provider_b24.export.columns import Column
from airflow_provider_b24.files.writer import json_line

ROW_GROUP = 10_000  # rows of a row group in Parquet

Rows = Sequence[Mapping[str, Any]]


class RowWriter(Protocol):
    """Writes rows into an open file."""

    def write(self, rows: Rows) -> None:
        """Append rows."""

    def close(self) -> None:
        """Write what is still to be written; the file stays open."""


class Format(Protocol):
    """One kind of file, for rows of given columns."""

    def writer(self, file: BinaryIO, columns: Sequence[Column]) -> RowWriter:
        """Return what writes a whole file."""

    def join(self, pieces: Iterable[BinaryIO], file: BinaryIO, columns: Sequence[Column]) -> None:
        """Write one file with the rows of several."""

    def values(self, file: BinaryIO, name: str) -> Iterator[Any]:
        """Read one column back; None, or nothing, where it is missing."""


def find_format(name: str, format: str | None = None) -> Format:  # noqa: A002 - the public argument's name
    """
    Return the format of a file.

    :param name: the file's name; ``.gz`` at its end does not count.
    :param format: ``jsonl``, ``csv`` or ``parquet``; None: what the name says.
    :raises Bitrix24InputError: it is none of them, or Parquet and pyarrow is not installed.
    """
    suffix = name.removesuffix(".gz").rpartition(".")[2].lower()
    wanted = suffix if format is None else format
    if wanted in ("jsonl", "ndjson"):
        return JsonLines()
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


class JsonLines:
    """One JSON object per line, with the names and the order of the portal."""

    def writer(self, file: BinaryIO, columns: Sequence[Column]) -> RowWriter:
        return _JsonWriter(file)

    def join(self, pieces: Iterable[BinaryIO], file: BinaryIO, columns: Sequence[Column]) -> None:
        for piece in pieces:
            shutil.copyfileobj(piece, file, 1 << 20)

    def values(self, file: BinaryIO, name: str) -> Iterator[Any]:
        only = [("value", Any, msgspec.field(name=name, default=None))]
        decode = msgspec.json.Decoder(msgspec.defstruct("Row", only)).decode
        for line in file:
            yield decode(line).value  # type: ignore[attr-defined]  # the struct above


class _JsonWriter:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._encode = msgspec.json.Encoder().encode_lines

    def write(self, rows: Rows) -> None:
        try:
            self._file.write(self._encode(rows))
        except UnicodeEncodeError:  # half a surrogate pair in one of them
            self._file.writelines(map(json_line, rows))

    def close(self) -> None:
        pass


class Csv:
    """Comma-separated values with a header; no value is an empty field, lists and objects are JSON text."""

    def writer(self, file: BinaryIO, columns: Sequence[Column]) -> RowWriter:
        return _CsvWriter(file, columns)

    def join(self, pieces: Iterable[BinaryIO], file: BinaryIO, columns: Sequence[Column]) -> None:
        for number, piece in enumerate(pieces):
            if number:
                _skip_header(piece)
            shutil.copyfileobj(piece, file, 1 << 20)

    def values(self, file: BinaryIO, name: str) -> Iterator[Any]:
        reader = csv.DictReader(io.TextIOWrapper(file, encoding="utf-8", newline=""))
        for row in reader:
            yield row.get(name)


class _CsvWriter:
    def __init__(self, file: BinaryIO, columns: Sequence[Column]) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
        self._names = [column.name for column in columns]
        self._known = set(self._names)
        self._csv = csv.writer(self._text, lineterminator="\n")
        self._csv.writerow(self._names)

    def write(self, rows: Rows) -> None:
        for row in rows:
            check_known(row, self._known)
            self._csv.writerow([_csv_value(row.get(name)) for name in self._names])

    def close(self) -> None:
        self._text.detach()


def _csv_value(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | Mapping):
        return json.dumps(value, ensure_ascii=False)
    return value


def _skip_header(piece: BinaryIO) -> None:
    """Skip the first line; a name in it may be quoted, but holds no line break."""
    piece.readline()


class Parquet:
    """Apache Parquet: times in UTC with microseconds, lists and objects as JSON text."""

    def writer(self, file: BinaryIO, columns: Sequence[Column]) -> RowWriter:
        return _ParquetWriter(file, columns)

    def join(self, pieces: Iterable[BinaryIO], file: BinaryIO, columns: Sequence[Column]) -> None:
        import pyarrow.parquet as pq

        with pq.ParquetWriter(file, _schema(columns)) as writer:
            for piece in pieces:
                for batch in pq.ParquetFile(piece).iter_batches(ROW_GROUP, use_threads=False):
                    writer.write_batch(batch)

    def values(self, file: BinaryIO, name: str) -> Iterator[Any]:
        import pyarrow.parquet as pq

        table = pq.ParquetFile(file)
        if name in table.schema_arrow.names:
            for batch in table.iter_batches(ROW_GROUP, columns=[name], use_threads=False):
                yield from batch.column(0).to_pylist()


class _ParquetWriter:
    """Collects rows for row groups of a size that is fast to read."""

    def __init__(self, file: BinaryIO, columns: Sequence[Column]) -> None:
        import pyarrow.parquet as pq

        self._columns = columns
        self._known = {column.name for column in columns}
        self._schema = _schema(columns)
        self._writer = pq.ParquetWriter(file, self._schema)
        self._tables: list[Any] = []

    def write(self, rows: Rows) -> None:
        import pyarrow

        for row in rows:
            check_known(row, self._known)
        arrays = [
            pyarrow.array([_parquet_value(row.get(column.name), column) for row in rows], field.type)
            for column, field in zip(self._columns, self._schema, strict=True)
        ]
        self._tables.append(pyarrow.Table.from_arrays(arrays, schema=self._schema))
        if sum(table.num_rows for table in self._tables) >= ROW_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        import pyarrow

        if self._tables:
            self._writer.write_table(pyarrow.concat_tables(self._tables))
            self._tables.clear()


def _schema(columns: Sequence[Column]) -> Any:
    import pyarrow

    types = {
        "string": pyarrow.string(),
        "json": pyarrow.string(),
        "integer": pyarrow.int64(),
        "number": pyarrow.float64(),
        "boolean": pyarrow.bool_(),
        "date": pyarrow.date32(),
        "datetime": pyarrow.timestamp("us", tz="UTC"),
    }
    return pyarrow.schema([pyarrow.field(column.name, types[column.type]) for column in columns])


def _parquet_value(value: Any, column: Column) -> Any:
    if value is None:
        return None
    if column.type == "json":
        return json.dumps(value, ensure_ascii=False)
    if column.type in ("date", "datetime"):
        return _parse_moment(value, column)
    if column.type == "string" and not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return value


def _parse_moment(value: Any, column: Column) -> date | None:
    if value in ("", False):
        return None
    try:
        moment = datetime.fromisoformat(value)
        if column.type == "date":
            return moment.date()
        if moment.tzinfo is not None:
            return moment
    except (TypeError, ValueError):
        pass
    raise Bitrix24Error(
        f"a value of column {column.name} is not an ISO 8601 {column.type} with an offset",
        advice=f"Export the column as text with types={{{column.name!r}: 'string'}}.",
    )


def check_known(row: Mapping[str, Any], known: set[str]) -> None:
    """
    Check that a row has no field beyond the columns, which are those of the first rows.

    :raises Bitrix24Error: it has.
    """
    if not row.keys() <= known:
        extra = ", ".join(sorted(row.keys() - known))
        raise Bitrix24Error(
            f"a row has fields that the first rows did not have: {extra:.200}",
            advice="Name the fields in select, or export to JSON lines.",
        )
