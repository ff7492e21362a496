"""crm.contact.*, crm.company.*, crm.deal.*, crm.lead.*, crm.quote.*: upper-case names, values as strings."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from typing import Any

from airflow_provider_b24.sandbox.methods.listing import (
    Listing,
    page_start,
    parse_group,
)
from airflow_provider_b24.sandbox.methods.method import Method
from airflow_provider_b24.sandbox.model import attachments, php
from airflow_provider_b24.sandbox.model.calls import Answer, Call, Caller
from airflow_provider_b24.sandbox.model.columns import old_column
from airflow_provider_b24.sandbox.model.errors import ELEMENT_NOT_FOUND, RestError, bad_request
from airflow_provider_b24.sandbox.model.kinds import crm_kinds
from airflow_provider_b24.sandbox.model.records import Record
from airflow_provider_b24.sandbox.model.schema import Field, Kind
from airflow_provider_b24.sandbox.model.state import State

LINKS = {"COMPANY_IDS", "CONTACT_IDS"}


@dataclass(frozen=True)
class Family:
    """The older methods of one kind of record."""

    type_id: int
    name: str

    def fields(self, state: State, call: Call) -> dict[str, Any]:
        """crm.*.fields: every field by its name."""
        return {name: field.describe() for name, field in self._kind(state).fields.items()}

    def get(self, state: State, call: Call) -> dict[str, Any]:
        """crm.*.get: one record with its phones, addresses and files."""
        record = self._existing(state, call, bad_request("Not found"))
        kind = self._kind(state)
        return _row(kind, record, [name for name in kind.fields if name not in LINKS], call.caller)

    def list(self, state: State, call: Call) -> Answer:
        """crm.*.list: a page of 50; phones, addresses and users' fields only if they are selected."""
        if not call.caller.user.can_read:
            raise bad_request("Access denied.")
        kind, table = self._kind(state), state.table(self.name)
        known = kind.fields.keys() - LINKS
        group = parse_group(array_parameter(call, "filter"), known, state.behavior.utc_offset)
        listing = Listing(group, old_order(call, known), page_start(call.start))
        answer = listing.answer(
            table, lambda number: state.get(self.name, number) or {}, version=state.links_version(self.name)
        )
        names = _shown(kind, {str(name) for name in php.values(call.array("select") or [])})
        answer.result = [_row(kind, record, names, call.caller) for record in answer.result]
        return answer

    def add(self, state: State, call: Call) -> int:
        """crm.*.add: the new id."""
        fields = self._writable(call)
        new = {"ID": state.table(self.name).last_id + 1}
        record_id = state.add(self.name, new["ID"], self._values(state, new, fields))
        self._link(state, record_id, fields)
        state.events.announce(self.name, "ADD", record_id, call.caller.user.id)
        return record_id

    def update(self, state: State, call: Call) -> bool:
        """crm.*.update: always true."""
        fields = self._writable(call)
        record = self._existing(state, call, bad_request(f"{self.name.capitalize()} is not found"))
        state.update(self.name, call.id, self._values(state, record, fields))
        self._link(state, call.id, fields)
        state.events.announce(self.name, "UPDATE", call.id, call.caller.user.id)
        return True

    def delete(self, state: State, call: Call) -> bool:
        """crm.*.delete: remove the record and its bindings."""
        self._check_update(call)
        self._existing(state, call, RestError(*ELEMENT_NOT_FOUND))
        state.events.announce(self.name, "DELETE", call.id, call.caller.user.id)
        return state.delete(self.name, call.id)

    def _kind(self, state: State) -> Kind:
        return state.kinds[self.type_id]

    def _link(self, state: State, record_id: int, fields: php.Array) -> None:
        if self.name not in state.links:
            return
        member = "COMPANY_ID" if self.name == "contact" else "CONTACT_ID"
        several, single = php.item(fields, f"{member}S"), php.item(fields, member)
        if php.is_array(several):
            wanted = [number for number in map(php.to_int, php.values(several)) if number > 0]
            state.relink(self.name, record_id, wanted)
        elif single is not None:
            state.move(self.name, record_id, php.to_int(single))

    def _writable(self, call: Call) -> php.Array:
        fields = call.array("fields")
        if fields is None:
            raise bad_request("Parameter 'fields' must be array.")
        self._check_update(call)
        return fields

    def _values(self, state: State, record: Record, fields: php.Array) -> Record:
        known = self._kind(state).fields
        member = "COMPANY_ID" if self.name == "contact" else "CONTACT_ID"
        derived = LINKS | {member}
        return {
            str(name): stored_value(state, known[name], record, value)
            for name, value in php.pairs(fields)
            # PHP's isset: a null is as good as not sent.
            if value is not None and name in known and not known[name].read_only and name not in derived
        }

    def _check_update(self, call: Call) -> None:
        if not call.caller.user.can_update:
            raise bad_request("Access denied.")

    def _existing(self, state: State, call: Call, absent: RestError) -> Record:
        if call.id <= 0:
            raise bad_request("ID is not defined or invalid.")
        if not call.caller.user.can_read or call.id in state.table(self.name).hidden:
            raise bad_request("Access denied.")
        record = state.get(self.name, call.id)
        if record is None:
            raise absent
        return record

    def methods(self) -> dict[str, Method]:
        """The methods of this kind by their REST names."""
        verbs = (self.fields, self.get, self.list, self.add, self.update, self.delete)
        return {f"crm.{self.name}.{verb.__name__}": Method(verb) for verb in verbs}


def old_order(call: Call, known: Container[str]) -> tuple[tuple[str, bool], ...]:
    """The order of an older list: names in any case, unknown ones are dropped."""
    given = [(str(name).upper(), way) for name, way in php.pairs(array_parameter(call, "order"))]
    return tuple((name, php.to_text(way).upper() == "DESC") for name, way in given if name in known)


def array_parameter(call: Call, name: str) -> php.Array:
    """A parameter that must be an array if it is given."""
    value = call.parameter(name)
    if value is not None and not php.is_array(value):
        raise bad_request(f"Parameter '{name}' must be array.")
    return value if value is not None else {}


def stored_value(
    state: State, field: Field, record: Record, value: Any, column: Callable[[str, Any], Any] = old_column
) -> Any:
    """What the database keeps of a record's field after a write."""
    if field.type == "crm_multifield":
        return attachments.changed_lines(record["ID"], field.name, record.get(field.name), value)
    if field.type == "file":
        return attachments.uploaded(field, record.get(field.name), value, state.file_ids.__next__)
    return column(field.type, value)


def _row(kind: Kind, record: Record, names: Iterable[str], caller: Caller) -> dict[str, Any]:
    row = {name: as_text(record.get(name)) for name in names if name not in kind.attached}
    for name in names:
        field, stored = kind.attached.get(name), record.get(name)
        if field is None:
            continue
        if field.type == "file" and stored != attachments.REMOVED:
            row[name] = attachments.old_files(kind, record["ID"], field, stored, caller)
        elif field.type != "file" and stored:
            row[name] = attachments.lines(record["ID"], name, stored)
    return row


def as_text(value: Any) -> Any:
    """A value as the older methods return it: numbers as strings."""
    kind = type(value)
    if kind is int:
        return str(value)
    return f"{value:.2f}" if kind is float else value


def _shown(kind: Kind, selected: set[str]) -> list[str]:
    every = not selected or "*" in selected
    return [
        name
        for name, field in kind.fields.items()
        if name == "ID"
        or (name in selected and name not in LINKS)
        or (field.is_users_own and "UF_*" in selected)
        or (every and name not in LINKS and field.type != "crm_multifield" and not field.is_users_own)
    ]


FAMILIES = [Family(kind.type_id, kind.name) for kind in crm_kinds().values()]
METHODS = {name: method for family in FAMILIES for name, method in family.methods().items()}
