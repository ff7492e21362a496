"""
Where a portal's level is stored, so that all processes that share its bucket see one number.

A file for the processes of one machine, Redis for machines behind one address, memory where neither works.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from airflow_provider_b24.errors import Bitrix24ConfigError
from airflow_provider_b24.rest.clock import SystemClock
from airflow_provider_b24.rest.limits.bucket import Level, LevelChange, LevelStore, MemoryStore
from airflow_provider_b24.rest.locks import file_lock, open_own_file, own_folder

log = logging.getLogger(__name__)

LOCK_TIMEOUT = 5.0  # seconds; a lock is held for microseconds, so a longer wait means a stopped holder
RETRY_AFTER = 60.0  # seconds for which a store that failed is not used
UNUSED_AFTER = 86_400.0  # seconds after which the file of a portal that nobody calls is removed
_LOCK_POLL = 0.001
_RECORD = struct.Struct("<dQ")
_REDIS_TRIES = 100
_REDIS_KEEP = 3600  # seconds after which an unused level is forgotten


def open_store(
    portal: str,
    folder: str | None = None,
    redis_url: str | None = None,
    *,
    lock_timeout: float = LOCK_TIMEOUT,
    retry_after: float = RETRY_AFTER,
) -> LevelStore:
    """
    Return the store of one portal's level.

    :param portal: the portal's address; workers that use the same one share a level.
    :param folder: where the file is; by default a folder of this user in the temporary directory.
    :param redis_url: a Redis server to use instead, for workers of several machines behind one address.
    :param lock_timeout: seconds to wait for a file that another process has locked, or for Redis.
    :param retry_after: seconds for which a store that failed is replaced by memory.
    :raises Bitrix24ConfigError: the address of the Redis server cannot be used.
    """
    name = hashlib.sha256(portal.lower().encode()).hexdigest()[:32]
    if redis_url:
        return Failover(RedisStore(redis_url, name, lock_timeout), retry_after)
    try:
        levels = own_folder(Path(folder) if folder else None)
        _remove_unused(levels)
        return Failover(FileStore(levels / f"{name}.level", lock_timeout), retry_after)
    except OSError as error:
        log.warning(
            "The file for the shared request limit cannot be used (%s). "
            "The limit is tracked by this process alone",
            error.strerror,
        )
        return MemoryStore()


class StoreError(Exception):
    """A store cannot be read or written now; the text contains no address."""


class Failover:
    """A store that may fail. Memory then replaces it for a while, starting at the last known level."""

    def __init__(self, shared: LevelStore, retry_after: float = RETRY_AFTER) -> None:
        self._shared = shared
        self._retry_after = retry_after
        self._latest = Level()
        self._memory = MemoryStore()
        self._failed_until = 0.0

    def update(self, change: LevelChange) -> tuple[Level, float]:
        if time.monotonic() >= self._failed_until:
            try:
                level, answer = self._shared.update(change)
            except StoreError as error:
                self._failed_until = time.monotonic() + self._retry_after
                self._memory = MemoryStore(self._latest)
                log.warning("%s. For a while, the request limit is tracked by this process alone", error)
            else:
                self._latest = level
                return level, answer
        return self._memory.update(change)


class FileStore:
    """
    A level in a locked file.

    The lock belongs to the open file, so the kernel releases it when its holder dies. A record is written in
    one go; anything else in the file counts as an empty bucket.

    :param lock_timeout: seconds to wait for a file that another process has locked.
    :raises OSError: the file cannot be opened, is a link or belongs to somebody else.
    """

    def __init__(self, path: Path, lock_timeout: float = LOCK_TIMEOUT) -> None:
        self._path = path
        self._lock_timeout = lock_timeout
        self._clock = SystemClock()
        with self._open():
            pass

    def update(self, change: LevelChange) -> tuple[Level, float]:
        try:
            with self._open() as handle, self._lock(handle):
                old = _unpack(os.pread(handle, _RECORD.size, 0))
                new, answer = change(old)
                if new != old:
                    os.pwrite(handle, _pack(new), 0)
                return new, answer
        except OSError as error:
            reason = error.strerror
        raise StoreError(f"The shared request limit cannot be read ({reason})")

    def _lock(self, handle: int) -> contextlib.AbstractContextManager[None]:
        busy = TimeoutError(1, "its lock is held by a stopped process")
        return file_lock(handle, self._clock, timeout=self._lock_timeout, poll=_LOCK_POLL, busy=busy)

    @contextlib.contextmanager
    def _open(self) -> Iterator[int]:
        handle = open_own_file(self._path)
        try:
            yield handle
        finally:
            os.close(handle)


class RedisStore:
    """
    A level in Redis, changed under optimistic locking; needs the extra ``redis``.

    :param timeout: seconds to wait for an answer.
    :raises Bitrix24ConfigError: the address cannot be used; it may contain a password and is not quoted.
    """

    def __init__(self, url: str, name: str, timeout: float = LOCK_TIMEOUT) -> None:
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError:
            raise Bitrix24ConfigError(
                "pacing_redis_url needs the redis package: pip install 'airflow-provider-b24[redis]'"
            ) from None
        self._errors: Any = redis
        self._server: Any = None
        with contextlib.suppress(ValueError):
            self._server = redis.Redis.from_url(url, socket_timeout=timeout, retry=Retry(NoBackoff(), 1))
        if self._server is None:
            raise Bitrix24ConfigError("pacing_redis_url must look like redis://:password@host:6379/0")
        self._key = f"bitrix24:level:{name}"

    def update(self, change: LevelChange) -> tuple[Level, float]:
        try:
            return self._update(change)
        except self._errors.RedisError as error:
            reason = type(error).__name__
        raise StoreError(f"Redis does not answer ({reason})")

    def _update(self, change: LevelChange) -> tuple[Level, float]:
        with self._server.pipeline() as pipe:
            for _ in range(_REDIS_TRIES):
                pipe.watch(self._key)
                old = _unpack(pipe.get(self._key) or b"")
                new, answer = change(old)
                if new == old:
                    return old, answer
                pipe.multi()
                pipe.set(self._key, _pack(new), ex=_REDIS_KEEP)
                with contextlib.suppress(self._errors.WatchError):
                    pipe.execute()
                    return new, answer
        raise self._errors.RedisError("too many writers")


def _remove_unused(folder: Path) -> None:
    """Remove levels of portals that nobody calls any longer; such a bucket is empty anyway."""
    with os.scandir(folder) as files:
        for file in files:
            with contextlib.suppress(OSError):
                age = time.time() - file.stat(follow_symlinks=False).st_mtime
                if file.name.endswith(".level") and age > UNUSED_AFTER:
                    os.unlink(file)


def _pack(level: Level) -> bytes:
    return _RECORD.pack(level.empty_at, level.refusals % 2**64)


def _unpack(record: bytes) -> Level:
    if len(record) != _RECORD.size:
        return Level()
    level = Level(*_RECORD.unpack(record))
    return level if math.isfinite(level.empty_at) else Level(0.0, level.refusals)
