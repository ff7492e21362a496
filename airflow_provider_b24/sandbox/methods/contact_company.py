"""The six methods crm.contact.company.*: the companies of a contact."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from airflow_provider_b24.sandbox.methods.method import Method
from airflow_provider_b24.sandbox.model import php
from airflow_provider_b24.sandbox.model.bindings import Binding
from airflow_provider_b24.sandbox.model.calls import Call
from airflow_provider_b24.sandbox.model.errors import OBJECT_DENIED, RestError, bad_request
from airflow_provider_b24.sandbox.model.state import State

SORT_STEP = 10


def fields(state: State, call: Call) -> dict[str, Any]:
    """crm.contact.company.fields: the fields of a binding (ROLE_ID is not listed)."""
    return {
        "SORT": _field("integer", "Sorting"),
        "IS_PRIMARY": _field("char", "Primary"),
        "COMPANY_ID": _field("integer", "Company", required=True),
    }


def _field(kind: str, title: str, required: bool = False) -> dict[str, Any]:
    return {
        "type": kind,
        "isRequired": required,
        "isReadOnly": False,
        "isImmutable": False,
        "isMultiple": False,
        "isDynamic": False,
        "title": title,
    }


def add(state: State, call: Call) -> bool:
    """crm.contact.company.add: bind one more company; False when it is bound already."""
    contact_id, fields = _owner(call, "'ownerEntityID'"), _array(call, "fields", "'fields'")
    _check_right(state, call, contact_id, update=True)
    company_id = _company_of(state, contact_id, fields)
    stored = state.bindings.rows(contact_id)
    if any(row.company_id == company_id for row in stored):
        return False
    _check_companies(state, [company_id])
    new = _new_row(company_id, fields, stored)
    demoted = (row._replace(primary=False) if new.primary else row for row in stored)
    return _write(state, contact_id, (*demoted, new))


def _new_row(company_id: int, fields: php.Array, stored: tuple[Binding, ...]) -> Binding:
    sort = php.item(fields, "SORT")
    primary = php.item(fields, "IS_PRIMARY") == "Y" or not any(row.primary for row in stored)
    highest = max((row.sort for row in stored), default=0)
    return Binding(company_id, highest + SORT_STEP if sort is None else php.to_int(sort), primary)


def delete(state: State, call: Call) -> bool:
    """crm.contact.company.delete: unbind one company; False when it is not bound."""
    contact_id, fields = _owner(call, "'ownerEntityID'"), _array(call, "fields", "'item'")
    _check_right(state, call, contact_id, update=True)
    company_id = _company_of(state, contact_id, fields)
    stored = state.bindings.rows(contact_id)
    left = [row for row in stored if row.company_id != company_id]
    if len(left) == len(stored):
        return False
    _check_companies(state, [company_id])
    if left and not any(row.primary for row in left):
        left[0] = left[0]._replace(primary=True)
    return _write(state, contact_id, left)


def items_get(state: State, call: Call) -> list[dict[str, Any]]:
    """crm.contact.company.items.get: the bindings by SORT; [] also for a contact that does not exist."""
    contact_id = _owner(call, "ownerEntityID")
    _check_right(state, call, contact_id, update=False)
    return [row.row() for row in state.bindings.rows(contact_id)]


def items_delete(state: State, call: Call) -> bool:
    """crm.contact.company.items.delete: unbind every company; needs only the right to read."""
    contact_id = _owner(call, "ownerEntityID")
    _check_right(state, call, contact_id, update=False)
    _check_companies(state, [row.company_id for row in state.bindings.rows(contact_id)])
    return _write(state, contact_id, ())


def items_set(state: State, call: Call) -> bool:
    """crm.contact.company.items.set: replace the whole set; items without a usable id are dropped."""
    contact_id, items = _owner(call, "ownerEntityID"), _array(call, "items", "items")
    _check_right(state, call, contact_id, update=True)
    _check_exists(state, contact_id)
    stored = {row.company_id: row for row in state.bindings.rows(contact_id)}
    wanted = normalize(items, stored, observed=state.rules == "observed")
    removed = stored.keys() - {row.company_id for row in wanted}
    written = changes(stored, wanted)
    _check_companies(state, [*removed, *written])
    kept = {company_id: row for company_id, row in stored.items() if company_id not in removed}
    return _write(state, contact_id, (kept | written).values())


class Item(NamedTuple):
    """An element of ``items`` after coercion, and its position there."""

    position: int
    company_id: int
    sort: int
    primary: bool


def normalize(sent: php.Array, stored: dict[int, Binding], observed: bool) -> list[Binding]:
    """The rows that a request asks for, with SORT and primary by the portal's rules."""
    items = _readable(sent)
    sorts = _observed_sorts(items) if observed else _documented_sorts(items, stored)
    first = next((i for i, one in enumerate(items) if one.primary), 0)
    return [
        Binding(one.company_id, sort, primary=i == first)
        for i, (one, sort) in enumerate(zip(items, sorts, strict=True))
    ]


def _readable(sent: php.Array) -> list[Item]:
    # The server counts from 0 to the number of elements, so elements under other keys are never seen.
    found = []
    for position in range(len(sent)):
        item = php.item(sent, position)
        company_id = php.to_int(php.item(item, "COMPANY_ID"))
        if company_id > 0:
            sort = max(0, php.to_int(php.item(item, "SORT")))
            found.append(Item(position, company_id, sort, php.item(item, "IS_PRIMARY") == "Y"))
    return found


def _observed_sorts(items: list[Item]) -> list[int]:
    return [one.sort or (one.position + 1) * SORT_STEP for one in items]


def _documented_sorts(items: list[Item], stored: dict[int, Binding]) -> list[int]:
    # "Existing and provided": explicit values count wherever they stand in the request.
    highest = max([0, *(row.sort for row in stored.values()), *(one.sort for one in items)])
    sorts = []
    for one in items:
        known = stored.get(one.company_id)
        sort = one.sort or (known.sort if known else highest + SORT_STEP)
        highest = max(highest, sort)
        sorts.append(sort)
    return sorts


def changes(stored: dict[int, Binding], wanted: list[Binding]) -> dict[int, Binding]:
    """The rows to write. The last duplicate wins; for a bound company, the first whose SORT differs."""
    latest = {row.company_id: row for row in wanted}
    written = {company_id: row for company_id, row in latest.items() if company_id not in stored}
    for row in wanted:
        if row.company_id not in written and row.sort != stored[row.company_id].sort:
            written[row.company_id] = row
    old, new = _primary(stored.values()), _primary(wanted)
    if old != new:
        if new is not None and new not in written:
            written[new] = latest[new]._replace(primary=True)
        if old is not None and old in latest:
            written[old] = latest[old]._replace(primary=False)
    return written


def _primary(rows: Iterable[Binding]) -> int | None:
    primary = [row.company_id for row in rows if row.primary]
    return primary[-1] if primary else None


def _company_id(fields: php.Array) -> int:
    return php.to_int(php.item(fields, "COMPANY_ID"))


def _owner(call: Call, name: str) -> int:
    if call.id <= 0:
        raise bad_request(f"The parameter {name} is invalid or not defined.")
    return call.id


def _array(call: Call, parameter: str, name: str) -> php.Array:
    value = call.array(parameter)
    if value is None:
        raise bad_request(f"The parameter {name} must be array.")
    return value


def _check_right(state: State, call: Call, contact_id: int, update: bool) -> None:
    user = call.caller.user
    allowed = user.can_update if update else user.can_read
    if not allowed or contact_id in state.contacts.hidden:
        raise RestError(*OBJECT_DENIED)


def _check_exists(state: State, contact_id: int) -> None:
    if contact_id not in state.contacts:
        raise bad_request("Not found.")


def _company_of(state: State, contact_id: int, fields: php.Array) -> int:
    _check_exists(state, contact_id)
    if _company_id(fields) <= 0:
        raise bad_request("The parameter 'fields' is not valid.")
    return _company_id(fields)


def _check_companies(state: State, company_ids: Iterable[int]) -> None:
    if not state.company_read_check:
        return
    for company_id in company_ids:
        if company_id in state.companies.hidden:
            raise bad_request(f"[Company #{company_id}] You do not have permission to view this item")


def _write(state: State, contact_id: int, rows: Iterable[Binding]) -> bool:
    state.bindings.write(contact_id, rows)
    return True


METHODS = {
    "crm.contact.company.fields": Method(fields),
    "crm.contact.company.add": Method(add),
    "crm.contact.company.delete": Method(delete),
    "crm.contact.company.items.get": Method(items_get),
    "crm.contact.company.items.set": Method(items_set),
    "crm.contact.company.items.delete": Method(items_delete),
}
