"""One holder at a time among all threads and processes of a machine."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from airflow_provider_b24.errors import Bitrix24TransportError
from airflow_provider_b24.rest.clock import Clock
from airflow_provider_b24.rest.forks import bind_to_process

log = logging.getLogger(__name__)

LOCK_TIMEOUT = 60.0  # seconds, although a renewal that hangs may take longer; the task's retries follow
_POLL = 0.05  # seconds between two looks at a lock that somebody holds
_POLLS_BEFORE_LOG = 40


class _Threads:
    """Replaces all locks where no files can be made."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        bind_to_process(self)

    def after_fork(self) -> None:
        self.lock = threading.Lock()


_threads = _Threads()


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
        raise PermissionError(1, f"{path.name} is not a folder that only this user may enter")
    return path


def busy() -> Bitrix24TransportError:
    """Return the temporary error of whoever has waited for too long."""
    return Bitrix24TransportError("somebody else has been renewing the tokens for too long", sent=False)


@contextlib.contextmanager
def thread_lock(lock: threading.Lock, timeout: float = LOCK_TIMEOUT) -> Iterator[float]:
    """
    Hold a lock among threads while the context lasts; its value is what is left of the timeout.

    :param timeout: seconds to wait for it.
    :raises Bitrix24TransportError: somebody holds it for longer; temporary.
    """
    since = time.monotonic()
    if not lock.acquire(timeout=timeout):
        raise busy()
    try:
        yield max(0.0, timeout - (time.monotonic() - since))
    finally:
        lock.release()


@contextlib.contextmanager
def machine_lock(
    name: str, clock: Clock, folder: Path | None = None, timeout: float = LOCK_TIMEOUT
) -> Iterator[None]:
    """
    Hold the lock ``name`` while the context lasts.

    The kernel releases it when its holder dies. Where no file can be made, it holds among threads only.

    :param timeout: seconds to wait for it.
    :raises Bitrix24TransportError: somebody holds it for longer; temporary.
    """
    try:
        handle = open_own_file(own_folder(folder) / f"{name}.lock")
    except OSError as error:
        log.warning("No lock file (%s): other processes may renew the same tokens at the same time", error)
        with thread_lock(_threads.lock, timeout):
            yield
        return
    try:
        with file_lock(handle, clock, timeout=timeout, poll=_POLL, busy=busy(), on_poll=_report):
            yield
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


@contextlib.contextmanager
def file_lock(
    handle: int,
    clock: Clock,
    *,
    timeout: float,
    poll: float,
    busy: Exception,
    on_poll: Callable[[int], None] = lambda polls: None,
) -> Iterator[None]:
    """
    Hold an open file's lock while the context lasts.

    Each opening of a file has a lock of its own, so threads wait for each other as processes do.

    :param timeout: seconds to wait for it.
    :param poll: seconds between two attempts.
    :param busy: raised when somebody holds it for longer.
    :param on_poll: called before each wait, with the number of failed attempts.
    """
    polls, since = 0, time.monotonic()
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        polls += 1
        if max(polls * poll, time.monotonic() - since) > timeout:
            raise busy
        on_poll(polls)
        clock.sleep(poll)
    try:
        yield
    finally:
        # Explicitly: a child that was forked meanwhile has the file open too.
        fcntl.flock(handle, fcntl.LOCK_UN)


def _report(polls: int) -> None:
    if polls == _POLLS_BEFORE_LOG:
        log.info("Waiting for another task or process that renews the tokens of this connection")
