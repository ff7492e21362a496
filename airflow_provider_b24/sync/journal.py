"""
What a sync writes down before its report is whole: each contact's state before its write, and each result.

::

    report.jsonl.parts/
        <run>.claim                     who is writing
        <run>-<try>-<start>-<token>/    one folder for each try
            000000-try.json             its attempt, and the tries before it
            000001-before.jsonl         what was in the portal before the writes that follow
            000002-done.jsonl           lines of the report

A file is written once and never changed, on a disk as on an object store. A try reads what the tries before
it left; at the end the lines of all of them become the report.
"""

from __future__ import annotations

import gzip
import json
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from heapq import merge
from itertools import groupby
from typing import Any

from airflow_provider_b24.crm.idset import IdSet
from airflow_provider_b24.files.paths import StoragePath, explained, listed
from airflow_provider_b24.files.writer import json_line
from airflow_provider_b24.sync.checkpoint import TAKEN_OVER, SupersededError

_TRY, _BEFORE, _DONE = "-try.json", "-before.jsonl", "-done.jsonl"
_FINISHED = ""  # stands for a try whose results are in the report only


@dataclass(frozen=True)
class Record:
    """One entry of a try: a result, or the state before a write."""

    line: int
    owner: str
    current: bool
    before: Any
    result: dict[str, Any] | None

    @property
    def is_final(self) -> bool:
        """Whether the contact needs nothing more: its failure, if any, is not one that may pass."""
        error = (self.result or {}).get("error")
        return self.result is not None and not (error and error.get("temporary"))


class Journal:
    """
    The records of one run, written by one try of it.

    :param folder: where the runs' records are.
    :param owner: prefix of this run's names there.
    :param attempt: results of another attempt do not count as finished, but their state before does.
    :param report: where a try that was already replaced may have put the report in its last moment.
    """

    def __init__(self, folder: StoragePath, owner: str, attempt: str, report: StoragePath) -> None:
        self._folder = folder
        self._owner = owner
        self._attempt = attempt
        self._report = report
        self._mine = ""
        self._count = 0
        self.finished = IdSet()
        self.noted = IdSet()

    def start(self, try_number: int, now: float, *, was_finished: bool) -> None:
        """
        Read what the tries before left, and take over from them.

        :param now: seconds since the epoch.
        :param was_finished: a try before has finished; its results are in the report only.
        :raises SupersededError: a later try runs already.
        """
        self.finished, self.noted = IdSet(), IdSet()
        known = sorted(self._tries())
        start = max([int(now * 1000), *(_start(name) + 1 for name in known if _number(name) == try_number)])
        self._mine = f"{self._owner}-{try_number:05d}-{start:015d}-{secrets.token_hex(2)}"
        if known and known[-1] > self._mine:
            raise SupersededError(TAKEN_OVER)
        head = {"attempt": self._attempt, "known": [*known, _FINISHED] if was_finished else known}
        with explained(f"{self._folder} cannot be written"):
            (self._folder / self._mine).mkdir(parents=True, exist_ok=True)
            self._write(_TRY, [head])
        for records in self._contacts():
            newest = records[-1]
            if newest.current:
                (self.finished if newest.is_final else self.noted).add(newest.line)

    def note(self, states: Iterable[tuple[int, int, Any]]) -> None:
        """Write down contacts that are about to be written: line, contact id and state before, if known."""
        self._write(
            _BEFORE,
            ({"line": line, "contact_id": contact, "before": before} for line, contact, before in states),
        )

    def append(self, lines: Iterable[dict[str, Any]]) -> None:
        """Write down lines of the report, in the order of the input."""
        self._write(_DONE, lines)

    def check(self) -> None:
        """
        Make sure that this try is the current one.

        :raises SupersededError: another try has taken over, or has finished.
        """
        tries = self._tries()
        if self._mine not in tries or self._mine != max(tries):
            raise SupersededError(TAKEN_OVER)

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield the report: each contact once, as its newest result says, with the oldest state before."""
        for records in self._contacts():
            if (line := merged(records)) is not None:
                yield line

    @property
    def name(self) -> str:
        """Run and try, for scratch files."""
        return self._mine

    @property
    def is_empty(self) -> bool:
        """Whether this try has written nothing down."""
        return self._count <= 1

    def delete(self) -> None:
        """Delete the records of this try and of those before it, each try's first file first."""
        for name in sorted(name for name in self._tries() if name <= self._mine):
            for file in sorted(listed(self._folder / name), key=lambda path: path.name):
                with suppress(FileNotFoundError):
                    file.unlink()
            with suppress(OSError):
                (self._folder / name).rmdir()

    def _tries(self) -> set[str]:
        return {path.name for path in listed(self._folder) if path.name.startswith(f"{self._owner}-")}

    def _contacts(self) -> Iterator[list[Record]]:
        """Yield each contact's records by line, oldest try first; a state before precedes its result."""
        known: set[str] = set()
        streams = {}
        for name in sorted(self._tries()):
            files = sorted(listed(self._folder / name), key=lambda path: path.name)
            head = next((row for file in files if file.name.endswith(_TRY) for row in rows(file)), None)
            if head is not None:
                known |= {name, *head["known"]}
                streams[name] = _records(files, name, current=head["attempt"] == self._attempt)
        if known - set(streams):  # a try before has finished after all: its results are in the report only
            streams[_FINISHED] = _finished(self._report)
        in_order = merge(*streams.values(), key=lambda one: (one.line, one.owner))
        for _, group in groupby(in_order, key=lambda one: one.line):
            yield list(group)

    def _write(self, kind: str, rows: Iterable[dict[str, Any]]) -> None:
        path = self._folder / self._mine / f"{self._count:06d}{kind}"
        self._count += 1
        with path.open("wb") as file:
            file.write(b"".join(json_line(row) for row in rows))


def merged(records: list[Record]) -> dict[str, Any] | None:
    """
    One line of the report from all records of a contact; None if no try finished it.

    A contact that the newest try found as wanted counts as written if an earlier one wrote it or may have.
    """
    results = [one.result for one in records if one.result is not None]
    if not results:
        return None
    line = dict(results[-1])
    states = [one.before for one in records if one.before is not None]
    if states:
        line["before"] = states[0]
    if line["status"] == "unchanged" and any(
        (one.result is None) or one.result["status"] in ("written", "unknown") for one in records
    ):
        line["status"] = "written"
    return line


def _records(files: Iterable[StoragePath], owner: str, *, current: bool) -> Iterator[Record]:
    """The records of one try by line: its files are chunks of the input, one after the other."""
    noted: dict[int, Any] = {}
    for file in files:
        if file.name.endswith(_BEFORE):
            noted.update((row["line"], row["before"]) for row in rows(file))
        elif file.name.endswith(_DONE):
            chunk = [Record(row["line"], owner, current, row["before"], row) for row in rows(file)]
            chunk += [Record(line, owner, current, before, None) for line, before in noted.items()]
            noted = {}
            yield from sorted(chunk, key=lambda one: (one.line, one.result is not None))
    yield from (Record(line, owner, current, before, None) for line, before in sorted(noted.items()))


def _finished(report: StoragePath) -> Iterator[Record]:
    """The lines of a report as records of the oldest try."""
    if report.exists():
        for row in rows(report):
            yield Record(row["line"], _FINISHED, True, row["before"], row)


def _number(name: str) -> int:
    return int(name.split("-")[1])


def _start(name: str) -> int:
    return int(name.split("-")[2])


def rows(path: StoragePath) -> Iterator[dict[str, Any]]:
    """The whole lines of a file; what a killed process wrote in part is left out."""
    with path.open("rb") as raw:
        file = gzip.GzipFile(fileobj=raw) if path.name.endswith(".gz") else raw
        for text in iter(file.readline, b""):
            if text.endswith(b"\n"):
                yield json.loads(text)
