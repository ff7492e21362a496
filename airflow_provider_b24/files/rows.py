"""Rows of a file, streamed: JSON lines or CSV, plain or gzip, on any storage Airflow can open."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_b24.errors import Bitrix24InputError

FORMATS = (".jsonl", ".ndjson", ".csv")


def rows_of(path: ObjectStoragePath, columns: Sequence[str] | None = None) -> Iterator[tuple[int, Any]]:
    """
    Yield the rows of a file with their line numbers; a line that cannot be read comes as its error.

    :param path: a file ending in ``.jsonl``, ``.ndjson`` or ``.csv``, with ``.gz`` behind it if compressed.
    :param columns: names of the columns of a CSV file without a header.
    :raises Bitrix24InputError: the file is missing, of another kind, or breaks off.
    """
    name = path.name.removesuffix(".gz")
    if not name.endswith(FORMATS):
        raise Bitrix24InputError(
            f"{path}: the file must end in one of {', '.join(FORMATS)}, or .gz behind it"
        )
    try:
        with _open(path) as file:
            yield from _csv(file, columns) if name.endswith(".csv") else _json_lines(file)
    except FileNotFoundError:
        raise Bitrix24InputError(f"{path}: there is no such file") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Bitrix24InputError(f"{path}: the compressed file is broken: {error}") from None
    except (IsADirectoryError, NotADirectoryError, PermissionError) as error:
        raise Bitrix24InputError(f"{path}: cannot be read: {error.strerror}") from None


def storage_path(path: Any, name: str) -> ObjectStoragePath:
    """
    Return a path on any storage Airflow can open.

    :raises Bitrix24InputError: it is none, or its kind of storage is unknown here.
    """
    if not isinstance(path, str | os.PathLike | ObjectStoragePath) or not str(path):
        raise Bitrix24InputError(f"{name} must be a path, got {path!r:.80}")
    try:
        found = path if isinstance(path, ObjectStoragePath) else ObjectStoragePath(os.fspath(path))
        found.fs  # noqa: B018 - made here, so that a storage whose package is missing is found here
    except (ImportError, TypeError, ValueError) as error:
        raise Bitrix24InputError(f"{name} {str(path)!r:.80} cannot be used: {error}") from None
    return found


def check_columns(columns: Any) -> list[str]:
    """
    Return the names of columns.

    :raises Bitrix24InputError: they are no list of names, or one comes twice.
    """
    if (
        isinstance(columns, str)
        or not isinstance(columns, Sequence)
        or not all(isinstance(name, str) for name in columns)
    ):
        raise Bitrix24InputError(f"columns must be a list of names, got {columns!r:.80}")
    twice = next((name for name in columns if columns.count(name) > 1), None)
    if twice is not None:
        raise Bitrix24InputError(f"columns name {twice!r:.40} twice")
    return list(columns)


@contextmanager
def _open(path: ObjectStoragePath) -> Iterator[TextIO]:
    with path.open("rb") as raw:  # type: ignore[no-untyped-call]  # Airflow's
        binary = gzip.GzipFile(fileobj=raw) if path.name.endswith(".gz") else raw
        # Broken bytes must reject their own line, not end the file.
        yield io.TextIOWrapper(binary, encoding="utf-8-sig", errors="backslashreplace", newline="")


def _json_lines(file: TextIO) -> Iterator[tuple[int, Any]]:
    for line, text in enumerate(file, start=1):
        if not text.strip():
            continue
        try:
            yield line, json.loads(text)
        except (ValueError, RecursionError):
            yield line, Bitrix24InputError(f"not a line of JSON: {text.strip()!r:.60}")


def _csv(file: TextIO, columns: Sequence[str] | None) -> Iterator[tuple[int, Any]]:
    reader = csv.reader(file, strict=True)
    names = list(columns) if columns is not None else None
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
                Bitrix24InputError(f"{len(row)} fields where the columns are {len(names)}: {row!r:.60}"),
            )
        else:
            yield line, dict(zip(names, row, strict=True))
