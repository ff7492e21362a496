"""
The report of a sync: one JSON line per record, there only once it is complete.

Until then the results are in the journal, in a folder beside it.
"""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress

from airflow_provider_b24.files.paths import StoragePath, explained, make_folder
from airflow_provider_b24.files.writer import json_line, whole_file
from airflow_provider_b24.runs.claims import Claim, Claims
from airflow_provider_b24.runs.fence import Fence
from airflow_provider_b24.runs.identity import RunIdentity
from airflow_provider_b24.runs.journal import Journal
from airflow_provider_b24.runs.report_rows import Tally

_TRIES = 3  # where another try deletes its records meanwhile


class _Deleted(Exception):
    """An earlier try has finished late, and deleted its records while they were read."""


class Report:
    """
    One run's report.

    :param path: where it is to be; compressed if the name ends in ``.gz``.
    :param key: identifies the input and the options; records of another input are left alone.
    :param now: seconds since the epoch.
    :param was_finished: the report that is there is this run's.
    :raises Bitrix24InputError: it cannot be written there, or another run's unfinished report is there.
    """

    def __init__(
        self, path: StoragePath, key: str, run: RunIdentity, fence: Fence, now: float, *, was_finished: bool
    ) -> None:
        name = f"{run.run_id}|{key}".encode()
        run_key = hashlib.sha256(name).hexdigest()[:16] if run.run_id else secrets.token_hex(8)
        self.path = path
        self.folder = path.with_name(f"{path.name}.parts")
        self.journal = Journal(self.folder, run_key, run.generation, path)
        self._claims = Claims(path, self.folder, "report", "report_path")
        make_folder(path)

        def open_folder() -> Claim:
            self.folder.mkdir(parents=True, exist_ok=True)
            claim = self._claims.claim(run_key, run, now)
            self.journal.start(fence, was_finished=was_finished)
            return claim

        with explained(f"{path} cannot be written"):
            for _ in range(_TRIES):
                with suppress(FileNotFoundError):  # an earlier try finishes late, and deletes its records
                    self._claim = open_folder()
                    return
            self._claim = open_folder()

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
                for row in self.journal.report_rows():
                    tally.add(row)
                    file.write(json_line(row))
            except FileNotFoundError:
                self.journal.check()
                raise _Deleted from None
            self.journal.check()
        return tally

    def close(self, *, finished: bool, resumed: bool) -> None:
        """
        Leave the folder.

        :param finished: the report is complete.
        :param resumed: another try will need the results.
        """
        if resumed:
            return
        if finished or self.journal.is_empty:
            self.journal.delete()
        self._claims.release(self._claim, finished=finished)
        with suppress(OSError):
            self.folder.rmdir()
