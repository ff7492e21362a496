"""What this package needs of a path, and which errors of a storage stay however often they are tried."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from airflow_provider_b24.errors import Bitrix24InputError

_PERMANENT = frozenset(
    {
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.EEXIST),
        *(errno.ENOSPC, errno.EDQUOT, errno.ENAMETOOLONG, errno.EINVAL, errno.ELOOP),
    }
)
_PERMANENT_KINDS = (
    *(FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError),
    *(NotImplementedError, ValueError),
)


class StoragePath(Protocol):
    """
    One name on some storage. ``pathlib.Path`` is one; so is whatever wraps an object store.

    A name is taken literally: ``[``, ``*``, ``?``, ``#`` and ``%`` in it have no meaning.
    """

    @property
    def name(self) -> str:
        """The last part of the path."""

    @property
    def parent(self) -> StoragePath:
        """The folder."""

    def __truediv__(self, name: str, /) -> StoragePath:
        """Return a path inside this folder."""

    def with_name(self, name: str, /) -> StoragePath:
        """Return another path in the same folder."""

    def open(self, mode: str, /) -> Any:
        """Open it: ``rb`` or ``wb``."""

    def exists(self) -> bool:
        """Whether there is something."""

    def is_dir(self) -> bool:
        """Whether it is a folder."""

    def mkdir(self, *, parents: bool, exist_ok: bool) -> None:
        """Make the folder where the storage has folders."""

    def iterdir(self) -> Iterable[StoragePath]:
        """The paths in this folder."""

    def replace(self, target: Any, /) -> Any:
        """Put this file in the place of another."""

    def unlink(self) -> None:
        """Delete the file."""

    def rmdir(self) -> None:
        """Delete the empty folder where the storage has folders."""


def permanent_reason(error: BaseException) -> str | None:
    """Return why a storage refuses for good, as a phrase; None if trying again may help."""
    if isinstance(error, OSError) and error.errno in _PERMANENT:
        return error.strerror or type(error).__name__
    if isinstance(error, _PERMANENT_KINDS):
        return str(error) or type(error).__name__
    return None


@contextmanager
def explained(what: str) -> Iterator[None]:
    """
    Turn a storage's permanent refusal into an input error.

    :param what: the sentence's beginning, e.g. ``the report /tmp/a.jsonl cannot be written``.
    :raises Bitrix24InputError: the storage refuses for good.
    """
    try:
        yield
    except Bitrix24InputError:
        raise
    except Exception as error:
        reason = permanent_reason(error)
        if reason is None:
            raise
        raise Bitrix24InputError(f"{what}: {reason}") from None


def make_folder(path: StoragePath) -> None:
    """
    Make the folder of a file that is to be written, and check that the file is not a folder itself.

    :raises Bitrix24InputError: it cannot be written there.
    """
    with explained(f"{path} cannot be written"):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)


def listed(folder: StoragePath) -> list[StoragePath]:
    """What is in a folder; nothing if there is none."""
    try:
        return [*folder.iterdir()]
    except FileNotFoundError:
        return []
