"""Finds records that do not exist: the portal stores a binding to one, and it can become the primary."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from airflow_provider_b24.crm.bindings import CompanyBinding
from airflow_provider_b24.crm.families import CONTACT_COMPANY, Family
from airflow_provider_b24.errors import Bitrix24ApiError, Bitrix24InputError
from airflow_provider_b24.files.idset import IdSet
from airflow_provider_b24.rest.calls import Call

IDS_PER_CALL = 50  # rows of a page of crm.item.list
_CALLS_AT_ONCE = 1000


class MissingRecords:
    """
    Finds out which linked records of a family the portal does not show.

    :param bulk: carries out calls and yields their outcomes in order, e.g. ``Client.bulk``.
    """

    def __init__(self, family: Family, bulk: Callable[[Iterable[Call]], Iterator[Any]]) -> None:
        self._family = family
        self._bulk = bulk
        self._known = IdSet()
        self._new = array("q")
        self._missing: set[int] = set()

    def add(self, ids: Iterable[int]) -> None:
        """Note records that are to be looked up."""
        self._new.extend(one for one in ids if self._known.add(one))

    def look_up(self) -> None:
        """
        Look up the records that were added since (``crm.item.list``, 50 ids a call).

        :raises Bitrix24Error: the portal did not answer.
        """
        new, self._new = iter(self._new), array("q")
        while portion := sorted(islice(new, IDS_PER_CALL * _CALLS_AT_ONCE)):
            found: set[int] = set()
            for outcome in self._bulk(_lookups(self._family, portion)):
                if outcome.error is not None:
                    raise outcome.error
                found |= _found_in(outcome.result)
            self._missing.update(set(portion) - found)

    def first_in(self, ids: Iterable[int]) -> int | None:
        """Return the first of these records that is missing."""
        return next((one for one in ids if one in self._missing), None) if self._missing else None


def refuse_missing_companies(bindings: Sequence[CompanyBinding], perform: Callable[[Call], Any]) -> None:
    """
    Refuse bindings to companies that the portal does not show.

    :param perform: carries out one call and returns its result.
    :raises Bitrix24InputError: names the index and the company.
    """
    found: set[int] = set()
    for call in _lookups(CONTACT_COMPANY, sorted({binding.company_id for binding in bindings})):
        found |= _found_in(perform(call))
    for index, binding in enumerate(bindings):
        if binding.company_id not in found:
            raise Bitrix24InputError(
                f"items[{index}]: {describe_missing('company', binding.company_id)}; nothing was written"
            )


def describe_missing(entity: str, record_id: int) -> str:
    """Say that a record is missing."""
    return f"{entity} {record_id} does not exist, or the connection's user may not read it"


def _lookups(family: Family, ids: Sequence[int]) -> Iterator[Call]:
    return (
        family.build_find(ids[first : first + IDS_PER_CALL]) for first in range(0, len(ids), IDS_PER_CALL)
    )


def _found_in(result: Any) -> set[int]:
    try:
        return {int(row["id"]) for row in result["items"]}
    except (TypeError, ValueError, LookupError):
        pass
    raise Bitrix24ApiError(
        f"the answer, {type(result).__name__}, is not a list of records", method="crm.item.list"
    )
