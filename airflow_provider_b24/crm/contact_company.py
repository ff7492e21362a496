"""
The six methods for the companies of a contact; each function returns the call.

https://apidocs.bitrix24.com/api-reference/crm/contacts/company/index.html
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from airflow_provider_b24.crm.bindings import CompanyBinding, to_wire
from airflow_provider_b24.errors import Bitrix24ApiError, Bitrix24UnknownOutcomeError
from airflow_provider_b24.rest.calls import Call, Verification

PREFIX = "crm.contact.company"
_NUMBERS = ("COMPANY_ID", "SORT", "ROLE_ID")


def set_companies(contact_id: int, bindings: Sequence[CompanyBinding]) -> Call:
    """``crm.contact.company.items.set``: replace the companies of a contact; returns True."""
    return Call(f"{PREFIX}.items.set", {"id": contact_id, "items": to_wire(bindings)})


def get_companies(contact_id: int) -> Call:
    """``crm.contact.company.items.get``: the bindings of a contact; ``[]`` also if it does not exist."""
    return Call(f"{PREFIX}.items.get", {"id": contact_id})


def clear_companies(contact_id: int) -> Call:
    """``crm.contact.company.items.delete``: unbind all companies of a contact; returns True."""
    return Call(f"{PREFIX}.items.delete", {"id": contact_id})


def add_company(contact_id: int, binding: CompanyBinding) -> Call:
    """``crm.contact.company.add``: bind one company; returns True, or False if it was already bound."""
    return Call(
        f"{PREFIX}.add",
        {"id": contact_id, "fields": binding.to_wire()},
        Verification(get_companies(contact_id), lambda rows: binding.company_id in company_ids(rows)),
    )


def delete_company(contact_id: int, company_id: int) -> Call:
    """``crm.contact.company.delete``: unbind one company; returns True, or False if it was not bound."""
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
    ``crm.item.list``: the companies with these ids, at most 50. The portal leaves out those that do not exist
    and those that the user may not read.
    """
    return Call(
        "crm.item.list",
        {"entityTypeId": 4, "select": ["id"], "filter": {"@id": list(company_ids)}, "start": -1},
    )


def confirm_write(result: Any, method: str) -> None:
    """
    Check the result of ``items.set`` or ``items.delete``: only ``true`` means that the write was applied.

    :raises Bitrix24UnknownOutcomeError: the result is anything else.
    """
    if result is not True:
        raise Bitrix24UnknownOutcomeError(f"expected true, received {_kind(result)}", method=method)


def parse_changed(result: Any, method: str) -> bool:
    """
    Return the result of ``.add`` or ``.delete``: False means that nothing had to be changed.

    :raises Bitrix24UnknownOutcomeError: the result is neither true nor false.
    """
    if isinstance(result, bool):
        return result
    raise Bitrix24UnknownOutcomeError(f"expected true or false, received {_kind(result)}", method=method)


def _kind(result: Any) -> str:
    """Describe an unexpected result without quoting text, which may repeat the request."""
    return json.dumps(result) if result is None or isinstance(result, bool | int) else type(result).__name__


def company_ids(rows: Any) -> set[int]:
    """Return the ids of the companies in a result of ``items.get``."""
    return {int(row["COMPANY_ID"]) for row in rows}


def to_json_rows(result: Any) -> list[dict[str, Any]]:
    """
    Return the rows of ``items.get`` with all numbers as ints, by SORT.

    :raises Bitrix24ApiError: the result is not a list of bindings.
    """
    try:
        rows = [{**row, **{name: int(row.get(name) or 0) for name in _NUMBERS}} for row in result]
        return sorted(rows, key=lambda row: (row["SORT"], row["COMPANY_ID"]))
    except (TypeError, ValueError, AttributeError):
        pass
    raise Bitrix24ApiError(
        f"expected a list of bindings, received {type(result).__name__}", method=f"{PREFIX}.items.get"
    )


def parse_fields(result: Any) -> dict[str, Any]:
    """
    Return the result of ``.fields``.

    :raises Bitrix24ApiError: the result is not an object.
    """
    if isinstance(result, dict):
        return result
    raise Bitrix24ApiError(
        f"expected an object of fields, received {type(result).__name__}", method=f"{PREFIX}.fields"
    )
