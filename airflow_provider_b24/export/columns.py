"""The columns of an export: their names and types, from the portal's description of the fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError

Type = Literal["string", "integer", "number", "boolean", "date", "datetime", "json"]

# https://apidocs.bitrix24.com/api-reference/crm/data-types.html
_TYPES: dict[str, Type] = {
    **dict.fromkeys(("double", "float", "number"), "number"),
    **dict.fromkeys(("boolean", "char"), "boolean"),
    **dict.fromkeys(("date", "datetime"), "datetime"),
    **dict.fromkeys(("crm_multifield", "file", "product_file", "object", "array"), "json"),
    **dict.fromkeys(
        (
            *("integer", "int", "user", "employee", "enumeration", "iblock_section", "iblock_element"),
            *("crm_company", "crm_contact", "crm_lead", "crm_deal", "crm_quote", "crm_category"),
        ),
        "integer",
    ),
    "date": "date",
}
# The older CRM methods leave these out of a row that has no value there, files only after they were removed.
# https://apidocs.bitrix24.com/api-reference/crm/contacts/crm-contact-get.html
_LEFT_OUT = {"crm_multifield", "file", "product_file", "webdav", "diskfile", "attached_diskfile"}
_FLAGS = {"Y": True, "N": False, "1": True, "0": False, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Column:
    """
    A column of an export.

    :param name: the field's name in the rows.
    :param type: what its values are; ``json`` for lists and objects.
    :param title: what the portal calls the field.
    """

    name: str
    type: Type = "string"
    title: str = ""


def parse_fields(fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Column]:
    """Return the columns for fields that a ``*.fields`` method describes, by name."""
    return {
        name: Column(name, _type_of(field), str(field.get("formLabel") or field.get("title") or ""))
        for name, field in fields.items()
    }


def _type_of(field: Mapping[str, Any]) -> Type:
    if field.get("isMultiple"):
        return "json"
    return _TYPES.get(str(field["type"]).lower(), "string")


def selected(params: Mapping[str, Any]) -> Any:
    """Return ``select`` of a list's parameters, whatever its case; None if there is none."""
    return next((value for name, value in params.items() if str(name).lower() == "select"), None)


def left_out(fields: Mapping[str, Mapping[str, Any]], params: Mapping[str, Any]) -> list[str]:
    """
    Return the names of the selected fields that only those rows have that hold a value there.

    :param fields: the fields as the portal describes them.
    :param params: the parameters of the list.
    """
    select = selected(params) or ("*",)
    return [
        name
        for name, field in fields.items()
        if (kind := str(field["type"]).lower()) in _LEFT_OUT
        and (name in select or (kind != "crm_multifield" and _star(name) in select))
    ]


def _star(name: str) -> str:
    return "UF_*" if name.startswith("UF_") else "*"


def find_columns(
    rows: Iterable[Mapping[str, Any]],
    known: Mapping[str, Column],
    types: Mapping[str, Type],
    left_out: Iterable[str] = (),
) -> list[Column]:
    """
    Return the columns of rows, in the order of their fields.

    :param rows: the first rows; all fields that occur in them are columns.
    :param known: columns that the portal describes. Others have the type of the first value found.
    :param types: types that the caller wants instead.
    :param left_out: fields that are columns even if they do not occur in the first rows.
    """
    values: dict[str, Any] = {}
    for row in rows:
        for name, value in row.items():
            if values.get(name) is None:
                values[name] = value
    for name in left_out:
        values.setdefault(name, None)
    found = [known.get(name) or Column(name, _type_of_value(value)) for name, value in values.items()]
    return [Column(one.name, types.get(one.name, one.type), one.title) for one in found]


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


def _type_of_value(value: Any) -> Type:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    return "json" if isinstance(value, list | Mapping) else "string"


class Converter:
    """
    Gives values the type of their column: the portal writes many numbers as text, and flags as Y and N.

    Dates and times stay ISO 8601 text with the portal's offset. An empty text in a column of numbers or of
    flags is no value.

    :param columns: the columns of the rows.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._casts: list[tuple[str, type, Callable[[str], Any], Callable[[Any], Any]]] = []
        for column in columns:
            if column.type in _CASTS:
                self._casts.append((column.name, *_CASTS[column.type]))

    def convert(self, rows: Iterable[dict[str, Any]]) -> None:
        """
        Convert the values of rows in place.

        :raises Bitrix24Error: a value does not fit its column.
        """
        for name, kind, of_text, of_other in self._casts:
            value: Any = None
            try:
                for row in rows:
                    value = row.get(name)
                    if type(value) is str:
                        row[name] = of_text(value) if value else None
                    elif type(value) is not kind and value is not None:
                        row[name] = of_other(value)
            except (TypeError, ValueError, KeyError, OverflowError):
                raise _misfit(name, kind, value) from None


def _to_int(value: Any) -> int | None:
    if value is False:  # PHP's way to say that there is none
        return None
    number = int(value)
    if number != value:
        raise ValueError
    return number


def _to_float(value: Any) -> float | None:
    return None if value is False else float(value)


def _to_bool(value: Any) -> bool:
    return _FLAGS[str(value)]


_CASTS: dict[Type, tuple[type, Callable[[str], Any], Callable[[Any], Any]]] = {
    "integer": (int, int, _to_int),
    "number": (float, float, _to_float),
    "boolean": (bool, _to_bool, _to_bool),
}


def _misfit(name: str, kind: type, value: Any) -> Bitrix24Error:
    return Bitrix24Error(
        f"a value of column {name} is {type(value).__name__} and cannot be read as {kind.__name__}",
        advice=f"Export the column as text with types={{{name!r}: 'string'}}.",
    )
