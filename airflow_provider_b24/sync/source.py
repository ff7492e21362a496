"""What a sync is given, as a stream; what can be read twice is checked before the first write."""

from __future__ import annotations

import hashlib
import logging
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_b24.crm.idset import IdSet
from airflow_provider_b24.crm.values import parse_text
from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.files.paths import StoragePath
from airflow_provider_b24.files.rows import rows_of
from airflow_provider_b24.sync.flat_rows import extra_columns, together, unknown_columns
from airflow_provider_b24.sync.options import SyncOptions
from airflow_provider_b24.sync.wanted import Rejected, Wanted, parse_wanted

log = logging.getLogger(__name__)

LISTED = 20  # bad rows named in an error, warnings in the log


class Source:
    """
    The contacts of a sync.

    :param wanted: mapping of contact id to items, list of records or flat rows, text of one of these, path
        of a file, or any iterable of rows.
    :param options: how to read them.
    :raises Bitrix24InputError: it is none of these.
    :ivar path: of the file, if it is one.
    :ivar rereadable: whether it can be read twice; an iterator cannot.
    """

    def __init__(self, wanted: Any, options: SyncOptions) -> None:
        self._options = options
        self.path: StoragePath | None = None
        self._rows: Iterable[tuple[int, Any]] = ()
        self.rereadable = True
        self._warned = 0
        self._told = False
        given = parse_text(wanted, "bindings") if isinstance(wanted, str) else wanted
        if isinstance(given, os.PathLike) or hasattr(given, "with_name"):
            self.path = given
        elif isinstance(given, Mapping):
            self._rows = [
                (line, {"contact_id": contact, "items": items})
                for line, (contact, items) in enumerate(given.items(), start=1)
            ]
        elif hasattr(given, "to_dict") and hasattr(given, "columns"):
            raise Bitrix24InputError("bindings is a DataFrame; pass its rows: df.to_dict('records')")
        elif isinstance(given, Sequence) and not isinstance(given, str | bytes | bytearray):
            self._rows = together(given, self._named)
        elif isinstance(given, Iterable) and not isinstance(given, str | bytes | bytearray | Set):
            self._rows = ((line, self._named(row)) for line, row in enumerate(given, start=1))
            self.rereadable = False
        else:
            raise Bitrix24InputError(
                "bindings must be a mapping, a list, an iterator of rows or a path, "
                f"got {type(given).__name__}"
            )

    def __str__(self) -> str:
        return str(self.path) if self.path is not None else "the rows given"

    def __iter__(self) -> Iterator[Wanted | Rejected]:
        rows = self._rows if self.path is None else self._file_rows(self.path)
        return parse_wanted(rows, self._options, self._warn)

    def _named(self, row: Any) -> Any:
        """Give a tuple the names of its columns; one of another length stays and is rejected later."""
        columns = self._options.form.columns
        if columns is not None and isinstance(row, list | tuple) and len(row) == len(columns):
            return dict(zip(columns, row, strict=True))
        return row

    def _file_rows(self, path: StoragePath) -> Iterator[tuple[int, Any]]:
        is_csv = path.name.removesuffix(".gz").endswith(".csv")
        checked = not is_csv or self._options.reads_report or self._options.ignore_extra_columns
        for line, row in rows_of(path, self._options.form):
            if not checked and isinstance(row, Mapping):
                checked = True
                if extra := extra_columns(row):
                    raise Bitrix24InputError(f"{path}: {unknown_columns(extra)}")
            yield line, row

    def _warn(self, contact_id: int, line: int, text: str) -> None:
        self._warned += not self._told
        if self._warned <= LISTED and not self._told:
            log.warning("Contact %d (line %d): %s", contact_id, line, text)

    def tell_warnings(self) -> None:
        """Log how many more warnings there were, and none of them again."""
        if self._warned > LISTED and not self._told:
            log.warning("... and %d more warnings of this kind", self._warned - LISTED)
        self._told = True


@dataclass
class Checked:
    """What reading the input to its end told: it is whole and sound."""

    contacts: int = 0
    fingerprint: str = ""
    companies: array[int] = field(default_factory=lambda: array("q"))


def check(source: Source, options: SyncOptions) -> Checked:
    """
    Read the input to its end and keep facts about it, not its rows.

    :raises Bitrix24InputError: names up to 20 bad rows with their lines; or a file has no rows.
    """
    checked = Checked()
    digest = hashlib.sha256()
    companies = IdSet()
    bad: list[str] = []
    count = 0
    for item in source:
        if isinstance(item, Rejected) and options.undo and item.contact_id is not None:
            checked.contacts += 1  # it fails alone
            continue
        if isinstance(item, Rejected):
            count += 1
            if len(bad) < LISTED:
                bad.append(f"line {item.line}: {item.reason}")
            continue
        checked.contacts += 1
        digest.update(f"{item.contact_id}{item.bindings}".encode())
        checked.companies.extend(one.company_id for one in item.bindings if companies.add(one.company_id))
    source.tell_warnings()
    if count:
        more = f"\n... and {count - LISTED} more" if count > LISTED else ""
        rows = "1 row" if count == 1 else f"{count} rows"
        raise Bitrix24InputError(
            f"{rows} of the input cannot be used; nothing was written:\n" + "\n".join(bad) + more
        )
    empty_is_fine = options.allow_no_rows or options.reads_report  # a report may say that nothing was changed
    if source.path is not None and not checked.contacts and not empty_is_fine:
        raise Bitrix24InputError(f"{source.path} has no rows; set allow_no_rows=True if that is fine")
    checked.fingerprint = digest.hexdigest()[:32]
    return checked
