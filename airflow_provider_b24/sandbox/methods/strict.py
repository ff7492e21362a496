"""Filters and orders of the newer lists, which refuse fields that they do not know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_b24.sandbox.methods.listing import Condition, Group, parse_condition, split_key
from airflow_provider_b24.sandbox.model import php
from airflow_provider_b24.sandbox.model.calls import Call
from airflow_provider_b24.sandbox.model.errors import RestError, bad_argument

Columns = Mapping[str, str]
"""The field names of a method and the names of these fields in a record."""


def array(call: Call, name: str) -> php.Array:
    """A parameter that must be an array if it is sent."""
    value = call.params.get(name)
    if value is None:
        return {}
    if not php.is_array(value):
        text = f"Invalid value {{{php.to_text(value)}}} to match with parameter {{{name}}}."
        raise RestError(400, "100", f"{text} Should be value of type array.")
    return value


def parse_filter(given: php.Array, columns: Columns, utc_offset: float = 0.0) -> Group:
    """The conditions of a filter; groups may be nested, and ``logic`` joins a group by OR."""
    parts: list[Condition | Group] = []
    any_of = False
    for key, value in php.pairs(given):
        if str(key).lower() == "logic":
            any_of = php.to_text(value).upper() == "OR"
        elif isinstance(key, int):
            parts += [parse_filter(value, columns, utc_offset)] if php.is_array(value) else []
        else:
            parts += _condition(key, value, columns, utc_offset)
    return Group(tuple(parts), any_of)


def _condition(key: str, value: Any, columns: Columns, utc_offset: float) -> list[Condition]:
    operator, name = split_key(key)
    if name not in columns:
        raise bad_argument(f"Invalid filter: field '{name}' is not allowed in filter")
    condition = parse_condition(operator + columns[name], value, utc_offset)
    return [] if condition is None else [condition]


def parse_order(given: php.Array, columns: Columns) -> tuple[tuple[str, bool], ...]:
    """The order as (field of the record, descending). ``ID`` is accepted in capitals too."""
    order = []
    for name, way in php.pairs(given):
        field = "ID" if name == "ID" else columns.get(str(name))
        if field is None:
            raise bad_argument(f"Invalid order: field '{name}' is not allowed in order")
        if php.to_text(way).upper() not in {"ASC", "DESC"}:
            text = f"allowed sort directions are ASC, DESC. But got '{php.to_text(way)}' for field '{name}'"
            raise bad_argument(f"Invalid order: {text}")
        order.append((field, php.to_text(way).upper() == "DESC"))
    return tuple(order)
