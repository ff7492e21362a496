"""Faults of the worker: its disk is full, or what keeps its state cannot be reached."""

import contextlib
import errno
import io
import pathlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from tests.faults.matrix_faults import Trouble
from tests.faults.matrix_network import Schedule
from tests.faults.matrix_paths import Path
from tests.faults.matrix_world import World


class Counter:
    """Calls something, unless the schedule says that it fails."""

    def __init__(self, world: World, schedule: Schedule, make: Callable[[], OSError]) -> None:
        self.struck = 0
        self._calls = 0
        self._world, self._schedule, self._make = world, schedule, make
        self._started = world.clock.right()

    def check(self) -> None:
        self._calls += 1
        if self._schedule.strikes(self._calls, self._world.clock.right() - self._started):
            self.struck += 1
            raise self._make()


class FullFile(io.BufferedWriter):
    """A file that may not be written."""

    def __init__(self, path: pathlib.Path, mode: str, check: Callable[[], None]) -> None:
        super().__init__(io.FileIO(path, mode))
        self._check = check

    def write(self, data: Any) -> int:
        self._check()
        return super().write(data)


@contextlib.contextmanager
def full_disk(world: World, schedule: Schedule) -> Iterator[Callable[[], int]]:
    """Files cannot be written."""
    counter = Counter(world, schedule, lambda: OSError(errno.ENOSPC, "No space left on device"))
    opened = pathlib.Path.open

    def open_checked(self: pathlib.Path, mode: str = "r", *more: Any, **options: Any) -> Any:
        if mode not in ("wb", "ab", "xb"):
            return opened(self, mode, *more, **options)
        return FullFile(self, mode[0], counter.check)

    with mock.patch.object(pathlib.Path, "open", open_checked):
        yield lambda: counter.struck


@contextlib.contextmanager
def no_state(world: World, schedule: Schedule) -> Iterator[Callable[[], int]]:
    """The task's state store does not answer."""
    counter = Counter(world, schedule, lambda: ConnectionError("the API server does not answer"))
    world.on_state = counter.check
    try:
        yield lambda: counter.struck
    finally:
        world.on_state = lambda: None


@contextlib.contextmanager
def no_tokens(world: World, schedule: Schedule) -> Iterator[Callable[[], int]]:
    """The folder of the tokens is a file."""
    tokens = world.folder / "tokens"
    tokens.write_text("")
    try:
        yield lambda: 1
    finally:
        tokens.unlink()


LOCAL = {
    "disk": Trouble("disk full", "local", local=full_disk),
    "state": Trouble("state store away", "local", local=no_state),
    "tokens": Trouble("token store away", "rejected", local=no_tokens),
}


def of_path(path: Path) -> list[Trouble]:
    """The faults of the worker that a path can meet."""
    return [LOCAL[name] for name in path.uses]
