"""What a sync was given, as a stream; what can be read twice is checked before the first write."""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_b24.crm.missing import IDS_PER_CALL, found_in, lookups
from airflow_provider_b24.crm.values import parse_text
from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.files.rows import check_columns, rows_of, storage_path
from airflow_provider_b24.sync.idset import IdSet
from airflow_provider_b24.sync.wanted import Rejected, Wanted, parse_wanted, together

if TYPE_CHECKING:
    from airflow_provider_b24.rest.client import Client

_LISTED = 20  # bad rows named in an error
_LOOK_AHEAD = 1000  # contacts of an iterator whose companies are looked up together


class Source:
    """
    The contacts of a sync.

    :param wanted: mapping of contact id to items, list of records or flat rows, text of one of these, path
        of a file, or any iterable of rows.
    :param columns: names of the columns of tuples, or of a CSV file without a header.
    :param allow_empty: whether a contact may end without companies.
    :param undo: the rows are lines of a report.
    :raises Bitrix24InputError: it is none of these.
    :ivar path: of the file, if it is one.
    :ivar rereadable: whether it can be read twice; an iterator cannot.
    """

    def __init__(self, wanted: Any, columns: Sequence[str] | None, *, allow_empty: bool, undo: bool) -> None:
        self._columns = None if columns is None else check_columns(columns)
        self._allow_empty = allow_empty
        self._undo = undo
        self.path: ObjectStoragePath | None = None
        self._rows: Iterable[tuple[int, Any]] = ()
        self.rereadable = True
        given = parse_text(wanted, "bindings") if isinstance(wanted, str) else wanted
        if isinstance(given, os.PathLike | ObjectStoragePath):
            self.path = storage_path(given, "bindings")
        elif isinstance(given, Mapping):
            self._rows = [
                (line, {"contact_id": contact, "items": items})
                for line, (contact, items) in enumerate(given.items(), start=1)
            ]
        elif isinstance(given, Sequence) and not isinstance(given, bytes | bytearray):
            self._rows = together(given, self._columns)
        elif isinstance(given, Iterable) and not isinstance(given, bytes | bytearray | set | frozenset):
            self._rows = enumerate(given, start=1)
            self.rereadable = False
        else:
            raise Bitrix24InputError(
                "bindings must be a mapping, a list, an iterator of rows or a path, "
                f"got {type(given).__name__}"
            )

    def __iter__(self) -> Iterator[Wanted | Rejected]:
        rows = self._rows if self.path is None else rows_of(self.path, self._columns)
        return parse_wanted(rows, columns=self._columns, allow_empty=self._allow_empty, undo=self._undo)


@dataclass
class Checked:
    """What reading the input to its end told: it is whole and sound."""

    contacts: int = 0
    fingerprint: str = ""
    companies: array[int] = field(default_factory=lambda: array("q"))


def check(source: Source) -> Checked:
    """
    Read the input to its end, keep its facts, not its rows.

    :raises Bitrix24InputError: names up to 20 bad rows with their lines.
    """
    checked = Checked()
    digest = hashlib.sha256()
    companies = IdSet()
    bad: list[str] = []
    more = 0
    for item in source:
        if isinstance(item, Rejected):
            more += len(bad) >= _LISTED
            if len(bad) < _LISTED:
                bad.append(f"line {item.line}: {item.reason}")
            continue
        checked.contacts += 1
        digest.update(f"{item.contact_id}{item.bindings}".encode())
        checked.companies.extend(one.company_id for one in item.bindings if companies.add(one.company_id))
    if bad:
        rest = f"\n... and {more} more" if more else ""
        raise Bitrix24InputError(
            f"{len(bad) + more} rows of the input cannot be used; nothing was written:\n"
            + "\n".join(bad)
            + rest
        )
    checked.fingerprint = digest.hexdigest()[:32]
    return checked


class MissingCompanies:
    """Knows which companies the portal shows, and rejects contacts that name others."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._asked = IdSet()
        self._missing: set[int] = set()

    def look_up(self, companies: Iterable[int]) -> None:
        """
        Ask for companies that were not asked for yet.

        :raises Bitrix24Error: the portal did not answer.
        """
        new = iter([company for company in companies if self._asked.add(company)])
        while portion := list(islice(new, IDS_PER_CALL * 1000)):
            found: set[int] = set()
            for outcome in self._client.bulk(lookups(portion)):
                if outcome.error is not None:
                    raise outcome.error
                found |= found_in(outcome.result)
            self._missing.update(set(portion) - found)

    def reject(self, items: Iterable[Wanted | Rejected]) -> Iterator[Wanted | Rejected]:
        """Pass on the contacts, those that name a missing company as rejected."""
        for item in items:
            missing = (
                [one.company_id for one in item.bindings if one.company_id in self._missing]
                if self._missing and isinstance(item, Wanted)
                else []
            )
            if missing:
                yield Rejected(
                    item.line,
                    item.contact_id,
                    f"company {missing[0]} does not exist, or the connection's user may not read it",
                )
            else:
                yield item

    def check_as_it_flows(self, items: Iterable[Wanted | Rejected]) -> Iterator[Wanted | Rejected]:
        """Look up the companies of a portion of an iterator, then pass it on."""
        stream = iter(items)
        while portion := list(islice(stream, _LOOK_AHEAD)):
            self.look_up(
                one.company_id for item in portion if isinstance(item, Wanted) for one in item.bindings
            )
            yield from self.reject(portion)
