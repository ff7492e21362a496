"""One holder at a time among all threads and processes of a machine."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from airflow_provider_b24.errors import Bitrix24TransportError
from airflow_provider_b24.rest.clock import Clock

log = logging.getLogger(__name__)

RETRY_TIMEOUT = 180.0  # seconds: longer than one exchange of tokens can take, timeouts included
_TELL = 2.0  # seconds of waiting after which the log says so
_POLL = 0.05  # seconds between two looks at a lock that somebody holds
_THREADS = threading.Lock()  # stands in for all locks where there are no files


def own_folder(folder: Path | None = None) -> Path:
    """
    Create a folder for this user alone, and check that it is one.

    :param folder: by default one in the temporary directory.
    :raises OSError: it cannot be made, belongs to somebody else, is a link, or others may enter it.
    """
    path = folder or Path(tempfile.gettempdir()) / f"airflow-provider-b24-{os.geteuid()}"
    path.mkdir(mode=0o700, parents=folder is not None, exist_ok=True)
    facts = path.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
        raise PermissionError(1, f"{path.name} is not a folder that is this user's alone")
    return path


@contextlib.contextmanager
def machine_lock(name: str, clock: Clock, folder: Path | None = None) -> Iterator[None]:
    """
    Hold the lock ``name`` while the context lasts.

    The kernel drops it when its holder dies. Where no file can be made, it holds among threads only.

    :raises Bitrix24TransportError: somebody holds it for longer than ``RETRY_TIMEOUT``; temporary.
    """
    try:
        handle = open_own_file(own_folder(folder) / f"{name}.lock")
    except OSError as error:
        log.warning(
            "No lock file can be made (%s): tokens are renewed without regard to other processes", error
        )
        with _THREADS:
            yield
        return
    try:
        _acquire(handle, clock)
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)  # said outright: a process forked meanwhile holds the file too
    finally:
        os.close(handle)


def open_own_file(path: Path) -> int:
    """
    Open or create a file that only this user may read; the caller closes the handle.

    :raises OSError: it cannot be opened, is a link, or belongs to somebody else.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    facts = os.fstat(handle)
    if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid():
        os.close(handle)
        raise PermissionError(1, f"{path.name} is not a file of this user")
    return handle


def _acquire(handle: int, clock: Clock) -> None:
    """Each opening of a file has a lock of its own, so threads exclude one another as processes do."""
    waited = 0.0
    told = False
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            busy = waited > RETRY_TIMEOUT
        else:
            return
        if busy:
            raise Bitrix24TransportError(
                "another process has been renewing the tokens for too long", sent=False
            )
        if waited > _TELL and not told:
            told = True
            log.info("Waiting for another task or process that renews the tokens of this connection")
        clock.sleep(_POLL)
        waited += _POLL
