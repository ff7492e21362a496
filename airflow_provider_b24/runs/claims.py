"""
Records who is writing a file: each run leaves a claim in the folder beside it until the file is complete.

Two runs that share a path would replace each other's result, and with a report the only record of the state
before. The second is refused before its first request that writes.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.files.paths import StoragePath, listed
from airflow_provider_b24.runs.identity import RunIdentity

log = logging.getLogger(__name__)

_CLAIM, _FINISHED = ".claim", ".finished"


@dataclass(frozen=True)
class Claim:
    """
    A run that writes a file.

    :param run_key: prefix of the run's names in the folder.
    :param run_id: names the run for people; empty outside of a task.
    :param mapped_run: the mapped task's run, which shares nothing but the DAG's text between its instances.
    :param started: seconds since the epoch.
    """

    run_key: str
    run_id: str = ""
    mapped_run: str = ""
    host: str = ""
    pid: int = 0
    started: float = 0.0

    @property
    def described(self) -> str:
        """The run in words."""
        return self.run_id or f"process {self.pid} on {self.host}"

    def is_same_run(self, other: Claim) -> bool:
        """Whether the two are of one run, perhaps with another input."""
        return self.run_key == other.run_key or (bool(self.run_id) and self.run_id == other.run_id)

    @property
    def is_dead(self) -> bool:
        """Whether it is a process of this machine that has ended; a task's run may be tried again."""
        if self.run_id or self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False


@dataclass(frozen=True)
class Claims:
    """
    The claims on one file.

    :param path: the file.
    :param folder: beside it, where runs keep their records until the file is complete.
    :param noun: what the file is, for messages, e.g. ``report``.
    :param option: the option that names it, e.g. ``report_path``.
    """

    path: StoragePath
    folder: StoragePath
    noun: str
    option: str

    def claim(self, run_key: str, run: RunIdentity, now: float) -> Claim:
        """
        Claim the file for a run.

        :raises Bitrix24InputError: another run has not finished its file there; names that run.
        """
        mine = Claim(run_key, run.run_id, run.mapped_run, socket.gethostname(), os.getpid(), now)
        self._refuse_others(mine)
        _write(self.folder / f"{run_key}{_CLAIM}", mine)
        try:
            self._refuse_others(mine, simultaneous=True)
        except Bitrix24InputError:
            self.release(mine)
            raise
        return mine

    def release(self, mine: Claim, *, finished: bool = False) -> None:
        """
        Give a claim up.

        :param finished: the file is complete; another instance of the same mapped task must not replace it.
        """
        if finished and mine.mapped_run:
            _write(self.folder / f"{mine.run_key}{_FINISHED}", mine)
        _delete(self.folder / f"{mine.run_key}{_CLAIM}")

    def _refuse_others(self, mine: Claim, *, simultaneous: bool = False) -> None:
        names = {path.name: path for path in listed(self.folder)}
        for name, path in names.items():
            if not name.endswith((_CLAIM, _FINISHED)):
                continue
            other = _read(path)
            if other is None or other.is_same_run(mine):
                continue
            if name.endswith(_FINISHED):
                self._check_finished(path, other, mine)
            elif other.is_dead:
                _delete(path)
            elif not simultaneous or (other.started, other.run_key) < (mine.started, mine.run_key):
                raise Bitrix24InputError(
                    f"{self.path} is the {self.noun} of another run that has not finished: "
                    f"{other.described}. Give each run its own {self.option}, for example with "
                    "{{ run_id }} or {{ ti.map_index }}. "
                    f"If that run is over, move its records away; they are in {self.folder}"
                )
        left = sorted(
            name
            for name in names
            if not name.endswith((_CLAIM, _FINISHED)) and not name.startswith(f"{mine.run_key}-")
        )
        if left and not simultaneous:
            log.warning(
                "An earlier run did not finish its %s %s. Its records of the state before stay in %s: %s",
                *(self.noun, self.path, self.folder, ", ".join(left[:5])),
            )

    def _check_finished(self, path: StoragePath, other: Claim, mine: Claim) -> None:
        """The mark of a mapped task's instance counts among the instances of the same run."""
        if mine.mapped_run and other.mapped_run == mine.mapped_run:
            raise Bitrix24InputError(
                f"{self.path} is already the {self.noun} of {other.described}. Give each mapped task "
                f"instance its own {self.option}, for example with {{{{ ti.map_index }}}}"
            )
        _delete(path)


def _write(path: StoragePath, one: Claim) -> None:
    with path.open("wb") as file:
        file.write(json.dumps(asdict(one)).encode())


def _read(path: StoragePath) -> Claim | None:
    try:
        with path.open("rb") as file:
            stored: Any = json.loads(file.read())
        return Claim(**stored)
    except (OSError, TypeError, ValueError):
        return None


def _delete(path: StoragePath) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
