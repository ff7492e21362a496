"""
The report of a sync: one JSON line per contact, there only once it is whole.

Until then the results are in the journal, in a folder beside it.
"""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress

from airflow_provider_b24.files.paths import StoragePath, explained, make_folder
from airflow_provider_b24.files.writer import json_line, whole_file
from airflow_provider_b24.sync import claims
from airflow_provider_b24.sync.checkpoint import Progress
from airflow_provider_b24.sync.journal import Journal
from airflow_provider_b24.sync.lines import Tally

_TRIES = 3  # where another try deletes its records meanwhile


class _Deleted(Exception):
    """A try before has finished late, and deleted its records while they were read."""


class Report:
    """
    One run's report.

    :param path: where it is to be; compressed if the name ends in ``.gz``.
    :param key: what the run is given; records of another input are left alone.
    :param progress: names the run.
    :param now: seconds since the epoch.
    :param was_finished: the report that is there is this run's.
    :raises Bitrix24InputError: it cannot be written there, or another run's unfinished report is there.
    """

    def __init__(
        self, path: StoragePath, key: str, progress: Progress, now: float, *, was_finished: bool
    ) -> None:
        run = progress.run
        owner = hashlib.sha256(f"{run}|{key}".encode()).hexdigest()[:16] if run else secrets.token_hex(8)
        self.path = path
        self.folder = path.with_name(f"{path.name}.parts")
        self.journal = Journal(self.folder, owner, progress.attempt, path)
        make_folder(path)
        with explained(f"{path} cannot be written"):
            for _ in range(_TRIES):
                with suppress(FileNotFoundError):  # a try before has finished late, and deletes its records
                    self._claim = self._open(owner, progress, now, was_finished=was_finished)
                    return
            self._claim = self._open(owner, progress, now, was_finished=was_finished)

    def _open(self, owner: str, progress: Progress, now: float, *, was_finished: bool) -> claims.Claim:
        self.folder.mkdir(parents=True, exist_ok=True)
        claim = claims.claim(self.path, self.folder, owner, progress, now)
        self.journal.start(progress.try_number, now, was_finished=was_finished)
        return claim

    def write(self) -> Tally:
        """
        Write the report from all tries' results, and count them.

        :raises SupersededError: another try has taken over.
        """
        for _ in range(_TRIES):
            with suppress(_Deleted):
                return self._write()
        return self._write()

    def _write(self) -> Tally:
        tally = Tally()
        with whole_file(self.path, self.journal.name) as file:
            try:
                for line in self.journal.lines():
                    tally.add(line)
                    file.write(json_line(line))
            except FileNotFoundError:
                self.journal.check()
                raise _Deleted from None
            self.journal.check()
        return tally

    def close(self, *, finished: bool, resumed: bool) -> None:
        """
        Leave the folder.

        :param finished: the report is whole.
        :param resumed: another try will need the results.
        """
        if resumed:
            return
        if finished or self.journal.is_empty:
            self.journal.delete()
        claims.release(self.folder, self._claim, finished=finished)
        with suppress(OSError):
            self.folder.rmdir()
