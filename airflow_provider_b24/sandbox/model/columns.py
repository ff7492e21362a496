"""What the database keeps of a value, whether it came as JSON or as the text of a query."""

from __future__ import annotations

from typing import Any

from airflow_provider_b24.sandbox.model import php

INTEGERS = frozenset(
    {
        *("integer", "enumeration", "user", "crm_category", "crm_company", "crm_contact"),
        *("crm_deal", "crm_lead", "crm_quote"),
    }
)
DECIMALS = frozenset({"double", "money"})
FLAG, USER_FLAG = "char", "boolean"
"""Flags of the CRM are kept as Y and N, those of users' own fields as 1 and 0."""


def typed(kind: str, value: Any) -> Any:
    """A value in a column of this type; of an array every element."""
    if php.is_array(value):
        return [typed(kind, element) for element in php.values(value)]
    if isinstance(value, str) and not value.strip():
        return value
    if value is None:
        return None
    if kind in INTEGERS:
        return php.to_int(value)
    return php.to_float(value) if kind in DECIMALS else php.to_text(value)


def old_column(kind: str, value: Any) -> Any:
    """A value that an older method writes; JSON false makes a column NULL.

    A flag is compared with ``Y``, which in PHP JSON true equals, too. A flag of the users' own is true for
    whatever PHP takes for true: for any text but an empty one and ``0``.
    """
    if kind == FLAG:
        return "Y" if value is True or value == "Y" else "N"
    if kind == USER_FLAG:
        return int(php.is_truthy(value))
    return None if value is False else typed(kind, value)


def item_column(kind: str, value: Any) -> Any:
    """A value that crm.item.* writes; null, an empty text and an empty array empty the field.

    A flag is true for JSON true, ``true``, ``y`` and ``Y`` only: ``1`` is false.
    """
    if kind in {FLAG, USER_FLAG}:
        is_true = value if isinstance(value, bool) else value in ("true", "y", "Y")
        return ("Y" if is_true else "N") if kind == FLAG else int(is_true)
    return typed(kind, None if value == "" else value)
