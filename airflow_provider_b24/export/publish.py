"""Puts the rows of an export at its path: joined in one file, or in several, each of which appears whole."""

from __future__ import annotations

import io
import itertools
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from typing import Any, BinaryIO

from airflow_provider_b24.export.columns import Column
from airflow_provider_b24.export.formats import TableFormat, UnfitValueError
from airflow_provider_b24.export.saved_rows import lines_of
from airflow_provider_b24.export.scratch import beside, placed, remove_if_empty
from airflow_provider_b24.export.tabulate import Tabulator
from airflow_provider_b24.files.paths import StoragePath
from airflow_provider_b24.files.writer import whole_file

_BLOCK = 1 << 16  # bytes copied at once
_MOST = 1 << 30  # bytes that the kernel copies at once


def publish_lines(path: StoragePath, files: Iterator[BinaryIO], rows_per_file: int | None, rows: int) -> int:
    """
    Put pieces at a path as they are, as JSON lines.

    :param files: the pieces, opened one after another.
    :param rows_per_file: rows of a file; None: one file.
    :param rows: how many rows there are.
    :returns: the number of files.
    """
    if rows_per_file is None:
        return _write(path, None, rows, rows, lambda file, most: _copy(files, file))
    lines = lines_of(files)
    return _write(
        path,
        rows_per_file,
        rows,
        rows_per_file,
        lambda file, most: file.writelines(itertools.islice(lines, most)),
    )


def publish_table(
    path: StoragePath,
    format_: TableFormat,
    files: Iterator[BinaryIO],
    columns: Sequence[Column],
    tabulator: Tabulator,
    rows_per_file: int | None,
    rows: int,
) -> int:
    """Put rows at a path as a table; parameters and result as those of ``publish_lines``."""
    lines = lines_of(files)

    def write(file: BinaryIO, most: int) -> None:
        with closing(format_.writer(file, columns)) as writer:
            for chunk in tabulator.chunks(lines, most):
                try:
                    writer.write(chunk.values)
                except UnfitValueError as error:
                    raise chunk.unfit(error) from None

    count = _write(path, rows_per_file, rows, rows_per_file or rows, write)
    tabulator.warn()
    return count


def _write(
    path: StoragePath,
    rows_per_file: int | None,
    rows: int,
    most: int,
    write: Callable[[BinaryIO, int], None],
) -> int:
    folder = beside(path)
    count = 1 if rows_per_file is None else max(1, -(-rows // rows_per_file))
    if rows_per_file is None:
        with placed(path) as file:
            write(file, most)
    else:
        _write_numbered(result_paths(path, count), folder, lambda file: write(file, most))
        _remove_later(path, count)
        remove_if_empty(folder)
    return count


def _write_numbered(
    targets: Sequence[StoragePath], folder: StoragePath, write: Callable[[BinaryIO], None]
) -> None:
    """Write all files before the first one is at its place."""
    token = secrets.token_hex(6)
    written: list[StoragePath] = []
    try:
        for number, target in enumerate(targets):
            scratch = folder / f"{token}.{number}.{target.name[-12:]}"
            with whole_file(scratch) as file:
                written.append(scratch)
                write(file)
        for scratch, target in zip(written, targets, strict=True):
            scratch.replace(target)
    except BaseException:
        for scratch in written:
            with suppress(Exception):  # the error that matters is the first one
                scratch.unlink()
        raise


def _copy(files: Iterator[BinaryIO], target: BinaryIO) -> None:
    for file in files:
        if not _copied_by_kernel(file, target):
            shutil.copyfileobj(file, target, _BLOCK)


def _copied_by_kernel(file: BinaryIO, target: BinaryIO) -> bool:
    """Copy a file of this machine to the end of another; False if the rest must be copied otherwise."""
    if type(file) is not io.BufferedReader or type(target) is not io.BufferedWriter:
        return False
    if not hasattr(os, "copy_file_range"):  # not Linux
        return False
    target.flush()
    copied = 0
    with suppress(OSError):  # two file systems of different kinds
        while count := os.copy_file_range(file.fileno(), target.fileno(), _MOST):
            copied += count
        return True
    if copied:
        file.seek(copied)
        target.seek(0, os.SEEK_END)
    return False


def result_paths(path: StoragePath, files: int | None) -> list[StoragePath]:
    """Return the paths of a result of so many numbered files; None: of one that is not numbered."""
    return [path] if files is None else [_numbered(path, number + 1) for number in range(files)]


def write_schema(path: StoragePath, about: Mapping[str, Any], columns: Sequence[Column]) -> None:
    """Write ``<path>.schema.json``, which describes the columns of an export."""
    described = [{"name": one.name, "type": one.type, "title": one.title} for one in columns]
    target = path.with_name(f"{path.name}.schema.json")
    with placed(target) as file:
        text = json.dumps({**about, "columns": described}, ensure_ascii=False, indent=2)
        file.write(text.encode("utf-8", "backslashreplace"))


def _numbered(path: StoragePath, number: int) -> StoragePath:
    stem, suffix = _split_name(path.name)
    return path.with_name(f"{stem}-{number:05d}{suffix}")


def _remove_later(path: StoragePath, count: int) -> None:
    """Remove the files that follow without a gap: an earlier and longer export left them."""
    number = count + 1
    while (later := _numbered(path, number)).exists():
        later.unlink()
        number += 1


def _split_name(name: str) -> tuple[str, str]:
    """Split ``deals.csv.gz`` into ``deals`` and ``.csv.gz``."""
    stem, dot, suffix = name.removesuffix(".gz").rpartition(".")
    zipped = ".gz" if name.endswith(".gz") else ""
    return (stem, f".{suffix}{zipped}") if dot and stem else (name.removesuffix(".gz"), zipped)
