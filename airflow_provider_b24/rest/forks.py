"""
What belongs to one process: sockets, locks, tokens in memory.

A forked child (``multiprocessing`` in a task) gets a copy of all of it. Sockets are then shared, so that
answers swap, and a lock that another thread held at that moment is never released.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class ProcessBound(Protocol):
    """Something that holds sockets, locks or a cache."""

    def after_fork(self) -> None:
        """Start over in a forked child: new locks, no sockets; must not wait for anything."""


_bound: weakref.WeakSet[ProcessBound] = weakref.WeakSet()


def bind_to_process(thing: ProcessBound) -> None:
    """Call the thing's ``after_fork`` in every child that is forked while it lives."""
    _bound.add(thing)


def _start_over() -> None:
    for thing in list(_bound):
        thing.after_fork()


os.register_at_fork(after_in_child=_start_over)
