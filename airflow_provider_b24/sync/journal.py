"""
What a sync writes down before its report is whole: each contact's state before its write, and each result.

::

    report.jsonl.parts/
        <run>.claim                     who is writing
        <run>-<number>-<token>/         one folder for each try
            000000-try.json             which attempt it belongs to
            000001-before.jsonl         what was in the portal before the writes that follow
            000002-done.jsonl           lines of the report

A file is written once and never changed, on a disk as on an object store. A try reads what the tries before
it left; at the end the lines of all of them become the report.
"""

from __future__ import annotations

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


@dataclass(frozen=True)
class Record:
    """One entry of a try: a result, or the state before a write."""

    line: int
    number: int
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
    """

    def __init__(self, folder: StoragePath, owner: str, attempt: str) -> None:
        self._folder = folder
        self._owner = owner
        self._attempt = attempt
        self._mine = ""
        self._count = 0
        self.finished = IdSet()
        self.noted = IdSet()

    def start(self, now: float) -> None:
        """Read what the tries before left, and take over from them."""
        for records in self._contacts():
            newest = records[-1]
            if newest.current:
                (self.finished if newest.is_final else self.noted).add(newest.line)
        highest = max((_number(name) for name in self._tries()), default=0)
        number = max(highest + 1, int(now * 1000))
        self._mine = f"{self._owner}-{number:015d}-{secrets.token_hex(2)}"
        with explained(f"{self._folder} cannot be written"):
            (self._folder / self._mine).mkdir(parents=True, exist_ok=True)
            self._write(_TRY, [{"attempt": self._attempt}])

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
    def is_empty(self) -> bool:
        """Whether this try has written nothing down."""
        return self._count <= 1

    def delete(self) -> None:
        """Delete the records of this run."""
        for name in sorted(self._tries()):
            for file in listed(self._folder / name):
                file.unlink()
            with suppress(OSError):
                (self._folder / name).rmdir()

    def _tries(self) -> set[str]:
        return {path.name for path in listed(self._folder) if path.name.startswith(f"{self._owner}-")}

    def _contacts(self) -> Iterator[list[Record]]:
        """Yield each contact's records by line, oldest try first; a state before precedes its result."""
        streams = [self._records(name) for name in sorted(self._tries())]
        in_order = merge(*streams, key=lambda one: (one.line, one.number))
        for _, group in groupby(in_order, key=lambda one: one.line):
            yield list(group)

    def _records(self, name: str) -> Iterator[Record]:
        """The records of one try by line: its files are chunks of the input, one after the other."""
        files = sorted(listed(self._folder / name), key=lambda path: path.name)
        current = any(
            row.get("attempt") == self._attempt
            for file in files
            if file.name.endswith(_TRY)
            for row in _rows(file)
        )
        number = _number(name)
        noted: dict[int, Any] = {}
        for file in files:
            if file.name.endswith(_BEFORE):
                noted.update((row["line"], row["before"]) for row in _rows(file))
            elif file.name.endswith(_DONE):
                chunk = [Record(row["line"], number, current, row["before"], row) for row in _rows(file)]
                chunk += [Record(line, number, current, before, None) for line, before in noted.items()]
                noted = {}
                yield from sorted(chunk, key=lambda one: (one.line, one.result is not None))
        yield from (Record(line, number, current, before, None) for line, before in sorted(noted.items()))

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


def _number(name: str) -> int:
    return int(name.split("-")[1])


def _rows(path: StoragePath) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for text in iter(file.readline, b""):
            if not text.endswith(b"\n"):
                return  # the process was killed while it wrote this line
            yield json.loads(text)
