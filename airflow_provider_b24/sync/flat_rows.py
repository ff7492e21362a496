"""Flat rows, one company each: which belong to one contact, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_b24.crm.bindings import CompanyBinding, parse_bindings
from airflow_provider_b24.crm.values import is_missing, parse_flag, parse_id, parse_optional_int
from airflow_provider_b24.errors import Bitrix24InputError

CONTACT_KEYS = ("contact_id", "CONTACT_ID", "id", "ID")
COMPANY_KEYS = ("company_id", "COMPANY_ID")
_FIELDS = {
    **dict.fromkeys(COMPANY_KEYS, "company_id"),
    "is_primary": "is_primary",
    "IS_PRIMARY": "is_primary",
    "sort": "sort",
    "SORT": "sort",
    "role_id": "role_id",
    "ROLE_ID": "role_id",  # items.get returns it; it cannot be set
}
_KNOWN = "contact_id, company_id, is_primary, sort, role_id"

Line = tuple[int, Mapping[str, Any]]


def contact_of(row: Mapping[str, Any]) -> Any:
    """The value that names a row's contact, as it stands there."""
    return next((row[key] for key in CONTACT_KEYS if key in row), None)


def contact_id_of(row: Mapping[str, Any]) -> int | None:
    """The contact of a row, or None if it cannot be read."""
    try:
        return parse_id(contact_of(row), "contact_id")
    except Bitrix24InputError:
        return None


def extra_columns(names: Iterable[Any]) -> list[Any]:
    """The names of columns that mean nothing here."""
    return [name for name in names if name not in CONTACT_KEYS and name not in _FIELDS]


def unknown_columns(names: Collection[Any]) -> Bitrix24InputError:
    """The error about columns that mean nothing here."""
    listed = ", ".join("one without a name" if name == "" else f"{name!r:.40}" for name in list(names)[:10])
    return Bitrix24InputError(
        f"unknown column{'s' * (len(names) > 1)}: {listed}; known columns are {_KNOWN}. "
        "Set ignore_extra_columns=True to skip other columns"
    )


def bindings_of(
    rows: Sequence[Line], *, allow_empty: bool, ignore_extra: bool, on_warning: Callable[[str], None]
) -> list[CompanyBinding]:
    """
    Read the flat rows of one contact.

    :raises Bitrix24InputError: names the line and the value.
    """
    found: dict[int, tuple[int, CompanyBinding]] = {}
    for line, row in rows:
        binding = _binding(line, row, ignore_extra, alone=len(rows) == 1)
        if binding is None:
            continue
        if binding.company_id in found:
            raise Bitrix24InputError(
                f"line {line} repeats company {binding.company_id} of line {found[binding.company_id][0]}"
            )
        found[binding.company_id] = line, binding
    bindings = [binding for _, binding in found.values()]
    if not bindings or sum(bool(one.is_primary) for one in bindings) > 1:
        return parse_bindings(bindings, allow_empty=allow_empty, on_warning=on_warning)
    return bindings


def _binding(line: int, row: Mapping[str, Any], ignore_extra: bool, *, alone: bool) -> CompanyBinding | None:
    """One row's binding; None for an outer join's way to say that a contact has no companies."""
    values: dict[str, Any] = {}
    for key, value in row.items():
        name = _FIELDS.get(key)
        if name is None:
            if key in CONTACT_KEYS or ignore_extra:
                continue
            raise unknown_columns(extra_columns(row))
        if name in values:
            raise Bitrix24InputError(f"line {line} names {name} twice")
        values[name] = value
    company = values.get("company_id")
    if alone and is_missing(company):
        return None
    return CompanyBinding(
        parse_id(company, f"line {line}: company_id"),
        parse_flag(values.get("is_primary"), f"line {line}: is_primary"),
        parse_optional_int(values.get("sort"), f"line {line}: sort"),
    )


def together(rows: Sequence[Any], named: Callable[[Any], Any]) -> list[tuple[int, Any]]:
    """
    Number the rows of a list and bring the flat rows of one contact together; a query may mix them.

    :param named: turns a tuple into a row with names.
    """
    numbered = [(line, named(row)) for line, row in enumerate(rows, start=1)]
    first: dict[int, int] = {}
    places = [line for line, _ in numbered]
    for position, (line, row) in enumerate(numbered):
        if isinstance(row, Mapping) and "items" not in row:
            contact = contact_id_of(row)
            if contact is not None:
                places[position] = first.setdefault(contact, line)
    if not first:
        return numbered
    order = sorted(range(len(numbered)), key=places.__getitem__)
    return [numbered[position] for position in order]


def split_by_kind(rows: Iterable[tuple[int, Any]]) -> Iterator[list[tuple[int, Any]]]:
    """Yield neighbouring flat rows of one contact together and every other row alone."""
    group: list[tuple[int, Any]] = []
    current: int | None = None
    for line, row in rows:
        flat = isinstance(row, Mapping) and "items" not in row and any(key in row for key in COMPANY_KEYS)
        contact = contact_id_of(row) if flat else None
        if group and (contact is None or contact != current):
            yield group
            group = []
        current = contact
        group.append((line, row))
    if group:
        yield group
