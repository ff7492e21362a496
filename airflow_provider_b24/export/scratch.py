"""Where rows are kept between the tries of an export: a folder that readers of the output pass over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from airflow_provider_b24.errors import Bitrix24ConfigError
from airflow_provider_b24.files.paths import StoragePath, listed
from airflow_provider_b24.files.writer import whole_file
from airflow_provider_b24.rest.locks import own_folder

FOLDER = "_bitrix24"  # Spark, Athena and pyarrow pass over names that begin with an underscore


def beside(path: StoragePath) -> StoragePath:
    """Return the folder for what belongs to a file, beside it."""
    return path.parent / FOLDER


@contextmanager
def placed(path: StoragePath) -> Iterator[BinaryIO]:
    """Write a file that appears whole; until then it is in the folder beside it. Errors as ``whole_file``."""
    folder = beside(path)
    try:
        with whole_file(path, folder=folder) as file:
            yield file
    finally:
        remove_if_empty(folder)


def remove_owned(folder: StoragePath, prefix: str) -> None:
    """Delete the files whose names begin with a prefix, and the folder if it was made here and is empty."""
    for path in listed(folder):
        if path.name.startswith(prefix):
            with suppress(FileNotFoundError):
                path.unlink()
    remove_if_empty(folder)


def remove_if_empty(folder: StoragePath) -> None:
    """Delete a folder of this package that is empty."""
    if folder.name == FOLDER:
        with suppress(Exception):  # it is not empty, or gone, or the storage has no folders
            folder.rmdir()


def on_this_machine() -> Path:
    """
    Return a folder that only this user of this machine may enter.

    :raises Bitrix24ConfigError: it cannot be made, or is somebody else's.
    """
    try:
        folder = own_folder() / FOLDER
        # Nobody else enters the folder around it, so its own mode does not count: a load that ends deletes
        # the empty folder, and one that runs beside it makes it again with the next piece that it writes.
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder
    except OSError as error:
        raise Bitrix24ConfigError(
            f"rows cannot be kept in the temporary directory of this machine: {error.strerror or error}. "
            "Name another folder with [bitrix24] scratch_path"
        ) from None
