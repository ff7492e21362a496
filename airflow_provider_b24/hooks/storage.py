"""Paths on any storage that Airflow can open, for the rooms that know no Airflow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.files.paths import StoragePath

_LOCAL = ("", "file", "local")
_WITH_FOLDERS = {"sftp", "ssh", "ftp", "hdfs", "arrow_hdfs", "webhdfs", "smb", "webdav", "dbfs"}


def is_path(value: Any) -> bool:
    """Whether a value is a path object; text is not, it may be rows."""
    return isinstance(value, os.PathLike | ObjectStoragePath)


def parse_path(path: Any, name: str) -> StoragePath:
    """
    Return a path on any storage that Airflow can open.

    :param path: text such as ``/data/a.csv`` or ``s3://conn_id@bucket/a.csv``, ``pathlib.Path`` or
        ``ObjectStoragePath``.
    :param name: what messages call it.
    :raises Bitrix24InputError: not a path, or its storage is unknown here.
    """
    if not (isinstance(path, str) or is_path(path)) or not str(path):
        raise Bitrix24InputError(f"{name} must be a path, got {path!r:.80}")
    try:
        if isinstance(path, ObjectStoragePath):
            return Path(path.path) if path.protocol in _LOCAL else ObjectPath(path.fs, path.path, str(path))
        text = os.fspath(path)
        if "\0" in text:
            raise ValueError("it contains a null character")
        scheme, separator, rest = text.partition("://")
        if not separator or scheme in _LOCAL:
            return Path(rest if separator else text)
        # Airflow would read the whole text as a URL and lose an empty ?query or #fragment: only the root is.
        root, _, key = rest.partition("/")
        store = ObjectStoragePath(f"{scheme}://{root}")
        return ObjectPath(store.fs, f"{store.path.rstrip('/')}/{key}", text)
    except (ImportError, TypeError, ValueError) as error:
        raise Bitrix24InputError(f"{name} {str(path)!r:.80} cannot be used: {error}") from None


def modified_at(path: StoragePath) -> float:
    """Return when a file was last written, in seconds since the epoch; raises as ``open`` does."""
    if isinstance(path, ObjectPath):
        return path.modified_at()
    return Path(str(path)).stat().st_mtime


class ObjectPath:
    """
    One name on an object store.

    Only calls that take one name are used: fsspec's ``mv``, ``rm`` and ``glob`` read ``[``, ``*`` and ``?``
    as a pattern.

    :param fs: the store, an fsspec file system.
    :param path: the name there.
    :param text: what messages and results call it.
    """

    def __init__(self, fs: Any, path: str, text: str) -> None:
        self._fs = fs
        self._path = path
        self._text = text

    def __str__(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectPath) and (self._fs, self._path) == (other._fs, other._path)

    def __hash__(self) -> int:
        return hash(self._path)

    def __truediv__(self, name: str) -> ObjectPath:
        return ObjectPath(self._fs, f"{self._path.rstrip('/')}/{name}", f"{self._text.rstrip('/')}/{name}")

    @property
    def name(self) -> str:
        return self._path.rstrip("/").rpartition("/")[2]

    @property
    def parent(self) -> ObjectPath:
        return ObjectPath(
            self._fs, self._path.rstrip("/").rpartition("/")[0], self._text.rstrip("/").rpartition("/")[0]
        )

    def with_name(self, name: str) -> ObjectPath:
        return self.parent / name

    def open(self, mode: str) -> Any:
        return self._fs.open(self._path, mode)

    def exists(self) -> bool:
        return self._kind() is not None

    def is_dir(self) -> bool:
        return self._kind() == "directory"

    def mkdir(self, *, parents: bool, exist_ok: bool) -> None:
        """Make the folder where there are folders; on an object store this would make a bucket."""
        if self._has_folders():
            self._fs.makedirs(self._path, exist_ok=exist_ok)

    def iterdir(self) -> Iterator[ObjectPath]:
        self._fs.invalidate_cache()  # what another process wrote since counts
        try:
            names = self._fs.ls(self._path, detail=False)
        except FileNotFoundError:
            return
        for name in names:
            last = name.rstrip("/").rpartition("/")[2]
            if last and name.strip("/") != self._path.strip("/"):  # some stores list the folder itself
                yield self / last

    def modified_at(self) -> float:
        """When it was last written, in seconds since the epoch; 0 if the store does not tell."""
        try:
            return float(self._fs.modified(self._path).timestamp())
        except NotImplementedError:
            return 0.0

    def replace(self, target: ObjectPath) -> None:
        self._fs.cp_file(self._path, target._path)
        self.unlink()

    def unlink(self) -> None:
        self._fs.rm_file(self._path)

    def rmdir(self) -> None:
        """Delete the empty folder; on an object store there is none."""
        if self._has_folders():
            self._fs.rmdir(self._path)

    def _has_folders(self) -> bool:
        protocol = self._fs.protocol
        return not _WITH_FOLDERS.isdisjoint([protocol] if isinstance(protocol, str) else protocol)

    def _kind(self) -> str | None:
        self._fs.invalidate_cache()
        try:
            return str(self._fs.info(self._path)["type"])
        except FileNotFoundError:
            return None
