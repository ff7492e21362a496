"""Kinds of CRM records: their fields, the names the methods use for them, and users' own fields."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

USER_FIELD = re.compile(r"UF_CRM_(?:(\d+)_)?(\d+)")


@dataclass(frozen=True, slots=True)
class Field:
    """A field: its upper-case name, type, title, and its name in crm.item.* (empty: not there)."""

    name: str
    type: str
    item_name: str
    title: str
    required: bool = False
    read_only: bool = False
    multiple: bool = False
    options: tuple[tuple[int, str], ...] = ()
    """Ids and values of an enumeration."""

    @property
    def is_users_own(self) -> bool:
        """Whether a user added the field."""
        return self.name.startswith("UF_")

    def describe(self, upper_name: bool = False) -> dict[str, Any]:
        """The field as *.fields returns it; crm.item.fields adds ``upperName``."""
        described: dict[str, Any] = {
            "type": self.type,
            "isRequired": self.required,
            "isReadOnly": self.read_only,
            "isImmutable": False,
            "isMultiple": self.multiple,
            "isDynamic": self.is_users_own,
            "title": self.name if self.is_users_own and not upper_name else self.title,
        }
        if self.options:
            described["items"] = [{"ID": str(number), "VALUE": value} for number, value in self.options]
        if self.is_users_own:
            described |= {"listLabel": self.title, "formLabel": self.title, "filterLabel": self.title}
        return described | {"upperName": self.name} if upper_name else described


def parse_fields(table: str) -> tuple[Field, ...]:
    """Fields from lines ``NAME type itemName Title``; ``-`` no item name, ``*`` required, ``!`` read-only."""
    return tuple(_parse_line(line) for line in table.splitlines() if line)


def _parse_line(line: str) -> Field:
    name, kind, item_name, title = line.split(None, 3)
    return Field(
        name.strip("*!"),
        kind.removesuffix("[]"),
        "" if item_name == "-" else item_name,
        title,
        required=name.endswith("*"),
        read_only=name.endswith("!"),
        multiple=kind.endswith("[]"),
    )


@lru_cache(maxsize=4096)
def camel_case(name: str) -> str:
    """The name of an upper-case field in crm.item.*: ``UF_CRM_5_17`` is ``ufCrm5_17``."""
    match = USER_FIELD.fullmatch(name)
    if match:
        return f"ufCrm{match[1] or ''}_{match[2]}"
    head, *rest = name.lower().split("_")
    return head + "".join(word.capitalize() for word in rest)


@dataclass
class Kind:
    """A kind of record: ``name`` in REST methods and tables, the entity type id, and its fields."""

    name: str
    type_id: int
    title: str
    own_fields: tuple[Field, ...]
    user_fields: dict[str, Field] = field(default_factory=dict)

    def add_user_field(self, added: Field) -> None:
        """Add a user's field ``UF_CRM_...``, or replace it."""
        self.user_fields[added.name] = added
        for cached in ("fields", "attached", "items", "columns"):
            self.__dict__.pop(cached, None)

    @cached_property
    def fields(self) -> dict[str, Field]:
        """All fields by their upper-case names."""
        return {one.name: one for one in self.own_fields} | self.user_fields

    @cached_property
    def attached(self) -> dict[str, Field]:
        """The fields of phones, addresses and files, which the older methods can leave out of a record."""
        return {one.name: one for one in self.fields.values() if one.type in {"crm_multifield", "file"}}

    @cached_property
    def items(self) -> dict[str, Field]:
        """The fields of crm.item.* by their names there."""
        return {one.item_name: one for one in self.fields.values() if one.item_name}

    @cached_property
    def columns(self) -> dict[str, str]:
        """The upper-case names of the fields of crm.item.* by their names there."""
        return {name: one.name for name, one in self.items.items()}
