"""Companies that do not exist: the portal stores a binding to one, and it becomes the contact's company."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from airflow_provider_b24.crm.bindings import CompanyBinding
from airflow_provider_b24.crm.contact_company import find_companies
from airflow_provider_b24.errors import Bitrix24ApiError, Bitrix24InputError
from airflow_provider_b24.rest.calls import Call

IDS_PER_CALL = 50  # rows of a page of crm.item.list


def lookups(company_ids: Iterable[int]) -> list[Call]:
    """The calls that look up companies, 50 ids each."""
    ids = sorted(set(company_ids))
    return [find_companies(ids[first : first + IDS_PER_CALL]) for first in range(0, len(ids), IDS_PER_CALL)]


def found_in(result: Any) -> set[int]:
    """
    The ids in an answer to one of the lookups.

    :raises Bitrix24ApiError: it is no such answer.
    """
    try:
        return {int(row["id"]) for row in result["items"]}
    except (TypeError, ValueError, LookupError):
        pass
    raise Bitrix24ApiError(f"the answer, {type(result).__name__}, holds no companies", method="crm.item.list")


def refuse_missing_companies(bindings: Sequence[CompanyBinding], perform: Callable[[Call], Any]) -> None:
    """
    Refuse bindings to companies that the portal does not show.

    :raises Bitrix24InputError: names the index and the company.
    """
    found: set[int] = set()
    for call in lookups(binding.company_id for binding in bindings):
        found |= found_in(perform(call))
    for index, binding in enumerate(bindings):
        if binding.company_id not in found:
            raise Bitrix24InputError(
                f"items[{index}]: company {binding.company_id} does not exist, or the connection's user may "
                "not read it; nothing was written"
            )
