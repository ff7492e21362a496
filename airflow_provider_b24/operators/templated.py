"""
Reads rendered template fields: text stands for the value it shows, as Jinja renders text by default.

A value that was meant to be absent arrives as None, ``"None"`` or an empty text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_b24.crm.values import is_missing, parse_text
from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.rest.calls import shown

if TYPE_CHECKING:
    from typing import TypeAlias, TypeVar

    from airflow.providers.common.compat.sdk import XComArg

    T = TypeVar("T")
    # What a templated argument takes: the value, a Jinja template of it, or the output of another task.
    Templated: TypeAlias = T | str | XComArg


def parse_optional_text(value: Any, field: str) -> str | None:
    """
    Read a text, such as a path; None if it is missing.

    :raises Bitrix24InputError: anything but text or a path.
    """
    if is_missing(value):
        return None
    if isinstance(value, str) or hasattr(value, "__fspath__"):
        return str(value)
    raise Bitrix24InputError(f"{field} must be text, got {type(value).__name__}: {shown(value)}")


def parse_optional_mapping(value: Any, field: str) -> Mapping[str, Any] | None:
    """
    Read a mapping, or text of one; None if it is missing.

    :raises Bitrix24InputError: anything else.
    """
    value = parse_text(value, field) if isinstance(value, str) and not is_missing(value) else value
    if isinstance(value, Mapping):
        return value
    if is_missing(value):
        return None
    raise Bitrix24InputError(f"{field} must be a mapping, got {type(value).__name__}: {shown(value)}")


def parse_list(value: Any, field: str) -> Sequence[Any]:
    """
    Read a list or another sequence, or text of one.

    :raises Bitrix24InputError: anything else.
    """
    value = parse_text(value, field) if isinstance(value, str) else value
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return value
    raise Bitrix24InputError(f"{field} must be a list, got {type(value).__name__}: {shown(value)}")
