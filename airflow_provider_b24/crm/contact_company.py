"""
The six methods for the companies of a contact: their calls, and how their answers are read.

https://apidocs.bitrix24.com/api-reference/crm/contacts/company/index.html
"""

from __future__ import annotations

from typing import Any

from airflow_provider_b24.crm.families import CONTACT_COMPANY, confirm_write, parse_changed
from airflow_provider_b24.errors import Bitrix24ApiError

__all__ = ["confirm_write", "parse_changed"]

PREFIX = "crm.contact.company"

get_companies = CONTACT_COMPANY.build_get
set_companies = CONTACT_COMPANY.build_set
clear_companies = CONTACT_COMPANY.build_clear
add_company = CONTACT_COMPANY.build_add
delete_company = CONTACT_COMPANY.build_delete
get_fields = CONTACT_COMPANY.build_fields

_NUMBERS = ("COMPANY_ID", "SORT", "ROLE_ID")


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
        f"expected a list of bindings, received {type(result).__name__}",
        method=f"{PREFIX}.items.get",
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
