"""
The six methods that bind companies to a contact; each function returns the call.

https://apidocs.bitrix24.com/api-reference/crm/contacts/company/index.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_b24.crm.bindings import CompanyBinding, to_wire
from airflow_provider_b24.errors import Bitrix24ApiError, Bitrix24UnknownOutcomeError
from airflow_provider_b24.rest.calls import Call, Verification

PREFIX = "crm.contact.company"
_NUMBERS = ("COMPANY_ID", "SORT", "ROLE_ID")


def set_companies(contact_id: int, bindings: Sequence[CompanyBinding]) -> Call:
    """``crm.contact.company.items.set``: replace the companies of a contact; answers True."""
    return Call(f"{PREFIX}.items.set", {"id": contact_id, "items": to_wire(bindings)})


def get_companies(contact_id: int) -> Call:
    """``crm.contact.company.items.get``: the bindings of a contact; ``[]`` also if there is no contact."""
    return Call(f"{PREFIX}.items.get", {"id": contact_id})


def clear_companies(contact_id: int) -> Call:
    """``crm.contact.company.items.delete``: unbind all companies of a contact; answers True."""
    return Call(f"{PREFIX}.items.delete", {"id": contact_id})


def add_company(contact_id: int, binding: CompanyBinding) -> Call:
    """``crm.contact.company.add``: bind one company; answers True, or False if it was bound already."""
    return Call(
        f"{PREFIX}.add",
        {"id": contact_id, "fields": binding.to_wire()},
        Verification(get_companies(contact_id), lambda rows: binding.company_id in company_ids(rows)),
    )


def delete_company(contact_id: int, company_id: int) -> Call:
    """``crm.contact.company.delete``: unbind one company; answers True, or False if it was not bound."""
    return Call(
        f"{PREFIX}.delete",
        {"id": contact_id, "fields": {"COMPANY_ID": company_id}},
        Verification(get_companies(contact_id), lambda rows: company_id not in company_ids(rows)),
    )


def get_fields() -> Call:
    """``crm.contact.company.fields``: the description of a binding's fields."""
    return Call(f"{PREFIX}.fields")


def find_companies(company_ids: Sequence[int]) -> Call:
    """
    ``crm.item.list`` of the companies with these ids, at most 50: the portal leaves out what does not exist
    and what the user may not read.
    """
    return Call(
        "crm.item.list",
        {"entityTypeId": 4, "select": ["id"], "filter": {"@id": list(company_ids)}, "start": -1},
    )


def confirm_write(result: Any, method: str) -> None:
    """
    Check the answer to ``items.set`` or ``items.delete``: a write counts as done only if the portal said so.

    :raises Bitrix24UnknownOutcomeError: the answer is neither true nor an error.
    """
    if result is not True:
        raise Bitrix24UnknownOutcomeError(
            f"the portal answered {result!r:.40} instead of true", method=method
        )


def company_ids(rows: Any) -> set[int]:
    """The companies in an answer of ``items.get``."""
    return {int(row["COMPANY_ID"]) for row in rows}


def plain_rows(result: Any) -> list[dict[str, Any]]:
    """
    The rows of an answer of ``items.get`` with numbers as ints, by SORT.

    :raises Bitrix24ApiError: it is no such answer.
    """
    try:
        rows = [{**row, **{name: int(row.get(name) or 0) for name in _NUMBERS}} for row in result]
        return sorted(rows, key=lambda row: (row["SORT"], row["COMPANY_ID"]))
    except (TypeError, ValueError, AttributeError):
        pass
    raise Bitrix24ApiError(
        f"the answer, {type(result).__name__}, holds no bindings", method=f"{PREFIX}.items.get"
    )


def plain_fields(result: Any) -> dict[str, Any]:
    """
    The answer of ``.fields``.

    :raises Bitrix24ApiError: it is no such answer.
    """
    if isinstance(result, dict):
        return result
    raise Bitrix24ApiError(f"the answer, {type(result).__name__}, holds no fields", method=f"{PREFIX}.fields")
