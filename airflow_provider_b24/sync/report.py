"""
The report of a sync: one JSON line per contact, there only once it is whole.

While the run goes on its lines lie in parts beside it. A run that died goes on behind the last line they
hold, so that the report covers every contact once. On a local disk each try has one part that grows; object
stores cannot append, so there each checkpoint is a part of its own.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.sync.plan import Tally


@dataclass
class Found:
    """What an earlier try left: the contacts it finished, their count, and what it was about to write."""

    done: int = 0
    tally: Tally = field(default_factory=Tally)
    before: dict[int, Any] = field(default_factory=dict)


class Report:
    """
    Writes one report.

    :param path: where the report will lie; ``.gz`` at the end compresses it.
    :param run: what this run is and what it was given; parts of another run are thrown away. Empty: a run
        that is never taken up again.
    """

    def __init__(self, path: ObjectStoragePath, run: str) -> None:
        self.path = path
        self._parts = self.path.with_name(f"{self.path.name}.parts")
        self._appends = self.path.protocol in ("", "file", "local")
        self._run = run
        self._lines: list[str] = []
        self._number = 0

    def resume(self) -> Found:
        """
        Read what an earlier try of the same run left, or start anew.

        :raises Bitrix24InputError: the report cannot be written there.
        """
        with self._explained():
            return self._resume()

    def _resume(self) -> Found:
        if self._appends and self.path.is_dir():
            raise IsADirectoryError(21, "it is a folder")
        found = Found()
        parts = self._existing()
        lines = self._read(parts)
        if not self._run or next(lines, None) != {"run": self._run}:
            for part in parts:
                part.unlink()
            self._parts.mkdir(parents=True, exist_ok=True)
            self._number = 0
            self._append({"run": self._run})
            self.checkpoint()
            return found
        for line in lines:
            if line["outcome"] == "about to be written":
                found.before[line["contact_id"]] = line["before"]
                continue
            found.before.pop(line["contact_id"], None)
            found.done += 1
            found.tally.add(line)
        self._number = len(parts)
        return found

    def add(self, line: dict[str, Any]) -> None:
        """Note what became of one contact."""
        self._append(line)

    def about_to_write(self, contact_id: int, before: Any) -> None:
        """Note a contact's state before it is changed, should this process die before the answer."""
        self._append({"outcome": "about to be written", "contact_id": contact_id, "before": before})

    def flush(self) -> None:
        """Hand lines to the operating system, where a killed process does not lose them."""
        if self._appends:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Make all lines so far durable."""
        if not self._lines:
            return
        part = self._parts / f"part-{self._number:06d}.jsonl"
        mode = "a" if self._appends else "w"
        with part.open(mode, encoding="utf-8") as file:  # type: ignore[no-untyped-call]
            file.write("".join(self._lines))
        self._number += not self._appends
        self._lines = []

    def finish(self) -> str:
        """Put the parts together into the report and return its path."""
        self.checkpoint()
        parts = self._existing()
        whole = self.path.with_name(f"{self.path.name}.tmp") if self._appends else self.path
        with _writer(whole) as file:
            for line in self._read(parts):
                if "run" not in line and line["outcome"] != "about to be written":
                    file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
        if self._appends:
            whole.replace(self.path)
        for part in reversed(parts):  # the first, which says whose they are, goes last
            part.unlink()
        self._parts.rmdir()
        return str(self.path)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """What stays wrong, however often it is tried, is a mistake in the input."""
        try:
            yield
        except (FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
            raise Bitrix24InputError(f"the report {self.path} cannot be written: {error.strerror}") from None

    def _append(self, line: dict[str, Any]) -> None:
        self._lines.append(json.dumps(line, ensure_ascii=False) + "\n")

    def _existing(self) -> list[ObjectStoragePath]:
        return sorted(self._parts.glob("part-*.jsonl"), key=str) if self._parts.exists() else []

    def _read(self, parts: list[ObjectStoragePath]) -> Iterator[dict[str, Any]]:
        for part in parts:
            with part.open("rb") as file:  # type: ignore[no-untyped-call]  # Airflow's
                for text in iter(file.readline, b""):  # below Airflow 3.1 the file cannot be iterated
                    if not text.endswith(b"\n"):
                        break  # the process died while it wrote this line
                    yield json.loads(text)


@contextmanager
def _writer(path: ObjectStoragePath) -> Iterator[BinaryIO]:
    with path.open("wb") as raw:  # type: ignore[no-untyped-call]  # Airflow's
        if not path.name.removesuffix(".tmp").endswith(".gz"):
            yield raw
            return
        with gzip.GzipFile(fileobj=raw, mode="wb") as file:
            yield file  # type: ignore[misc]  # it writes bytes, which is all that is asked of it
