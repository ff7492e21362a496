"""The input of a sync as a stream; what can be read twice is checked before the first write."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Generic

from airflow_provider_b24.crm.values import parse_text
from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.files.idset import IdSet
from airflow_provider_b24.files.paths import StoragePath
from airflow_provider_b24.files.rows import rows_of
from airflow_provider_b24.sync.options import EngineOptions, InputOptions
from airflow_provider_b24.sync.report_input import parse_report
from airflow_provider_b24.sync.subject import NumberedRow, Rejected, S, Subject, Wanted

log = logging.getLogger(__name__)

LISTED = 20  # bad rows named in an error, warnings in the log


class Source(Generic[S]):
    """
    The records of a sync.

    :param given: mapping of key to value, list of records or flat rows, text of one of these, path of a file,
        or any iterable of rows.
    :param subject: what the rows are about.
    :raises Bitrix24InputError: it is none of these.
    :ivar path: of the file, if it is one.
    :ivar rereadable: whether it can be read twice; an iterator cannot.
    """

    def __init__(self, given: Any, subject: Subject[S], options: EngineOptions, form: InputOptions) -> None:
        self._subject = subject
        self._options = options
        self._form = form
        self.path: StoragePath | None = None
        self.rereadable = True
        self._warned = 0
        self._logged = False
        self._rows = self._open(parse_text(given, "bindings") if isinstance(given, str) else given)

    def _open(self, given: Any) -> Iterable[NumberedRow]:
        if isinstance(given, os.PathLike) or hasattr(given, "with_name"):
            self.path = given
            return ()
        if isinstance(given, Mapping):
            entries = (self._subject.record(key, value) for key, value in given.items())
            return list(enumerate(entries, start=1))
        if hasattr(given, "to_dict") and hasattr(given, "columns"):
            raise Bitrix24InputError("bindings is a DataFrame; pass its rows: df.to_dict('records')")
        if isinstance(given, Iterable) and not isinstance(given, str | bytes | bytearray | Set):
            numbered = ((number, self._named(row)) for number, row in enumerate(given, start=1))
            self.rereadable = isinstance(given, Sequence)
            return self._subject.arrange(list(numbered)) if self.rereadable else numbered
        raise Bitrix24InputError(
            f"bindings must be a mapping, a list, an iterator of rows or a path, got {type(given).__name__}"
        )

    def __str__(self) -> str:
        return str(self.path) if self.path is not None else "the rows given"

    def __iter__(self) -> Iterator[Wanted[S] | Rejected]:
        subject = self._subject
        rows = self._rows if self.path is None else self._file_rows(self.path)
        if self._options.reads_report:
            items = parse_report(rows, subject, undo=self._options.undo)
        else:
            items = subject.parse(rows, self._warn)
        seen = IdSet()
        for item in items:
            if isinstance(item, Rejected) or seen.add(item.key):
                yield item
            else:
                reason = f"{subject.noun} {item.key} appears more than once; {subject.group_advice}"
                yield Rejected(item.line_number, item.key, reason)

    def _named(self, row: Any) -> Any:
        """Give a tuple the names of its columns; one of another length stays and is rejected later."""
        columns = self._form.columns
        if columns is not None and isinstance(row, list | tuple) and len(row) == len(columns):
            return dict(zip(columns, row, strict=True))
        return row

    def _file_rows(self, path: StoragePath) -> Iterator[NumberedRow]:
        is_csv = path.name.removesuffix(".gz").endswith(".csv")
        checked = not is_csv or self._options.reads_report or self._form.ignore_extra_columns
        for line_number, row in rows_of(path, self._form):
            if not checked and isinstance(row, Mapping):
                checked = True
                try:
                    self._subject.check_columns(row)
                except Bitrix24InputError as error:
                    raise Bitrix24InputError(f"{path}: {error}") from None
            yield line_number, row

    def _warn(self, key: int, line_number: int, text: str) -> None:
        self._warned += not self._logged
        if self._warned <= LISTED and not self._logged:
            log.warning("%s %d (line %d): %s", self._subject.noun.capitalize(), key, line_number, text)

    def log_more_warnings(self) -> None:
        """Log how many more warnings there were, and none of them again."""
        if self._warned > LISTED and not self._logged:
            log.warning("... and %d more warnings of this kind", self._warned - LISTED)
        self._logged = True


@dataclass(frozen=True)
class Checked:
    """
    Facts gathered while validating the input.

    :ivar total: number of records.
    :ivar fingerprint: of keys and wanted states.
    """

    total: int
    fingerprint: str


def check(source: Source[S], subject: Subject[S], options: EngineOptions, form: InputOptions) -> Checked:
    """
    Read the input to its end and keep facts about it, not its rows.

    :raises Bitrix24InputError: names up to 20 bad rows with their lines; or a file has no rows.
    """
    digest = hashlib.sha256()
    bad: list[str] = []
    total = rejected = 0
    for item in source:
        if isinstance(item, Wanted):
            total += 1
            digest.update(f"{item.key}{item.state}".encode())
            subject.collect(item)
        elif options.undo and item.key is not None:
            total += 1  # it fails alone
        else:
            rejected += 1
            if len(bad) < LISTED:
                bad.append(f"line {item.line_number}: {item.reason}")
    source.log_more_warnings()
    if rejected:
        more = f"\n... and {rejected - LISTED} more" if rejected > LISTED else ""
        rows = "1 row" if rejected == 1 else f"{rejected} rows"
        raise Bitrix24InputError(
            f"{rows} of the input cannot be used; nothing was written:\n" + "\n".join(bad) + more
        )
    empty_is_fine = form.allow_no_rows or options.reads_report  # a report may say that nothing was changed
    if source.path is not None and not total and not empty_is_fine:
        raise Bitrix24InputError(f"{source.path} has no rows; set allow_no_rows=True if that is fine")
    return Checked(total, digest.hexdigest()[:32])
