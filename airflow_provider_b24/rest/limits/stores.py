"""
Where a portal's level is kept, so that all processes that share its bucket see one number.

A file for the processes of one machine, Redis for machines behind one address, memory where neither works.
"""

from __future__ import annotations

import contextlib
import fcntl
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
from airflow_provider_b24.rest.limits.bucket import Level, LevelChange, LevelStore, MemoryStore
from airflow_provider_b24.rest.locks import open_own_file, own_folder

log = logging.getLogger(__name__)

LOCK_SECONDS = 5.0  # a lock is held for microseconds; longer means that its holder is stopped
AWAY_SECONDS = 60.0  # for which a store that failed is left alone
_RECORD = struct.Struct("<dQ")
_REDIS_TRIES = 100
_REDIS_KEEP = 3600  # seconds after which an unused level is forgotten


def open_store(portal: str, folder: str | None = None, redis_url: str | None = None) -> LevelStore:
    """
    Return the store of one portal's level.

    :param portal: the portal's address; workers that name the same one share a level.
    :param folder: where the file lies; by default a folder of this user in the temporary directory.
    :param redis_url: a Redis server to use instead, for workers of several machines behind one address.
    :raises Bitrix24ConfigError: the address of the Redis server cannot be used.
    """
    name = hashlib.sha256(portal.lower().encode()).hexdigest()[:32]
    if redis_url:
        return Failover(RedisStore(redis_url, name))
    try:
        return Failover(FileStore(own_folder(Path(folder) if folder else None) / f"{name}.level"))
    except OSError as error:
        log.warning(
            "No file for the shared request limit (%s): it is kept for this process alone", error.strerror
        )
        return MemoryStore()


class StoreError(Exception):
    """A store cannot be read or written now; the text holds no address."""


class Failover:
    """A store that may fail; memory stands in for it, from the last known level, until it is asked again."""

    def __init__(self, shared: LevelStore) -> None:
        self._shared = shared
        self._latest = Level()
        self._memory = MemoryStore()
        self._away_until = 0.0

    def update(self, change: LevelChange) -> tuple[Level, float]:
        if time.monotonic() >= self._away_until:
            try:
                level, answer = self._shared.update(change)
            except StoreError as error:
                self._away_until = time.monotonic() + AWAY_SECONDS
                self._memory = MemoryStore(self._latest)
                log.warning("%s: the request limit is kept for this process alone for a while", error)
            else:
                self._latest = level
                return level, answer
        return self._memory.update(change)


class FileStore:
    """
    A level in a locked file.

    The lock belongs to the open file, so the kernel drops it when its holder dies. A record is written at
    once; what is none counts as an empty bucket.

    :raises OSError: the file cannot be opened, is a link or belongs to somebody else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._open():
            pass

    def update(self, change: LevelChange) -> tuple[Level, float]:
        try:
            with self._open() as handle, _locked(handle):
                old = _unpack(os.pread(handle, _RECORD.size, 0))
                new, answer = change(old)
                if new != old:
                    os.pwrite(handle, _pack(new), 0)
                return new, answer
        except OSError as error:
            reason = error.strerror
        raise StoreError(f"The shared request limit cannot be read ({reason})")

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

    :raises Bitrix24ConfigError: the address cannot be used; its text may hold a password and is not quoted.
    """

    def __init__(self, url: str, name: str) -> None:
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError:
            raise Bitrix24ConfigError(
                "pacing_redis_url is set, but redis is missing: pip install 'airflow-provider-b24[redis]'"
            ) from None
        self._errors: Any = redis
        self._server: Any = None
        with contextlib.suppress(ValueError):
            self._server = redis.Redis.from_url(url, socket_timeout=LOCK_SECONDS, retry=Retry(NoBackoff(), 1))
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


def _pack(level: Level) -> bytes:
    return _RECORD.pack(level.empty_at, level.refusals % 2**64)


def _unpack(record: bytes) -> Level:
    if len(record) != _RECORD.size:
        return Level()
    level = Level(*_RECORD.unpack(record))
    return level if math.isfinite(level.empty_at) else Level(0.0, level.refusals)


@contextlib.contextmanager
def _locked(handle: int) -> Iterator[None]:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(1, "its lock is held by a stopped process") from None
            time.sleep(0.001)
    try:
        yield
    finally:
        # Said outright: a process forked meanwhile holds the same open file.
        fcntl.flock(handle, fcntl.LOCK_UN)
