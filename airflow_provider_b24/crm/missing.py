"""Companies that do not exist: the portal stores a binding to one, and it can become the primary company."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from airflow_provider_b24.crm.bindings import CompanyBinding
from airflow_provider_b24.crm.contact_company import find_companies
from airflow_provider_b24.crm.idset import IdSet
from airflow_provider_b24.errors import Bitrix24ApiError, Bitrix24InputError
from airflow_provider_b24.rest.calls import Call

IDS_PER_CALL = 50  # rows of a page of crm.item.list
_CALLS_AT_ONCE = 1000


class MissingCompanies:
    """
    Finds out which companies the portal does not show.

    :param bulk: carries out calls and yields their outcomes in order, e.g. ``Client.bulk``.
    """

    def __init__(self, bulk: Callable[[Iterable[Call]], Iterator[Any]]) -> None:
        self._bulk = bulk
        self._asked = IdSet()
        self._missing: set[int] = set()

    def look_up(self, company_ids: Iterable[int]) -> None:
        """
        Ask for the companies that were not asked for yet (``crm.item.list``, 50 ids a call).

        :raises Bitrix24Error: the portal did not answer.
        """
        new = (company for company in company_ids if self._asked.add(company))
        while portion := sorted(islice(new, IDS_PER_CALL * _CALLS_AT_ONCE)):
            found: set[int] = set()
            for outcome in self._bulk(_lookups(portion)):
                if outcome.error is not None:
                    raise outcome.error
                found |= _found_in(outcome.result)
            self._missing.update(set(portion) - found)

    def first_in(self, bindings: Sequence[CompanyBinding]) -> int | None:
        """Return the first of these companies that is missing."""
        if not self._missing:
            return None
        return next((one.company_id for one in bindings if one.company_id in self._missing), None)


def refuse_missing_companies(bindings: Sequence[CompanyBinding], perform: Callable[[Call], Any]) -> None:
    """
    Refuse bindings to companies that the portal does not show.

    :param perform: carries out one call and returns its result.
    :raises Bitrix24InputError: names the index and the company.
    """
    found: set[int] = set()
    for call in _lookups(sorted({binding.company_id for binding in bindings})):
        found |= _found_in(perform(call))
    for index, binding in enumerate(bindings):
        if binding.company_id not in found:
            raise Bitrix24InputError(
                f"items[{index}]: {missing_company(binding.company_id)}; nothing was written"
            )


def missing_company(company_id: int) -> str:
    """Say that a company is missing."""
    return f"company {company_id} does not exist, or the connection's user may not read it"


def _lookups(ids: Sequence[int]) -> Iterator[Call]:
    return (find_companies(ids[first : first + IDS_PER_CALL]) for first in range(0, len(ids), IDS_PER_CALL))


def _found_in(result: Any) -> set[int]:
    try:
        return {int(row["id"]) for row in result["items"]}
    except (TypeError, ValueError, LookupError):
        pass
    raise Bitrix24ApiError(
        f"the answer, {type(result).__name__}, is not a list of companies", method="crm.item.list"
    )
