"""Files that appear whole or not at all."""

from __future__ import annotations

import gzip
import json
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

from airflow_provider_b24.files.paths import StoragePath, explained, make_folder

OPEN_TRIES = 5


@contextmanager
def whole_file(path: StoragePath, owner: str = "", folder: StoragePath | None = None) -> Iterator[BinaryIO]:
    """
    Write a file beside its place and move it there at the end; after an error nothing is left.

    Two writers of one path do not mix: each has its own scratch file, and the last to finish wins.

    :param path: compressed if its name ends in ``.gz``.
    :param owner: part of the scratch file's name; by default a random one.
    :param folder: where the scratch file is, on the same storage; by default the folder of the file itself.
    :raises Bitrix24InputError: the storage refuses for good.
    """
    make_folder(path)
    name = f"{path.name if folder is None else path.name[:40]}.{owner or secrets.token_hex(6)}.tmp"
    scratch = path.with_name(name) if folder is None else folder / name
    with explained(f"{path} cannot be written"):
        try:
            with open_new(scratch) as raw:
                if path.name.endswith(".gz"):
                    with gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as file:
                        yield file  # type: ignore[misc]  # it takes bytes, which is all that is used
                else:
                    yield raw
            scratch.replace(path)
        except BaseException:
            with suppress(Exception):  # the error that matters is the first one
                scratch.unlink()
            raise


def open_new(path: StoragePath) -> BinaryIO:
    """Open a new file in a folder that another process may delete while it is empty."""
    for _ in range(OPEN_TRIES - 1):
        with suppress(FileNotFoundError):
            return path.open("wb")  # type: ignore[no-any-return]
        path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("wb")  # type: ignore[no-any-return]


def write_lines(path: StoragePath, rows: Iterable[Any]) -> int:
    """
    Write rows as JSON lines; return their number.

    :raises Bitrix24InputError: the storage refuses for good.
    """
    count = 0
    with whole_file(path) as file:
        for row in rows:
            file.write(json_line(row))
            count += 1
    return count


def json_line(row: Any) -> bytes:
    """Return one line of JSON; half a surrogate pair, which is no text, is written as an escape."""
    text = json.dumps(row, ensure_ascii=False)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(row).encode() + b"\n"
