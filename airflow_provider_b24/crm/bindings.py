"""The companies of a contact: reading what people have, refusing what would wipe, writing what goes out."""

from __future__ import annotations

import ast
import contextlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_b24.errors import Bitrix24InputError

log = logging.getLogger(__name__)

_FIELDS = {
    "COMPANY_ID": "company_id",
    "company_id": "company_id",
    "IS_PRIMARY": "is_primary",
    "is_primary": "is_primary",
    "SORT": "sort",
    "sort": "sort",
    # items.get returns it; the portal ignores it in items.set and it cannot be set.
    "ROLE_ID": "role_id",
    "role_id": "role_id",
}
_FLAGS = {True: True, False: False, "Y": True, "N": False}
_MAX_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class CompanyBinding:
    """
    One company of a contact, as ``crm.contact.company.items.set`` takes it.

    :param company_id: id of the company.
    :param is_primary: whether it is the contact's main company; None leaves it to the portal's rule
        (the first item, if no other is marked).
    :param sort: position, a positive number; None leaves it to the portal.
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


def parse_id(value: Any, field: str) -> int:
    """
    Read an id: a positive int, or text of one.

    :raises Bitrix24InputError: anything else; PHP would read ``"82abc"`` as 82 and ``true`` as 1.
    """
    number = value
    is_text = isinstance(value, str) and value.strip().isascii() and value.strip().isdecimal()
    if is_text or (isinstance(value, float) and value.is_integer()):  # a column with gaps comes as floats
        number = int(value)
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number <= _MAX_ID:
        raise Bitrix24InputError(f"{field} must be a positive whole number, got {value!r:.80}")
    return number


def parse_bindings(
    items: Any,
    *,
    allow_empty: bool = False,
    field: str = "items",
    on_warning: Callable[[str], None] = log.warning,
) -> list[CompanyBinding]:
    """
    Read the companies of one contact.

    :param items: a list of company ids, of dicts in the API's names (``COMPANY_ID``, ``IS_PRIMARY``,
        ``SORT``) or in snake case, or of ``CompanyBinding``; or text of such a list, as JSON or as a Python
        literal (a Jinja template renders the latter).
    :param allow_empty: whether an empty list is meant: it unbinds every company.
    :param field: what messages call ``items``.
    :param on_warning: called with a sentence about several primaries, of which the first stays.
    :raises Bitrix24InputError: names the field, the index and the value. The portal itself would drop what
        it cannot read, unbind everything and answer ``true``.
    """
    rows = parse_text(items, field) if isinstance(items, str) else items
    if isinstance(rows, Mapping | str | bytes | set | frozenset) or not isinstance(rows, Iterable):
        raise Bitrix24InputError(f"{field} must be a list, got {type(rows).__name__}: {rows!r:.80}")
    bindings = [_parse_one(row, f"{field}[{index}]") for index, row in enumerate(rows)]
    if not bindings and not allow_empty:
        raise Bitrix24InputError(
            f"{field} is empty, which would unbind every company of the contact; "
            "set allow_empty=True if that is meant"
        )
    _refuse_duplicates(bindings, field)
    return _one_primary(bindings, field, on_warning)


def to_wire(bindings: Sequence[CompanyBinding]) -> list[dict[str, Any]]:
    """Return the bindings as the ``items`` of ``crm.contact.company.items.set``."""
    return [binding.to_wire() for binding in bindings]


def primary_company(bindings: Sequence[CompanyBinding]) -> int | None:
    """Return the company that will be the contact's main one, by the documented rule; None without any."""
    marked = [binding.company_id for binding in bindings if binding.is_primary]
    return marked[0] if marked else bindings[0].company_id if bindings else None


def parse_flag(value: Any, field: str) -> bool | None:
    """
    Read a flag: True, False, ``"Y"``, ``"N"`` or None for "not said".

    :raises Bitrix24InputError: anything else.
    """
    if value is None:
        return None
    if isinstance(value, bool | str) and value in _FLAGS:
        return _FLAGS[value]
    raise Bitrix24InputError(f'{field} must be True, False, "Y" or "N", got {value!r:.80}')


def parse_sort(value: Any, field: str) -> int | None:
    """
    Read a SORT: a positive whole number, or None for "not said".

    :raises Bitrix24InputError: anything else.
    """
    return None if value is None else parse_id(value, field)


def read_rows(rows: Any) -> list[CompanyBinding]:
    """Read what ``crm.contact.company.items.get`` answers, in a stable order (SORT, then id)."""
    bindings = [
        CompanyBinding(int(row["COMPANY_ID"]), row.get("IS_PRIMARY") == "Y", int(row.get("SORT") or 0))
        for row in rows
    ]
    return sorted(bindings, key=lambda binding: (binding.sort or 0, binding.company_id))


def _parse_one(row: Any, where: str) -> CompanyBinding:
    if isinstance(row, CompanyBinding):
        row = {"company_id": row.company_id, "is_primary": row.is_primary, "sort": row.sort}
    if not isinstance(row, Mapping):
        return CompanyBinding(parse_id(row, where))
    values: dict[str, Any] = {}
    for key, value in row.items():
        name = _FIELDS.get(key)
        if name is None:
            raise Bitrix24InputError(
                f"{where} has an unknown key {key!r:.80}; known are COMPANY_ID, IS_PRIMARY and SORT"
            )
        if name in values:
            raise Bitrix24InputError(f"{where} names {name.upper()} twice")
        values[name] = value
    if "company_id" not in values:
        raise Bitrix24InputError(f"{where} has no COMPANY_ID: {dict(row)!r:.80}")
    return CompanyBinding(
        parse_id(values["company_id"], f"{where}.COMPANY_ID"),
        parse_flag(values.get("is_primary"), f"{where}.IS_PRIMARY"),
        parse_sort(values.get("sort"), f"{where}.SORT"),
    )


def parse_text(text: str, field: str) -> Any:
    """
    Read a value from text: Jinja renders a list as a Python literal, people write JSON.

    :raises Bitrix24InputError: it is neither.
    """
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(text)
    with contextlib.suppress(ValueError, SyntaxError, RecursionError, MemoryError):
        return ast.literal_eval(text.strip())
    raise Bitrix24InputError(
        f"{field} is text that is neither JSON nor a Python list: {text!r:.80}; "
        "to pass a value from XCom use task.output"
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
    """Of several primaries the first stays: the portal's documented rule, applied here so that it shows."""
    marked = [index for index, binding in enumerate(bindings) if binding.is_primary]
    if len(marked) < 2:
        return bindings
    on_warning(
        f"{field} marks {len(marked)} companies as primary; only the first, company "
        f"{bindings[marked[0]].company_id}, stays primary"
    )
    return [
        CompanyBinding(one.company_id, is_primary=False, sort=one.sort) if index in marked[1:] else one
        for index, one in enumerate(bindings)
    ]
