"""
Who is writing a report: each run leaves a claim in the folder beside it until its report is whole.

Two runs that share a ``report_path`` would replace each other's report, and with it the only record of the
state before. The second is refused before its first request that writes.
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
from airflow_provider_b24.sync.checkpoint import Progress

log = logging.getLogger(__name__)

_CLAIM, _FINISHED = ".claim", ".finished"


@dataclass(frozen=True)
class Claim:
    """
    A run that writes a report.

    :param owner: prefix of the run's names in the folder.
    :param run: names the run for people; empty outside of a task.
    :param group: the mapped task's run, which shares nothing but the DAG's text between its instances.
    :param started: seconds since the epoch.
    """

    owner: str
    run: str = ""
    group: str = ""
    host: str = ""
    pid: int = 0
    started: float = 0.0

    @property
    def described(self) -> str:
        """The run in words."""
        return self.run or f"process {self.pid} on {self.host}"

    @property
    def is_dead(self) -> bool:
        """Whether it is a process of this machine that has ended; a task's run may be tried again."""
        if self.run or self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False


def claim(report: StoragePath, folder: StoragePath, owner: str, progress: Progress, now: float) -> Claim:
    """
    Claim a report for a run.

    :param report: its path.
    :param folder: beside it, where runs keep their records until the report is whole.
    :raises Bitrix24InputError: another run has not finished its report there; names that run.
    """
    mine = Claim(owner, progress.run, progress.group, socket.gethostname(), os.getpid(), now)
    _refuse_others(report, folder, mine)
    _write(folder / f"{owner}{_CLAIM}", mine)
    try:
        _refuse_others(report, folder, mine, simultaneous=True)
    except Bitrix24InputError:
        release(folder, mine)
        raise
    return mine


def release(folder: StoragePath, mine: Claim, *, finished: bool = False) -> None:
    """
    Give a claim up.

    :param finished: the report is whole; another instance of the same mapped task must not replace it.
    """
    if finished and mine.group:
        _write(folder / f"{mine.owner}{_FINISHED}", mine)
    _delete(folder / f"{mine.owner}{_CLAIM}")


def _refuse_others(
    report: StoragePath, folder: StoragePath, mine: Claim, *, simultaneous: bool = False
) -> None:
    names = {path.name: path for path in listed(folder)}
    for name, path in names.items():
        if name.endswith((_CLAIM, _FINISHED)):
            other = _read(path)
            if other is None or other.owner == mine.owner or (mine.run and other.run == mine.run):
                continue
            if name.endswith(_FINISHED):
                _look_at_finished(report, path, other, mine)
            elif other.is_dead:
                _delete(path)
            elif not simultaneous or (other.started, other.owner) < (mine.started, mine.owner):
                raise Bitrix24InputError(
                    f"{report} is the report of another run that has not finished: {other.described}. "
                    "Give each run a report_path of its own, for example with {{ run_id }} or "
                    "{{ ti.map_index }}. "
                    f"If that run is over, move its records away; they are in {folder}"
                )
    left = {
        name
        for name in names
        if not name.endswith((_CLAIM, _FINISHED)) and not name.startswith(f"{mine.owner}-")
    }
    if left and not simultaneous:
        log.warning(
            "An earlier run did not finish its report %s. Its records of the state before stay in %s: %s",
            report,
            folder,
            ", ".join(sorted(left)[:5]),
        )


def _look_at_finished(report: StoragePath, path: StoragePath, other: Claim, mine: Claim) -> None:
    """The mark of a mapped task's instance counts among the instances of the same run."""
    if mine.group and other.group == mine.group:
        raise Bitrix24InputError(
            f"{report} is already the report of {other.described}. Give each mapped task instance a "
            "report_path of its own, for example with {{ ti.map_index }}"
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
