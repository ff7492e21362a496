"""crm.company.contact.*: the same bindings seen from the company.

Adding or setting makes the company the primary one of every contact concerned; removing promotes no other
company (the server's code, ``bindContacts`` and ``unbindContacts``).
"""

from __future__ import annotations

from typing import Any

from airflow_provider_b24.sandbox.methods.binding_rules import SORT_STEP, normalize, sort_by_position
from airflow_provider_b24.sandbox.methods.bindings import array_of, binding_fields, owner_of
from airflow_provider_b24.sandbox.methods.method import Method
from airflow_provider_b24.sandbox.model import php
from airflow_provider_b24.sandbox.model.bindings import Binding
from airflow_provider_b24.sandbox.model.calls import Call
from airflow_provider_b24.sandbox.model.errors import OBJECT_DENIED, RestError, bad_request
from airflow_provider_b24.sandbox.model.state import State


def fields(state: State, call: Call) -> dict[str, Any]:
    """crm.company.contact.fields."""
    return binding_fields("contact")


def add(state: State, call: Call) -> bool:
    """crm.company.contact.add: bind one more contact; False if it is already bound."""
    company_id, given = owner_of(call, "'ownerEntityID'"), array_of(call, "fields", "'fields'")
    _check(state, call, company_id, update=True, must_exist=True)
    contact_id = _contact_of(given)
    stored = _rows(state, company_id)
    if contact_id in stored:
        return False
    sort = php.item(given, "SORT")
    highest = max((row.sort for row in stored.values()), default=0)
    _bind(state, contact_id, company_id, highest + SORT_STEP if sort is None else php.to_int(sort))
    return True


def delete(state: State, call: Call) -> bool:
    """crm.company.contact.delete: unbind one contact; False if it is not bound."""
    company_id, given = owner_of(call, "'ownerEntityID'"), array_of(call, "fields", "'item'")
    _check(state, call, company_id, update=True, must_exist=True)
    contact_id = _contact_of(given)
    if contact_id not in _rows(state, company_id):
        return False
    state.bindings.remove(contact_id, company_id)
    return True


def items_get(state: State, call: Call) -> list[dict[str, Any]]:
    """crm.company.contact.items.get: IS_PRIMARY is seen from the contact, so several rows may have it."""
    company_id = owner_of(call, "ownerEntityID")
    _check(state, call, company_id, update=False)
    rows = [row._replace(member_id=contact_id) for contact_id, row in _rows(state, company_id).items()]
    return [row.row("CONTACT_ID") for row in sorted(rows, key=lambda row: (row.sort, row.member_id))]


def items_set(state: State, call: Call) -> bool:
    """crm.company.contact.items.set: replace the company's contacts."""
    company_id, items = owner_of(call, "ownerEntityID"), array_of(call, "items", "items")
    _check(state, call, company_id, update=True, must_exist=True)
    stored = _rows(state, company_id)
    wanted = {row.member_id: row for row in normalize(items, "CONTACT_ID", stored, sort_by_position)}
    for contact_id in stored.keys() - wanted.keys():
        state.bindings.remove(contact_id, company_id)
    for contact_id, row in wanted.items():
        if contact_id not in stored or stored[contact_id].sort != row.sort:
            _bind(state, contact_id, company_id, row.sort)
    return True


def items_delete(state: State, call: Call) -> bool:
    """crm.company.contact.items.delete: unbind every contact."""
    company_id = owner_of(call, "ownerEntityID")
    _check(state, call, company_id, update=state.behavior.rules == "documented")
    for contact_id in _rows(state, company_id):
        state.bindings.remove(contact_id, company_id)
    return True


def _check(state: State, call: Call, company_id: int, update: bool, must_exist: bool = False) -> None:
    user = call.caller.user
    if not (user.can_update if update else user.can_read) or company_id in state.companies.hidden:
        raise RestError(*OBJECT_DENIED)
    if must_exist and company_id not in state.companies:
        raise bad_request("Not found.")


def _contact_of(given: php.Array) -> int:
    contact_id = php.to_int(php.item(given, "CONTACT_ID"))
    if contact_id <= 0:
        raise bad_request("The parameter 'fields' is not valid.")
    return contact_id


def _rows(state: State, company_id: int) -> dict[int, Binding]:
    """The company's bindings by contact id."""
    return {
        contact_id: next(row for row in state.bindings.rows(contact_id) if row.member_id == company_id)
        for contact_id in state.bindings.owners_of(company_id)
    }


def _bind(state: State, contact_id: int, company_id: int, sort: int) -> None:
    others = [
        row._replace(primary=False) for row in state.bindings.rows(contact_id) if row.member_id != company_id
    ]
    state.bindings.write(contact_id, [*others, Binding(company_id, sort, primary=True)])


METHODS = {
    "crm.company.contact.fields": Method(fields),
    "crm.company.contact.add": Method(add),
    "crm.company.contact.delete": Method(delete),
    "crm.company.contact.items.get": Method(items_get),
    "crm.company.contact.items.set": Method(items_set),
    "crm.company.contact.items.delete": Method(items_delete),
}
