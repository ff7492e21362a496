"""crm.contact.company.* and its siblings crm.deal.contact.*, crm.lead.contact.*, crm.quote.contact.*."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from airflow_provider_b24.sandbox.methods.binding_rules import (
    SORT_STEP,
    Stored,
    changes,
    normalize,
    sort_as_documented,
    sort_by_position,
)
from airflow_provider_b24.sandbox.methods.method import Method
from airflow_provider_b24.sandbox.model import php
from airflow_provider_b24.sandbox.model.bindings import Binding, Bindings
from airflow_provider_b24.sandbox.model.calls import Call
from airflow_provider_b24.sandbox.model.errors import OBJECT_DENIED, RestError, bad_request
from airflow_provider_b24.sandbox.model.schema import Field
from airflow_provider_b24.sandbox.model.state import State


@dataclass(frozen=True)
class BindingFamily:
    """The six methods that bind members, such as companies, to an owner, such as a contact.

    A ``strict`` family looks whether the owner exists before it reads or clears its bindings, and has an
    error of its own for missing permissions.
    """

    owner: str
    member: str
    strict: bool = False

    @property
    def member_id(self) -> str:
        """The name of the members' id in rows."""
        return f"{self.member.upper()}_ID"

    def fields(self, state: State, call: Call) -> dict[str, Any]:
        """*.fields: the fields of a binding (ROLE_ID is not listed)."""
        return binding_fields(self.member)

    def add(self, state: State, call: Call) -> bool:
        """*.add: bind one more member; False if it is already bound."""
        owner_id, fields = owner_of(call, "'ownerEntityID'"), array_of(call, "fields", "'fields'")
        self._check_right(state, call, owner_id, update=True)
        member_id = self._member_of(state, owner_id, fields)
        stored = self._links(state).rows(owner_id)
        if any(row.member_id == member_id for row in stored):
            return False
        self._check_members(state, [member_id])
        new = _new_row(member_id, fields, stored)
        demoted = (row._replace(primary=False) if new.primary else row for row in stored)
        return self._write(state, owner_id, (*demoted, new))

    def delete(self, state: State, call: Call) -> bool:
        """*.delete: unbind one member; False if it is not bound."""
        owner_id, fields = owner_of(call, "'ownerEntityID'"), array_of(call, "fields", "'item'")
        self._check_right(state, call, owner_id, update=True)
        member_id = self._member_of(state, owner_id, fields)
        stored = self._links(state).rows(owner_id)
        left = [row for row in stored if row.member_id != member_id]
        if len(left) == len(stored):
            return False
        self._check_members(state, [member_id])
        if left and not any(row.primary for row in left):
            left[0] = left[0]._replace(primary=True)
        return self._write(state, owner_id, left)

    def items_get(self, state: State, call: Call) -> list[dict[str, Any]]:
        """*.items.get: the bindings by SORT; [] also for a contact or quote that does not exist."""
        owner_id = owner_of(call, "ownerEntityID")
        self._check_right(state, call, owner_id, update=False, end="")
        self._check_exists(state, owner_id, strict_only=True, end="")
        return [row.row(self.member_id) for row in self._links(state).rows(owner_id)]

    def items_delete(self, state: State, call: Call) -> bool:
        """*.items.delete: unbind every member. The server's code asks for the right to read only."""
        owner_id = owner_of(call, "ownerEntityID")
        self._check_right(state, call, owner_id, update=state.behavior.rules == "documented", end="")
        self._check_exists(state, owner_id, strict_only=True, end="")
        self._check_members(state, [row.member_id for row in self._links(state).rows(owner_id)])
        return self._write(state, owner_id, ())

    def items_set(self, state: State, call: Call) -> bool:
        """*.items.set: replace the whole set; items without a usable id are dropped."""
        owner_id, items = owner_of(call, "ownerEntityID"), array_of(call, "items", "items")
        self._check_right(state, call, owner_id, update=True)
        self._check_exists(state, owner_id)
        stored = {row.member_id: row for row in self._links(state).rows(owner_id)}
        documented = self.owner == "contact" and state.behavior.rules == "documented"
        wanted = normalize(
            items, self.member_id, stored, sort_as_documented if documented else sort_by_position
        )
        removed = stored.keys() - {row.member_id for row in wanted}
        written = changes(stored, wanted)
        self._check_members(state, [*removed, *written])
        kept: Stored = {number: row for number, row in stored.items() if number not in removed}
        return self._write(state, owner_id, (kept | written).values())

    def _links(self, state: State) -> Bindings:
        return state.links[self.owner]

    def _check_right(self, state: State, call: Call, owner_id: int, update: bool, end: str = ".") -> None:
        user = call.caller.user
        allowed = user.can_update if update else user.can_read
        if allowed and owner_id not in state.tables[self.owner].hidden:
            return
        raise bad_request(f"Access denied{end}") if self.strict else RestError(*OBJECT_DENIED)

    def _check_exists(self, state: State, owner_id: int, strict_only: bool = False, end: str = ".") -> None:
        if (self.strict or not strict_only) and owner_id not in state.tables[self.owner]:
            raise bad_request(f"Not found{end}")

    def _member_of(self, state: State, owner_id: int, fields: php.Array) -> int:
        self._check_exists(state, owner_id)
        member_id = php.to_int(php.item(fields, self.member_id))
        if member_id <= 0:
            raise bad_request("The parameter 'fields' is not valid.")
        return member_id

    def _check_members(self, state: State, member_ids: Iterable[int]) -> None:
        if not state.behavior.company_read_check:
            return
        hidden = state.tables[self.member].hidden
        for number in member_ids:
            if number in hidden:
                text = f"[{self.member.capitalize()} #{number}] You do not have permission to view this item"
                raise bad_request(text)

    def _write(self, state: State, owner_id: int, rows: Iterable[Binding]) -> bool:
        self._links(state).write(owner_id, rows)
        return True

    def methods(self) -> dict[str, Method]:
        """The methods of this family by their REST names."""
        prefix = f"crm.{self.owner}.{self.member}"
        verbs = (self.fields, self.add, self.delete, self.items_get, self.items_set, self.items_delete)
        return {f"{prefix}.{verb.__name__.replace('_', '.')}": Method(verb) for verb in verbs}


def binding_fields(member: str) -> dict[str, Any]:
    """The fields of a binding to a kind of member."""
    fields = (
        Field("SORT", "integer", "", "Sorting"),
        Field("IS_PRIMARY", "char", "", "Primary"),
        Field(f"{member.upper()}_ID", "integer", "", member.capitalize(), required=True),
    )
    return {field.name: field.describe() for field in fields}


def owner_of(call: Call, name: str) -> int:
    """The owner's id, which must be above 0."""
    owner_id = call.id
    if owner_id <= 0:
        raise bad_request(f"The parameter {name} is invalid or not defined.")
    return owner_id


def array_of(call: Call, parameter: str, name: str) -> php.Array:
    """A parameter that must be an array."""
    value = call.array(parameter)
    if value is None:
        raise bad_request(f"The parameter {name} must be array.")
    return value


def _new_row(member_id: int, fields: php.Array, stored: tuple[Binding, ...]) -> Binding:
    sort = php.item(fields, "SORT")
    primary = php.item(fields, "IS_PRIMARY") == "Y" or not any(row.primary for row in stored)
    highest = max((row.sort for row in stored), default=0)
    return Binding(member_id, highest + SORT_STEP if sort is None else php.to_int(sort), primary)


METHODS: dict[str, Method] = {}
for family in (
    BindingFamily("contact", "company"),
    BindingFamily("deal", "contact", strict=True),
    BindingFamily("lead", "contact", strict=True),
    BindingFamily("quote", "contact"),
):
    METHODS |= family.methods()
