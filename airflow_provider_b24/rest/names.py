"""
Names of fields and parameters: the portal writes one name in several spellings.

A filter says ``CHANGED_DATE``, a row ``changedDate``, a user ``changed_date``; a parameter is ``filter``,
``FILTER`` or ``arFilter``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

# Between two digits an underscore tells UF_CRM_12_3 (field 3 of smart process 12) from UF_CRM_1_23.
_UNDERSCORE = re.compile(r"(?<![0-9])_|_(?![0-9])")
_OPERATOR = re.compile(r"[^A-Za-z0-9_]*")


@lru_cache(maxsize=4096)
def spelling(name: str) -> str:
    """Return what all spellings of a field's name have in common: ``CHANGED_DATE`` -> ``changeddate``."""
    return _UNDERSCORE.sub("", name).lower()


def same_name(left: Any, right: Any) -> bool:
    """Whether two names mean the same field, however each of them is written."""
    return spelling(str(left)) == spelling(str(right))


def find_name(name: str, names: Iterable[Any]) -> str | None:
    """Return the one of ``names`` that means the same field, preferably the one written the same."""
    found = None
    for one in names:
        if one == name:
            return name
        if found is None and isinstance(one, str) and spelling(one) == spelling(name):
            found = one
    return found


def value_of(row: Mapping[str, Any], name: str) -> Any:
    """Return a row's value of a field, however the row spells its name; None if it has no such field."""
    if name in row:
        return row[name]
    found = find_name(name, row)
    return None if found is None else row[found]


def split_condition(key: Any) -> tuple[str, str]:
    """Split the key of a filter into its operator and the name of the field: ``>=ID`` -> ``>=``, ``ID``."""
    text = str(key)
    match = _OPERATOR.match(text)
    end = match.end() if match else 0
    return text[:end], text[end:]


def is_parameter(name: Any, wanted: str) -> bool:
    """Whether this is a parameter's name in one of the spellings the portal takes (``arFilter`` too)."""
    given, wanted = str(name).lower(), wanted.lower()
    return bool(wanted) and given in (wanted, f"ar{wanted}")
