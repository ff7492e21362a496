"""Binding families: which records are bound to which, by which methods, and how their answers are read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from airflow_provider_b24.crm.bindings import CompanyBinding, to_wire
from airflow_provider_b24.errors import Bitrix24UnknownOutcomeError
from airflow_provider_b24.rest.calls import Call, Verification


@dataclass(frozen=True, slots=True)
class Family:
    """
    One kind of bindings, and the calls of its six methods.

    :param owner: the entity that records are bound to; the methods take its id.
    :param linked: the entity that is bound.
    :param linked_type: its ``entityTypeId``.
    :param primary_of: the record whose primary IS_PRIMARY marks.
    :param new_sort: SORT of a binding that is new and names none, by the method's documentation.
    """

    owner: str
    linked: str
    linked_type: int
    primary_of: Literal["owner", "linked"] = "owner"
    new_sort: Literal["highest + 10", "position * 10"] = "highest + 10"

    @property
    def name(self) -> str:
        """The family's name, e.g. ``contact.company``."""
        return f"{self.owner}.{self.linked}"

    @property
    def owner_key(self) -> str:
        """The name of the owner's id in rows, e.g. ``contact_id``."""
        return f"{self.owner}_id"

    @property
    def linked_key(self) -> str:
        """The name of a bound record's id in rows, e.g. ``company_id``; the API writes it in capitals."""
        return f"{self.linked}_id"

    @property
    def linked_plural(self) -> str:
        """What several bound records are called."""
        return "companies" if self.linked == "company" else f"{self.linked}s"

    def build_get(self, owner_id: int) -> Call:
        """``items.get``: the bindings of an owner; ``[]`` also if it does not exist."""
        return Call(self._method("items.get"), {"id": owner_id})

    def build_set(self, owner_id: int, bindings: Sequence[CompanyBinding]) -> Call:
        """``items.set``: replace the bindings of an owner; returns True."""
        return Call(self._method("items.set"), {"id": owner_id, "items": to_wire(bindings)}, repeatable=True)

    def build_clear(self, owner_id: int) -> Call:
        """``items.delete``: delete all bindings of an owner; returns True."""
        return Call(self._method("items.delete"), {"id": owner_id}, repeatable=True)

    def build_add(self, owner_id: int, binding: CompanyBinding) -> Call:
        """``add``: bind one record; returns True, or False if it was already bound."""
        fields = binding.to_wire()
        added = self._verification(owner_id, binding.company_id, bound=True)
        return Call(self._method("add"), {"id": owner_id, "fields": fields}, added)

    def build_delete(self, owner_id: int, linked_id: int) -> Call:
        """``delete``: unbind one record; returns True, or False if it was not bound."""
        fields = {self.linked_key.upper(): linked_id}
        deleted = self._verification(owner_id, linked_id, bound=False)
        return Call(self._method("delete"), {"id": owner_id, "fields": fields}, deleted)

    def build_fields(self) -> Call:
        """``fields``: the description of a binding's fields."""
        return Call(self._method("fields"))

    def build_find(self, linked_ids: Sequence[int]) -> Call:
        """
        ``crm.item.list``: the linked records with these ids, at most 50. The portal leaves out those that do
        not exist and those that the user may not read.
        """
        params = {"entityTypeId": self.linked_type, "select": ["id"], "filter": {"@id": list(linked_ids)}}
        return Call("crm.item.list", {**params, "start": -1})

    def _verification(self, owner_id: int, linked_id: int, *, bound: bool) -> Verification:
        key = self.linked_key.upper()
        return Verification(
            self.build_get(owner_id), lambda rows: (linked_id in {int(row[key]) for row in rows}) is bound
        )

    def _method(self, name: str) -> str:
        return f"crm.{self.name}.{name}"


# https://apidocs.bitrix24.com/api-reference/crm/contacts/company/index.html and the pages of the other four.
FAMILIES = {
    family.name: family
    for family in (
        Family("contact", "company", 4),
        Family("company", "contact", 3, primary_of="linked"),
        Family("deal", "contact", 3, new_sort="position * 10"),
        Family("lead", "contact", 3),
        Family("quote", "contact", 3, new_sort="position * 10"),
    )
}
CONTACT_COMPANY = FAMILIES["contact.company"]


def confirm_write(result: Any, method: str) -> None:
    """
    Check the result of ``items.set`` or ``items.delete``: only ``true`` means that the write was applied.

    :raises Bitrix24UnknownOutcomeError: the result is anything else.
    """
    if result is not True:
        raise Bitrix24UnknownOutcomeError(f"expected true, received {_kind(result)}", method=method)


def parse_changed(result: Any, method: str) -> bool:
    """
    Return the result of ``.add`` or ``.delete``: False means that nothing had to be changed.

    :raises Bitrix24UnknownOutcomeError: the result is neither true nor false.
    """
    if isinstance(result, bool):
        return result
    raise Bitrix24UnknownOutcomeError(f"expected true or false, received {_kind(result)}", method=method)


def _kind(result: Any) -> str:
    """Describe an unexpected result without quoting text, which may repeat the request."""
    return json.dumps(result) if result is None or isinstance(result, bool | int) else type(result).__name__
