"""Puts the pieces of an export at its path: joined in one file, or each as a file of its own."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, BinaryIO

from airflow_provider_b24.export.columns import Column
from airflow_provider_b24.export.formats import Format
from airflow_provider_b24.export.pieces import Piece, still_there
from airflow_provider_b24.files.paths import StoragePath
from airflow_provider_b24.files.writer import whole_file


def publish(
    path: StoragePath, format_: Format, chain: Sequence[Piece], columns: Sequence[Column], numbered: bool
) -> list[StoragePath]:
    """
    Put the result at its path.

    :param chain: the pieces, in order.
    :param numbered: whether each piece is a file of its own, ``deals-00001.csv`` and so on.
    :returns: the paths of the files.
    """
    if not numbered:
        _join(path, format_, chain, columns)
        return [path]
    paths = result_paths(path, max(1, len(chain)))
    for piece, target in zip(chain, paths, strict=False):
        with still_there(path):
            piece.path.replace(target)
    if not chain:
        _join(paths[0], format_, chain, columns)
    _remove_later(path, len(paths))
    return paths


def result_paths(path: StoragePath, files: int | None) -> list[StoragePath]:
    """Return the paths of a result of so many numbered files; None: of one that is not numbered."""
    return [path] if files is None else [_numbered(path, number + 1) for number in range(files)]


def read_ids(path: StoragePath, format_: Format, name: str, files: int | None) -> Iterator[int]:
    """
    Read the ids of the rows back; none if they were not exported.

    :param name: the column with the ids.
    :param files: the number of files; None: one that is not numbered.
    """
    for one in result_paths(path, files):
        with one.open("rb") as raw:
            file: Any = gzip.GzipFile(fileobj=raw) if path.name.endswith(".gz") else raw
            yield from (int(value) for value in format_.values(file, name) if value is not None)


def write_schema(path: StoragePath, about: Mapping[str, Any], columns: Sequence[Column]) -> None:
    """Write ``<path>.schema.json``, which describes the columns of an export."""
    schema = {**about, "columns": [asdict(column) for column in columns]}
    with whole_file(path.with_name(f"{path.name}.schema.json")) as file:
        file.write(json.dumps(schema, ensure_ascii=False, indent=2).encode("utf-8", "backslashreplace"))


def _join(path: StoragePath, format_: Format, chain: Sequence[Piece], columns: Sequence[Column]) -> None:
    with whole_file(path) as file:
        if chain:
            format_.join(_opened(path, chain), file, columns)
        else:
            format_.writer(file, columns).close()


def _opened(path: StoragePath, chain: Iterable[Piece]) -> Iterator[BinaryIO]:
    for piece in chain:
        with still_there(path):
            file = piece.path.open("rb")
        with file:
            yield file


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
