"""The columns of an export: promised before the first row, and names that occur in rows beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from airflow_provider_b24.crm.fields import Description, Field, Type, camel, is_user_field, parameter
from airflow_provider_b24.errors import Bitrix24InputError

__all__ = ["Column", "Type", "all_columns", "parse_types", "promised_columns", "selected", "sources"]


@dataclass(frozen=True, slots=True)
class Column:
    """
    A column of an export.

    :param name: the field's name in the rows.
    :param type: what its values are; ``json`` for lists and objects.
    :param title: what the portal calls the field.
    :param decimals: digits after the point of a number, if the portal tells them.
    :param keeps_false: whether ``false`` is a value of a text that nobody promised. Elsewhere it is PHP's way
        to write that there is none.
    :param is_missing: whether the portal no longer has the field: every value is None, whatever its type was.
    """

    name: str
    type: Type = "string"
    title: str = ""
    decimals: int | None = None
    keeps_false: bool = False
    is_missing: bool = False


def selected(params: Mapping[str, Any]) -> Any:
    """Return ``select`` of a list's parameters, whatever its case; None if there is none."""
    return parameter(params, "select")


def promised_columns(description: Description, params: Mapping[str, Any]) -> list[Column]:
    """
    Return the columns that an export has in every run, whatever its rows hold.

    These are the fields that ``select`` asks for: those that it names, in its order, and those that its
    patterns mean, in the portal's.
    """
    known = description.fields
    return [
        _column(one, is_missing=description.is_complete and one.name not in known)
        for one in description.chosen(selected(params))
    ]


def _column(one: Field, is_missing: bool = False) -> Column:
    return Column(one.name, one.type, one.title, one.decimals, _keeps_false(one), is_missing)


def _keeps_false(one: Field) -> bool:
    """Whether ``false`` may be a flag's value: in a field that no one describes and no user added."""
    return one.type == "string" and not one.kind and not is_user_field(one.name)


def all_columns(
    promised: Sequence[Column], seen: Iterable[str], types: Mapping[str, Type], ignored: str = ""
) -> list[Column]:
    """
    Return the columns of an export that has read all its rows.

    :param promised: the columns it has in every run.
    :param seen: the names in its rows, in the order in which they occurred first.
    :param types: types that the caller wants instead.
    :param ignored: a name that is no column: the id that only the reader asked for.
    """
    seen = [name for name in seen if name != ignored]
    known = {one.name for one in promised}
    missing = known.difference(seen)
    other_spelling = {other for name in missing for other in spellings(name)}
    found = [replace(one, is_missing=one.is_missing and one.name in missing) for one in promised]
    for name in seen:
        if name not in known and name not in other_spelling:
            found.append(Column(name, keeps_false=not is_user_field(name)))
    return [replace(one, type=types.get(one.name, one.type)) for one in found if one.name != ignored]


def sources(columns: Sequence[Column], seen: Iterable[str]) -> dict[str, str]:
    """Return the name in the rows of each column that they spell otherwise: ``deal_id`` for ``DEAL_ID``."""
    names = set(seen)
    return {
        one.name: other
        for one in columns
        if one.name not in names
        for other in spellings(one.name)
        if other in names
    }


def spellings(name: str) -> list[str]:
    """Return how else a method may spell a field in its rows."""
    return [other for other in dict.fromkeys((name.lower(), camel(name))) if other != name]


def parse_types(types: Mapping[str, Any] | None) -> dict[str, Type]:
    """
    Check the types that a caller wants for columns.

    :raises Bitrix24InputError: one of them is unknown.
    """
    for name, type_ in (types or {}).items():
        if type_ not in get_args(Type):
            raise Bitrix24InputError(
                f"types[{name!r}] must be one of {', '.join(get_args(Type))}, got {type_!r:.40}"
            )
    return dict(types or {})
