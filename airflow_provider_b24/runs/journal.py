"""
Records of a run, kept until its report is complete: each state before a write, and each result.

::

    report.jsonl.parts/
        <run>.claim                     who is writing
        <run>-<try>-<start>-<token>/    one folder for each try
            000000-try.json             its generation, and the tries before it
            000001-before.jsonl         what was in the portal before the writes that follow
            000002-done.jsonl           rows of the report

A file is written once and never changed, on a disk as on an object store. A try reads what earlier tries
left; at the end the rows of all of them become the report.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from heapq import merge
from itertools import groupby
from typing import Any

from airflow_provider_b24.files.idset import IdSet
from airflow_provider_b24.files.paths import StoragePath, explained, listed
from airflow_provider_b24.files.writer import json_line
from airflow_provider_b24.runs.fence import Fence, SupersededError, TryId

_TRY, _BEFORE, _DONE = "-try.json", "-before.jsonl", "-done.jsonl"
_FINISHED = ""  # the name of a try whose results are in the report only


@dataclass(frozen=True)
class Record:
    """
    One entry of a try: a result, or the state before a write.

    :ivar try_name: of the folder that it is in.
    :ivar current: whether the try is of this generation.
    """

    line_number: int
    try_name: str
    current: bool
    before: Any
    report_row: dict[str, Any] | None

    @property
    def is_final(self) -> bool:
        """Whether nothing more is to be done: the failure, if any, is not one that may pass."""
        error = (self.report_row or {}).get("error")
        return self.report_row is not None and not (error and error.get("temporary"))


class Journal:
    """
    The records of one run, written by one try of it.

    :param folder: where the runs' records are.
    :param run_key: prefix of this run's names there.
    :param generation: results of another generation do not count as finished, but their state before does.
    :param report: where a try that was already replaced may have put the report in its last moment.
    :ivar finished: line numbers that need nothing more.
    :ivar noted: line numbers that may have been written.
    """

    def __init__(self, folder: StoragePath, run_key: str, generation: str, report: StoragePath) -> None:
        self._folder = folder
        self._run_key = run_key
        self._generation = generation
        self._report = report
        self._count = 0
        self.name = ""  # of this try, for scratch files too
        self.finished = IdSet()
        self.noted = IdSet()

    def start(self, fence: Fence, *, was_finished: bool) -> None:
        """
        Read what earlier tries left, and take over from them.

        :param was_finished: an earlier try has finished; its results are in the report only.
        :raises SupersededError: a later try is already running.
        """
        self.finished, self.noted = IdSet(), IdSet()
        known = sorted(self._tries())
        fence.take_over(TryId.parse(name.removeprefix(f"{self._run_key}-")) for name in known)
        self.name = f"{self._run_key}-{fence.try_id}"
        head = {"generation": self._generation, "known": [*known, _FINISHED] if was_finished else known}
        with explained(f"{self._folder} cannot be written"):
            (self._folder / self.name).mkdir(parents=True, exist_ok=True)
            self._write(_TRY, [head])
        for records in self._by_line():
            newest = records[-1]
            if newest.current:
                (self.finished if newest.is_final else self.noted).add(newest.line_number)

    def note(self, states: Iterable[dict[str, Any]]) -> None:
        """Record what is about to be written: ``line``, ``key`` and, if known, the state ``before``."""
        self._write(_BEFORE, states)

    def append(self, report_rows: Iterable[dict[str, Any]]) -> None:
        """Record rows of the report, in the order of the input."""
        self._write(_DONE, report_rows)

    def check(self) -> None:
        """
        Make sure that this try is the current one.

        :raises SupersededError: another try has taken over, or has finished.
        """
        if max(self._tries(), default="") != self.name:
            raise SupersededError

    def report_rows(self) -> Iterator[dict[str, Any]]:
        """Yield the report: one row for each line, its newest result with the oldest state before."""
        for records in self._by_line():
            if (row := merged(records)) is not None:
                yield row

    @property
    def is_empty(self) -> bool:
        """Whether this try has recorded nothing."""
        return self._count <= 1

    def delete(self) -> None:
        """Delete the records of this try and of earlier ones, each try's first file first."""
        for name in sorted(name for name in self._tries() if name <= self.name):
            for file in sorted(listed(self._folder / name), key=lambda path: path.name):
                with suppress(FileNotFoundError):
                    file.unlink()
            with suppress(OSError):
                (self._folder / name).rmdir()

    def _tries(self) -> set[str]:
        return {path.name for path in listed(self._folder) if path.name.startswith(f"{self._run_key}-")}

    def _by_line(self) -> Iterator[list[Record]]:
        """Yield each line's records, oldest try first; a state before precedes its result."""
        known: set[str] = set()
        streams = {}
        for name in sorted(self._tries()):
            files = sorted(listed(self._folder / name), key=lambda path: path.name)
            head = next((row for file in files if file.name.endswith(_TRY) for row in rows(file)), None)
            if head is not None:
                known |= {name, *head["known"]}
                streams[name] = _records(files, name, current=head.get("generation") == self._generation)
        if known - set(streams):  # an earlier try has finished after all: its results are in the report only
            streams[_FINISHED] = _finished(self._report)
        in_order = merge(*streams.values(), key=lambda one: (one.line_number, one.try_name))
        for _, group in groupby(in_order, key=lambda one: one.line_number):
            yield list(group)

    def _write(self, kind: str, entries: Iterable[dict[str, Any]]) -> None:
        path = self._folder / self.name / f"{self._count:06d}{kind}"
        self._count += 1
        with path.open("wb") as file:
            file.write(b"".join(json_line(entry) for entry in entries))


def merged(records: list[Record]) -> dict[str, Any] | None:
    """
    Return one row of the report from all records of a line; None if no try finished it.

    What the newest try found as wanted counts as written if an earlier one wrote it or may have.
    """
    results = [one.report_row for one in records if one.report_row is not None]
    if not results:
        return None
    row = dict(results[-1])
    states = [one.before for one in records if one.before is not None]
    if states:
        row["before"] = states[0]
    if row["status"] == "unchanged" and any(
        one.report_row is None or one.report_row["status"] in ("written", "unknown") for one in records
    ):
        row["status"] = "written"
    return row


def _records(files: Iterable[StoragePath], name: str, *, current: bool) -> Iterator[Record]:
    """The records of one try by line: its files are chunks of the input, one after the other."""
    noted: dict[int, Any] = {}
    for file in files:
        if file.name.endswith(_BEFORE):
            noted.update((row["line"], row["before"]) for row in rows(file))
        elif file.name.endswith(_DONE):
            chunk = [Record(row["line"], name, current, row["before"], row) for row in rows(file)]
            chunk += [Record(line, name, current, before, None) for line, before in noted.items()]
            noted = {}
            yield from sorted(chunk, key=lambda one: (one.line_number, one.report_row is not None))
    yield from (Record(line, name, current, before, None) for line, before in sorted(noted.items()))


def _finished(report: StoragePath) -> Iterator[Record]:
    """The rows of a report as records of the oldest try."""
    if report.exists():
        for row in rows(report):
            yield Record(row["line"], _FINISHED, True, row["before"], row)


def rows(path: StoragePath) -> Iterator[dict[str, Any]]:
    """The complete lines of a file; what a killed process wrote in part is left out."""
    with path.open("rb") as raw:
        file = gzip.GzipFile(fileobj=raw) if path.name.endswith(".gz") else raw
        for text in iter(file.readline, b""):
            if text.endswith(b"\n"):
                yield json.loads(text)
