"""
The companies bound to a contact: what people write becomes ``CompanyBinding`` values, or an error.

The portal drops what it cannot read and then unbinds every company, so everything is checked here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_b24.crm.values import parse_flag, parse_id, parse_optional_int, parse_text
from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.rest.calls import shown

log = logging.getLogger(__name__)

_FIELDS = {
    "COMPANY_ID": "company_id",
    "company_id": "company_id",
    "IS_PRIMARY": "is_primary",
    "is_primary": "is_primary",
    "SORT": "sort",
    "sort": "sort",
    # items.get returns it; items.set ignores it.
    "ROLE_ID": "role_id",
    "role_id": "role_id",
}


@dataclass(frozen=True, slots=True)
class CompanyBinding:
    """
    One company of a contact, as ``crm.contact.company.items.set`` takes it.

    :param company_id: id of the company.
    :param is_primary: whether it is the contact's primary company; None leaves it to the portal, which takes
        the first item if none is marked.
    :param sort: position, any whole number; None leaves it to the portal.
    """

    company_id: int
    is_primary: bool | None = None
    sort: int | None = None

    def to_wire(self) -> dict[str, Any]:
        """Return the binding in the API's own names."""
        wire: dict[str, Any] = {"COMPANY_ID": self.company_id}
        if self.is_primary is not None:
            wire["IS_PRIMARY"] = "Y" if self.is_primary else "N"
        if self.sort is not None:
            wire["SORT"] = self.sort
        return wire


def parse_bindings(
    items: Any,
    *,
    allow_empty: bool = False,
    field: str = "items",
    on_warning: Callable[[str], None] = log.warning,
) -> list[CompanyBinding]:
    """
    Read the companies of one contact.

    :param items: a list (any sequence) of company ids, of dicts in the API's names (``COMPANY_ID``,
        ``IS_PRIMARY``, ``SORT``) or in snake case, or of ``CompanyBinding``; or text of such a list, as JSON
        or as a Python literal. Rows of ``items.get`` can be passed as they are.
    :param allow_empty: whether ``items`` may be empty, which unbinds every company.
    :param field: what messages call ``items``.
    :param on_warning: called with a sentence if several companies are marked as primary; the first stays.
    :raises Bitrix24InputError: names the field, the index and the value.
    """
    rows = parse_text(items, field) if isinstance(items, str) else items
    if hasattr(rows, "to_dict") and hasattr(rows, "columns"):
        raise Bitrix24InputError(f"{field} is a DataFrame; pass its rows: df.to_dict('records')")
    if isinstance(rows, Mapping | str | bytes | Set) or not isinstance(rows, Iterable):
        raise Bitrix24InputError(f"{field} must be a list, got {type(rows).__name__}: {shown(rows)}")
    bindings = [_parse_one(row, f"{field}[{index}]") for index, row in enumerate(rows)]
    if not bindings and not allow_empty:
        raise Bitrix24InputError(
            f"{field} is empty, which would unbind every company of the contact; "
            "set allow_empty=True to do that"
        )
    _refuse_duplicates(bindings, field)
    return _one_primary(bindings, field, on_warning)


def to_wire(bindings: Iterable[CompanyBinding]) -> list[dict[str, Any]]:
    """Return the bindings as the ``items`` of ``crm.contact.company.items.set``."""
    return [binding.to_wire() for binding in bindings]


def parse_rows(rows: Iterable[Mapping[str, Any]]) -> list[CompanyBinding]:
    """Read the rows that ``crm.contact.company.items.get`` returns, by SORT, then by id."""
    bindings = [
        CompanyBinding(int(row["COMPANY_ID"]), row.get("IS_PRIMARY") == "Y", int(row.get("SORT") or 0))
        for row in rows
    ]
    return sorted(bindings, key=lambda binding: (binding.sort or 0, binding.company_id))


def primary_company(bindings: Sequence[CompanyBinding]) -> int | None:
    """Return the id of the company that becomes primary by the documented rule; None without companies."""
    marked = [binding.company_id for binding in bindings if binding.is_primary]
    return marked[0] if marked else bindings[0].company_id if bindings else None


def _parse_one(row: Any, where: str) -> CompanyBinding:
    if isinstance(row, CompanyBinding):
        row = {"company_id": row.company_id, "is_primary": row.is_primary, "sort": row.sort}
    elif isinstance(row, str) and row.lstrip().startswith("{"):  # a template that renders a dict
        row = parse_text(row, where)
    if not isinstance(row, Mapping):
        return CompanyBinding(parse_id(row, where))
    values: dict[str, Any] = {}
    for key, value in row.items():
        name = _FIELDS.get(key)
        if name is None:
            raise Bitrix24InputError(
                f"{where} has an unknown key {shown(key)}; known keys are COMPANY_ID, IS_PRIMARY and SORT"
            )
        if name in values:
            raise Bitrix24InputError(f"{where} names {name.upper()} twice")
        values[name] = value
    if "company_id" not in values:
        raise Bitrix24InputError(f"{where} has no COMPANY_ID: {shown(dict(row))}")
    return CompanyBinding(
        parse_id(values["company_id"], f"{where}.COMPANY_ID"),
        parse_flag(values.get("is_primary"), f"{where}.IS_PRIMARY"),
        parse_optional_int(values.get("sort"), f"{where}.SORT"),
    )


def _refuse_duplicates(bindings: Sequence[CompanyBinding], field: str) -> None:
    seen: dict[int, int] = {}
    for index, binding in enumerate(bindings):
        if binding.company_id in seen:
            raise Bitrix24InputError(
                f"{field}[{index}] repeats company {binding.company_id} "
                f"of {field}[{seen[binding.company_id]}]"
            )
        seen[binding.company_id] = index


def _one_primary(
    bindings: list[CompanyBinding], field: str, on_warning: Callable[[str], None]
) -> list[CompanyBinding]:
    """Keep the first of several primaries: the portal's documented rule, made visible."""
    marked = [index for index, binding in enumerate(bindings) if binding.is_primary]
    if len(marked) < 2:
        return bindings
    on_warning(
        f"{field} marks {len(marked)} companies as primary; only the first, company "
        f"{bindings[marked[0]].company_id}, stays primary"
    )
    return [
        replace(binding, is_primary=False) if index in marked[1:] else binding
        for index, binding in enumerate(bindings)
    ]
