"""
Runs blocking work off the triggerer's event loop, in threads that are counted per connection.

All triggers of a triggerer share these threads, and a request to a portal that hangs occupies one until its
timeout. So no connection may use more than its own share, and every connection has at least one thread,
whatever the others do.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from asgiref.sync import sync_to_async

from airflow_provider_b24.rest.forks import bind_to_process

T = TypeVar("T")
Work = tuple["Future[Any]", Callable[[], Any]]

MOST_PER_CONNECTION = 16
MOST = 128  # of all connections together; the first thread of a connection does not count
IDLE_SECONDS = 5.0  # after which a thread ends that has nothing to do


async def run_in_thread(work: Callable[[], T], conn_id: str) -> T:
    """
    Run blocking work in a thread and return its result.

    Inside the thread Airflow's connections and Variables can be read: before Airflow 3.3 the triggerer
    answers only threads that asgiref started.

    :param conn_id: id of the connection that the work is for.
    """
    executor: Any = _ForConnection(_threads, conn_id)  # asgiref asks for a pool and only submits to it
    return await sync_to_async(work, thread_sensitive=False, executor=executor)()


@dataclass
class _Share:
    """
    Work of one connection that waits for a thread, and its threads.

    :param changed: notified of new work.
    """

    changed: threading.Condition
    waiting: deque[Work] = field(default_factory=deque)
    threads: int = 0
    idle: int = 0


class ConnectionThreads:
    """
    Threads that start when there is work and end when there is none; the work of a connection in its order.

    They do not keep the process from ending: a request may hang longer than a triggerer may take to stop.

    :param per_connection: the most threads of one connection.
    :param most: the most threads of all, besides the first of each connection.
    :param idle_seconds: after which a thread without work ends.
    """

    def __init__(
        self, per_connection: int = MOST_PER_CONNECTION, most: int = MOST, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self._per_connection = per_connection
        self._most = most
        self._idle_seconds = idle_seconds
        self.after_fork()
        bind_to_process(self)

    def after_fork(self) -> None:
        """Forget the threads of the parent process, and work that waits for them there."""
        self._lock = threading.Lock()
        self._shares: dict[str, _Share] = {}

    def counts(self) -> dict[str, int]:
        """Return the number of threads by connection; those without a thread are not in it."""
        with self._lock:
            return {conn_id: share.threads for conn_id, share in self._shares.items()}

    def submit(self, conn_id: str, work: Callable[[], T]) -> Future[T]:
        """
        Run work in a thread of the connection, as soon as one is free.

        :raises RuntimeError: the connection has no thread, and the system lets none be started.
        """
        future: Future[T] = Future()
        with self._lock:
            share = self._shares.get(conn_id)
            if share is None:
                share = self._shares[conn_id] = _Share(threading.Condition(self._lock))
            share.waiting.append((future, work))
            try:
                if self._needs_thread(share):
                    self._start(conn_id, share)
            except RuntimeError:
                if not share.threads:
                    del self._shares[conn_id]
                    raise
            share.changed.notify()
        return future

    def _needs_thread(self, share: _Share) -> bool:
        if len(share.waiting) <= share.idle or share.threads >= self._per_connection:
            return False
        others = sum(one.threads - 1 for one in self._shares.values() if one.threads)
        return not share.threads or others < self._most

    def _start(self, conn_id: str, share: _Share) -> None:
        thread = threading.Thread(
            target=self._work, args=(conn_id, share), name=f"bitrix24-{conn_id}", daemon=True
        )
        thread.start()  # waits for the lock, which is held here
        share.threads += 1

    def _work(self, conn_id: str, share: _Share) -> None:
        while (next_ := self._next(conn_id, share)) is not None:
            future, work = next_
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except BaseException as error:  # noqa: BLE001 - whoever awaits it decides
                    future.set_exception(error)
            del next_, future, work  # or the result would live until there is work again

    def _next(self, conn_id: str, share: _Share) -> Work | None:
        """Return the next work of the connection; None if the thread has to end."""
        with self._lock:
            share.idle += 1
            share.changed.wait_for(lambda: share.waiting, self._idle_seconds)
            share.idle -= 1
            if share.waiting:
                return share.waiting.popleft()
            share.threads -= 1
            if not share.threads:
                del self._shares[conn_id]
            return None


class _ForConnection(Executor):
    """The threads of one connection, as asyncio wants them."""

    def __init__(self, threads: ConnectionThreads, conn_id: str) -> None:
        self._threads = threads
        self._conn_id = conn_id

    def submit(self, work: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        return self._threads.submit(self._conn_id, partial(work, *args, **kwargs))


_threads = ConnectionThreads()
