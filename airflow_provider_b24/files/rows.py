"""Rows of a file, streamed: JSON lines or CSV, plain or gzip."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.files.paths import StoragePath

FORMATS = (".jsonl", ".ndjson", ".csv")
DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True)
class FileFormat:
    """
    What a file does not say about itself.

    :param columns: names of the columns of a CSV file without a header.
    :param delimiter: one character between the fields of a CSV file; None: the one that the first line has
        most of, out of comma, semicolon and tab.
    :param encoding: of the text; None: UTF-8.
    :raises Bitrix24InputError: one of them is not of its kind.
    """

    columns: Sequence[str] | None = None
    delimiter: str | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        if self.columns is not None:
            object.__setattr__(self, "columns", check_columns(self.columns))
        if self.delimiter is not None and (not isinstance(self.delimiter, str) or len(self.delimiter) != 1):
            raise Bitrix24InputError(f"delimiter must be one character, got {self.delimiter!r:.40}")
        if self.encoding is not None and not _is_encoding(self.encoding):
            raise Bitrix24InputError(
                f"encoding must be the name of a text encoding such as 'cp1251', got {self.encoding!r:.40}"
            )


def rows_of(
    path: StoragePath, form: FileFormat = FileFormat(), *, after: int = 0
) -> Iterator[tuple[int, Any]]:
    """
    Yield the rows of a file with their line numbers; a line that cannot be read comes as its error.

    :param path: a file ending in ``.jsonl``, ``.ndjson`` or ``.csv``, with ``.gz`` behind it if compressed.
    :param form: what the file does not say about itself.
    :param after: skip so many lines of a JSON lines file, without parsing them.
    :raises Bitrix24InputError: the file is missing, of another kind or encoding, or breaks off.
    """
    name = path.name.removesuffix(".gz")
    if not name.endswith(FORMATS):
        raise Bitrix24InputError(
            f"{path}: the file name must end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, "
            "with .gz added if it is compressed"
        )
    try:
        with _open(path, form.encoding) as file:
            yield from _csv(file, form) if name.endswith(".csv") else _json_lines(file, after)
    except FileNotFoundError:
        raise Bitrix24InputError(f"{path}: file not found") from None
    except UnicodeError:
        raise Bitrix24InputError(
            f"{path}: the text is not {form.encoding or 'UTF-8'}; "
            "name the file's encoding with encoding=, for example encoding='cp1251'"
        ) from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Bitrix24InputError(f"{path}: the compressed file is damaged: {error}") from None
    except (IsADirectoryError, NotADirectoryError, PermissionError) as error:
        raise Bitrix24InputError(f"{path}: cannot be read: {error.strerror or error}") from None


def check_columns(columns: Any) -> list[str]:
    """
    Return the names of columns.

    :raises Bitrix24InputError: not a list of names, or a name appears twice.
    """
    if (
        isinstance(columns, str)
        or not isinstance(columns, Sequence)
        or not all(isinstance(name, str) for name in columns)
    ):
        raise Bitrix24InputError(f"columns must be a list of names, got {columns!r:.80}")
    twice = next((name for name in columns if name and columns.count(name) > 1), None)
    if twice is not None:
        raise Bitrix24InputError(f"column {twice!r:.40} appears twice")
    return list(columns)


def _is_encoding(name: Any) -> bool:
    try:
        return isinstance(name, str) and "a".encode(name) is not None and bool(codecs.lookup(name))
    except (LookupError, UnicodeError, ValueError):
        return False


@contextmanager
def _open(path: StoragePath, encoding: str | None) -> Iterator[TextIO]:
    with path.open("rb") as raw:
        binary = gzip.GzipFile(fileobj=raw) if path.name.endswith(".gz") else raw
        form = encoding or "utf-8"
        # A byte order mark is no part of the first column's name.
        form = "utf-8-sig" if codecs.lookup(form).name == "utf-8" else form
        yield io.TextIOWrapper(binary, encoding=form, newline="")


def _json_lines(file: TextIO, after: int) -> Iterator[tuple[int, Any]]:
    for line, text in enumerate(file, start=1):
        if line <= after or not text.strip():
            continue
        try:
            yield line, json.loads(text)
        except (ValueError, RecursionError):
            yield line, Bitrix24InputError(f"not a line of JSON: {text.strip()!r:.60}")


def _csv(file: TextIO, form: FileFormat) -> Iterator[tuple[int, Any]]:
    first = file.readline()
    delimiter = form.delimiter or max(DELIMITERS, key=first.count)  # of equals the first: a comma
    reader = csv.reader(_with_first(first, file), delimiter=delimiter, strict=True)
    names = list(form.columns) if form.columns is not None else None
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, Bitrix24InputError(f"not a line of CSV: {error}")
            continue
        if not row:
            continue
        if names is None:
            names = check_columns([name.strip() for name in row])
        elif len(row) != len(names):
            yield (
                line,
                Bitrix24InputError(f"{len(row)} fields, but there are {len(names)} columns: {row!r:.60}"),
            )
        else:
            yield line, dict(zip(names, row, strict=True))


def _with_first(first: str, rest: TextIO) -> Iterator[str]:
    if first:
        yield first
        yield from rest
