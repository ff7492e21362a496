"""Fields of a list's rows: the call that describes them, and the types that a description promises."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from airflow_provider_b24.crm.documented_fields import (
    CORRECTIONS,
    DOCUMENTED,
    FLAGS,
    ITEM_EXTRAS,
    ITEM_REACH,
    REACH_TYPES,
    Documented,
)
from airflow_provider_b24.rest.calls import Call

Type = Literal["string", "integer", "number", "boolean", "date", "datetime", "json"]

# What each word in a description promises. A word that is not here promises text.
# https://apidocs.bitrix24.com/api-reference/crm/data-types.html
_TYPES: dict[str, Type] = {
    **dict.fromkeys(("double", "float", "number"), "number"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    **dict.fromkeys(
        (
            *("crm_multifield", "file", "product_file", "object", "array", "recurring_params"),
            *("disk_file", "diskfile", "attached_diskfile", "webdav", "crm_dynamic_type", "uf_enum_element"),
        ),
        "json",
    ),
    **dict.fromkeys(
        (
            *("integer", "int", "user", "employee", "enumeration", "iblock_section", "iblock_element"),
            *("crm_company", "crm_contact", "crm_lead", "crm_deal", "crm_quote", "crm_category"),
        ),
        "integer",
    ),
    "date": "date",
    "datetime": "datetime",
}
_USER_FIELD = re.compile(r"(UF_|PROPERTY_|property\d|parentId\d|PARENT_ID_\d|uf[A-Z_])")


@dataclass(frozen=True, slots=True)
class Field:
    """
    A field of a list's rows.

    :param name: its name in the rows.
    :param type: what its values are promised to be.
    :param title: what the portal calls it.
    :param kind: the portal's word for its type, in lower case; empty if the portal does not describe it.
    :param decimals: digits after the point of a number, if the portal tells them.
    :param about: the portal's whole description.
    """

    name: str
    type: Type = "string"
    title: str = ""
    kind: str = ""
    decimals: int | None = None
    about: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Description:
    """
    What is known of the fields of a list's rows before the first row.

    :param fields: by their names in the rows.
    :param is_complete: whether every standard field is among them, so that another name is a mistake.
    :param times: the fields with a time that the list can be filtered by, as the filter calls them; None: not
        known, or any of the fields.
    :param also: names that ``select`` may have although no field of theirs is a column.
    :param upper: whether names in ``select`` and ``filter`` are in capital letters and others in the rows.
    :param stars: whether ``*`` (and no ``select``) means only standard fields with a single value.
    """

    fields: Mapping[str, Field] = field(default_factory=lambda: MappingProxyType({}))
    is_complete: bool = False
    times: frozenset[str] | None = None
    also: frozenset[str] = frozenset()
    upper: bool = False
    stars: bool = False

    def find(self, name: str) -> Field | None:
        """Return the field that ``select`` means by a name, None if it is not known."""
        if self.upper and (name == name.upper()):
            return self.fields.get(name) or self.fields.get(camel(name))
        return self.fields.get("id" if name == "ID" and name not in self.fields else name)

    def chosen(self, select: Any) -> list[Field]:
        """
        Return the fields that a ``select`` asks for, in its order; for a pattern, in the portal's.

        A name that is not known counts as a field of text, if it is a user's field or no field is known.
        """
        names = listed(select)
        found: dict[str, Field] = {}
        for name in names or ["*"]:
            if "*" in name:
                found |= {one.name: one for one in self._matching(name) if one.name not in found}
            else:
                one = self.find(name) or Field(camel(name) if self.upper else name)
                found.setdefault(one.name, one)
        return list(found.values())

    def _matching(self, pattern: str) -> Iterable[Field]:
        regex = re.compile(".*".join(map(re.escape, pattern.split("*"))))
        for one in self.fields.values():
            if pattern == "*" and not self.stars:
                yield one
            elif pattern == "*":
                if not is_user_field(one.name) and one.kind != "crm_multifield":
                    yield one
            elif regex.fullmatch(one.name) or (pattern == "UF_*" and is_user_field(one.name)):
                yield one


def listed(select: Any) -> list[str]:
    """Return the names in a ``select``; PHP reads an object as a list, too."""
    if isinstance(select, Mapping):
        select = list(select.values())
    return [str(one) for one in select] if isinstance(select, list | tuple) else []


def is_user_field(name: str) -> bool:
    """Whether a name is that of a field which users add and remove, in any family's spelling."""
    return bool(_USER_FIELD.match(name))


def camel(name: str) -> str:
    """Return the name of a task's field in rows: ``CHANGED_DATE`` is ``changedDate``."""
    if name != name.upper():
        return name
    head, *rest = name.lower().split("_")
    return head + "".join(word.capitalize() for word in rest)


def parameter(params: Mapping[str, Any], name: str) -> Any:
    """Return a parameter whatever the case of its name; None if it is not there."""
    if name in params:
        return params[name]
    return next((value for key, value in params.items() if str(key).lower() == name.lower()), None)


def fields_call(method: str, params: Mapping[str, Any]) -> Call | None:
    """Return the call that describes the fields of a list method's rows; None if there is none."""
    name = method.lower()
    if name in _NOT_DESCRIBED:
        return None
    if name == "crm.item.list":
        asked = {"entityTypeId": parameter(params, "entityTypeId")}
        original = parameter(params, "useOriginalUfNames")
        return Call(
            "crm.item.fields", asked if original is None else asked | {"useOriginalUfNames": original}
        )
    if name in _DESCRIBED_BY:
        other, given = _DESCRIBED_BY[name]
        return Call(other, _given(params, given))
    if name in _PRODUCTS:
        filter_ = parameter(params, "filter")
        known = _given(filter_, ("iblockId", "productType")) if isinstance(filter_, Mapping) else {}
        return Call(name.removesuffix("list") + "getFieldsByFilter", {"filter": known})
    if name.startswith("crm.") and name.endswith(".userfield.list"):
        return Call("crm.userfield.fields")
    if name.startswith("crm.") and name.endswith(".list"):
        return Call(name.removesuffix("list") + "fields", _given(params, _CRM_PARAMETERS.get(name, ())))
    if name.startswith(("catalog.", "sale.", "tasks.api.scrum.")) and name.endswith(".list"):
        return Call(name.removesuffix("list") + "getFields")
    if name.startswith("biconnector.") and name.endswith(".list"):
        return Call(name.removesuffix("list") + "fields")
    return None


_NOT_DESCRIBED = {"crm.stagehistory.list", "crm.documentgenerator.template.list", "sale.property.list"}
_PRODUCTS = {
    *("catalog.product.list", "catalog.product.offer.list"),
    *("catalog.product.service.list", "catalog.product.sku.list"),
}
_CRM_PARAMETERS = {"crm.category.list": ("entityTypeId",)}
_DESCRIBED_BY: dict[str, tuple[str, tuple[str, ...]]] = {
    "tasks.task.list": ("tasks.task.getFields", ()),
    "tasks.template.list": ("tasks.template.fields", ()),
    "user.get": ("user.fields", ()),
    "user.search": ("user.fields", ()),
    "department.get": ("department.fields", ()),
    "lists.element.get": (
        "lists.field.get",
        ("IBLOCK_TYPE_ID", "IBLOCK_ID", "IBLOCK_CODE", "SOCNET_GROUP_ID"),
    ),
    "disk.storage.getlist": ("disk.storage.getFields", ()),
    "mailservice.list": ("mailservice.fields", ()),
    "crm.orderentity.list": ("crm.orderentity.getFields", ()),
    "catalog.document.element.list": ("catalog.document.element.getFields", ()),
}


def _given(params: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    found = {name: parameter(params, name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def describe(method: str, params: Mapping[str, Any], result: Any = None) -> Description:
    """
    Return what is known of the fields of a list method's rows.

    :param result: what the call of ``fields_call`` returned; None if there is none, or it failed.
    """
    name = method.lower()
    documented = DOCUMENTED.get(name, Documented(""))
    told = _found(result)
    call = fields_call(method, params)
    about = "" if call is None else call.method.lower()
    fields = {one.name: one for one in (_parse(key, text, about) for key, text in told.items())}
    upper = name in ("tasks.task.list", "tasks.template.list")
    if upper:
        fields = {camel(key): _renamed(one, camel(key)) for key, one in fields.items()}
    is_complete = any(one.kind for one in fields.values())
    for key, kind in documented.fields.items():
        known = fields.get(key)
        if known is None or not known.kind:
            fields[key] = Field(key, _TYPES.get(kind, "string"), known.title if known else "")
    for key, type_ in _extras(name, params).items():
        if is_complete:
            fields.setdefault(key, Field(key, _TYPES.get(type_, "string")))
    stars = name.startswith("crm.") and name != "crm.item.list" and not name.startswith("crm.item.")
    return Description(fields, is_complete, documented.times, documented.also, upper, stars or upper)


def _extras(name: str, params: Mapping[str, Any]) -> Mapping[str, str]:
    """Return fields that rows of ``crm.item.list`` have beyond those that ``crm.item.fields`` describes."""
    if name != "crm.item.list":
        return {}
    has_reach = str(parameter(params, "entityTypeId")) in REACH_TYPES
    return ITEM_EXTRAS | ITEM_REACH if has_reach else ITEM_EXTRAS


def _found(result: Any) -> Mapping[str, Any]:
    """Find the fields in an answer: under ``fields``, under the name of what they describe, or at the top."""
    if isinstance(result, Mapping) and isinstance(result.get("fields"), list):  # biconnector.*.fields
        rows = [one for one in result["fields"] if isinstance(one, Mapping)]
        return {str(one["title"]): one for one in rows if "title" in one and "type" in one}
    while isinstance(result, Mapping):
        if any(isinstance(one, Mapping) and ("type" in one or "TYPE" in one) for one in result.values()):
            return result
        if "fields" in result:
            result = result["fields"]
        elif len(result) == 1:
            result = next(iter(result.values()))
        else:  # user.fields and its like: only what each is called
            return {name: one for name, one in result.items() if isinstance(one, str)}
    return {}


def _parse(name: str, about: Any, call: str) -> Field:
    if isinstance(about, str):
        return Field(name, title=about)
    if not isinstance(about, Mapping):
        return Field(name)
    if "FIELD_ID" in about:  # lists.field.get: values of a property stand in an object, by the value's id
        kind = "property" if name.startswith("PROPERTY_") else ""
        return Field(name, "json" if kind else "string", str(about.get("NAME") or ""), "")
    kind = str(about.get("type") or "").lower()
    title = str(about.get("formLabel") or about.get("title") or about.get("name") or "")
    return Field(name, _type_of(name, kind, about, call), title, kind, _decimals(about), about)


def _type_of(name: str, kind: str, about: Mapping[str, Any], call: str) -> Type:
    if about.get("isMultiple") in (True, "Y"):
        return "json"
    if (corrected := CORRECTIONS.get(call, {}).get(name)) is not None:
        return _TYPES.get(corrected, "string")
    if kind == "char":
        return "boolean" if name in FLAGS.get(call, ()) else "string"
    return _TYPES.get(kind, "string")


def _decimals(about: Mapping[str, Any]) -> int | None:
    settings = about.get("settings")
    precision = settings.get("PRECISION") if isinstance(settings, Mapping) else None
    try:
        return None if precision is None else int(precision)
    except (TypeError, ValueError):
        return None


def _renamed(one: Field, name: str) -> Field:
    return Field(name, one.type, one.title, one.kind, one.decimals, one.about)
