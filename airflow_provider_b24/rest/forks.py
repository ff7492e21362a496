"""
What belongs to one process: sockets, locks, tokens in memory.

A forked child (``multiprocessing`` in a task) gets a copy of all of it. Sockets are then shared, so that
answers swap, and a lock that another thread held at that moment is never released.
"""

from __future__ import annotations

import os
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from airflow_provider_b24.errors import Bitrix24InputError


class ProcessBound(Protocol):
    """Something that holds sockets, locks or a cache."""

    def after_fork(self) -> None:
        """Start over in a forked child: new locks, no sockets; must not wait for anything."""


class OwnThreads(ThreadPoolExecutor):
    """
    A few threads that send the requests of one run or list. A forked child has a copy without the threads.

    :param most: the most threads.
    """

    def __init__(self, most: int) -> None:
        super().__init__(most, thread_name_prefix="bitrix24")
        self._process = os.getpid()

    def check_process(self) -> None:
        """
        Check that this is the process in which they were made: elsewhere, no answer would ever come.

        :raises Bitrix24InputError: it is another one.
        """
        if os.getpid() != self._process:
            raise Bitrix24InputError(
                "this iterator was made in another process: make one in each process that uses it"
            )


_bound: weakref.WeakSet[ProcessBound] = weakref.WeakSet()


def bind_to_process(thing: ProcessBound) -> None:
    """Call the thing's ``after_fork`` in every child that is forked while it lives."""
    _bound.add(thing)


def _start_over() -> None:
    for thing in list(_bound):
        thing.after_fork()


os.register_at_fork(after_in_child=_start_over)
