"""crm.item.*: CRM records of every kind and smart processes; camelCase names, typed values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from airflow_provider_b24.sandbox.methods.listing import Listing
from airflow_provider_b24.sandbox.methods.method import Method
from airflow_provider_b24.sandbox.methods.records import stored_value
from airflow_provider_b24.sandbox.methods.strict import array, parse_filter, parse_order
from airflow_provider_b24.sandbox.model import attachments, php
from airflow_provider_b24.sandbox.model.calls import Answer, Call, Caller
from airflow_provider_b24.sandbox.model.columns import USER_FLAG, item_column
from airflow_provider_b24.sandbox.model.errors import ITEM_DENIED, RestError
from airflow_provider_b24.sandbox.model.records import Record
from airflow_provider_b24.sandbox.model.schema import Kind
from airflow_provider_b24.sandbox.model.state import State

MAX_IMPORTED = 20
LINKS = {"companyIds": "company", "contactIds": "contact"}


def get(state: State, call: Call) -> dict[str, Any]:
    """crm.item.get: ``{"item": {...}}``."""
    kind, record_id = _kind(state, call), php.to_int(_required(call, "id"))
    return {"item": _item(kind, _existing(state, call, kind, record_id), call.caller)}


def list_items(state: State, call: Call) -> Answer:
    """crm.item.list: ``{"items": [...]}``, 50 a page, without what the caller may not read."""
    kind = _kind(state, call)
    _check_read(call)
    conditions = parse_filter(array(call, "filter"), kind.columns, state.behavior.utc_offset)
    listing = Listing(conditions, parse_order(array(call, "order"), kind.columns), call.start or 0)
    answer = listing.answer(
        state.table(kind.name),
        lambda record_id: state.get(kind.name, record_id) or {},
        version=state.links_version(kind.name),
    )
    selected = [str(name) for name in php.values(array(call, "select"))]
    answer.result = {"items": [_selected(kind, record, selected, call.caller) for record in answer.result]}
    return answer


def fields(state: State, call: Call) -> dict[str, Any]:
    """crm.item.fields: ``{"fields": {...}}`` by the names of crm.item.*."""
    kind = _kind(state, call)
    return {"fields": {name: field.describe(upper_name=True) for name, field in kind.items.items()}}


def add(state: State, call: Call) -> dict[str, Any]:
    """crm.item.add: the new item."""
    kind = _kind(state, call)
    new = {"ID": state.table(kind.name).last_id + 1}
    record_id = state.add(kind.name, new["ID"], _values(state, call, kind, new))
    _link(state, call, kind, record_id)
    state.events.announce(kind.name, "ADD", record_id, call.caller.user.id)
    return {"item": _item(kind, state.get(kind.name, record_id) or {}, call.caller)}


def import_item(state: State, call: Call) -> dict[str, Any]:
    """crm.item.import: the id of the new item."""
    return {"item": {"id": add(state, call)["item"]["id"]}}


def batch_import(state: State, call: Call) -> dict[str, Any]:
    """crm.item.batchImport: at most 20 items, each with its id or its error."""
    _required(call, "data")
    rows = php.pairs(array(call, "data"))
    if len(rows) > MAX_IMPORTED:
        text = f"You can only import {MAX_IMPORTED} items at a time"
        raise RestError(400, "MAX_IMPORT_BATCH_SIZE_EXCEEDED", text)
    done: dict[php.Key, Any] = {}
    for key, fields in rows:
        one = replace(call, params=call.params | {"fields": fields if php.is_array(fields) else {}})
        try:
            done[key] = import_item(state, one)
        except RestError as error:
            done[key] = {"error": error.code, "error_description": error.text}
    return {"items": php.to_json(done)}


def update(state: State, call: Call) -> dict[str, Any]:
    """crm.item.update: the changed item. ``companyIds`` and ``contactIds`` replace the bindings."""
    kind, record_id = _kind(state, call), php.to_int(_required(call, "id"))
    record = _existing(state, call, kind, record_id)
    state.update(kind.name, record_id, _values(state, call, kind, record))
    _link(state, call, kind, record_id)
    state.events.announce(kind.name, "UPDATE", record_id, call.caller.user.id)
    return {"item": _item(kind, state.get(kind.name, record_id) or {}, call.caller)}


def delete(state: State, call: Call) -> list[Any]:
    """crm.item.delete: an empty list."""
    kind, record_id = _kind(state, call), php.to_int(_required(call, "id"))
    _existing(state, call, kind, record_id)
    _check_update(call)
    state.delete(kind.name, record_id)
    state.events.announce(kind.name, "DELETE", record_id, call.caller.user.id)
    return []


def _kind(state: State, call: Call) -> Kind:
    kind = state.kinds.get(php.to_int(_required(call, "entityTypeId")))
    if kind is None:
        raise RestError(400, "NOT_FOUND", "SPA not found")
    return kind


def _required(call: Call, name: str) -> Any:
    if call.params.get(name) is None:
        raise RestError(400, "100", f"Could not find value for parameter {{{name}}}")
    return call.params[name]


def _check_read(call: Call) -> None:
    user = call.caller.user
    if not user.crm_access or not user.can_read:
        raise RestError(*ITEM_DENIED)


def _check_update(call: Call) -> None:
    _check_read(call)
    if not call.caller.user.can_update:
        raise RestError(400, "ACCESS_DENIED", "Access denied.")


def _existing(state: State, call: Call, kind: Kind, record_id: int) -> Record:
    _check_read(call)
    if record_id in state.table(kind.name).hidden:
        raise RestError(*ITEM_DENIED)
    record = state.get(kind.name, record_id)
    if record is None:
        raise RestError(400, "NOT_FOUND", "Element not found")
    return record


def _values(state: State, call: Call, kind: Kind, record: Record) -> Record:
    _required(call, "fields")
    given = array(call, "fields")
    _check_update(call)
    for name, value in php.pairs(given):
        if name in LINKS:
            _check_exist(state, str(name), _ids(value))
    return {
        kind.items[str(name)].name: stored_value(state, kind.items[str(name)], record, value, item_column)
        for name, value in php.pairs(given)
        if name in kind.items and not kind.items[str(name)].read_only and name not in LINKS
    }


def _check_exist(state: State, name: str, ids: Iterable[int]) -> None:
    if any(number not in state.table(LINKS[name]) for number in ids):
        raise RestError(400, "CRM_FIELD_ERROR_VALUE_NOT_VALID", f'Invalid value of field "{name}"')


def _ids(value: Any) -> list[int]:
    return [number for number in map(php.to_int, php.values(value)) if number > 0]


def _link(state: State, call: Call, kind: Kind, record_id: int) -> None:
    name = "companyIds" if kind.name == "contact" else "contactIds"
    several = php.item(call.params.get("fields"), name)
    single = php.item(call.params.get("fields"), name.removesuffix("s"))
    if kind.name in state.links and several is not None:
        state.relink(kind.name, record_id, _ids(several))
    elif kind.name in state.links and single is not None:
        state.move(kind.name, record_id, php.to_int(single))


def _selected(kind: Kind, record: Record, selected: list[str], caller: Caller) -> dict[str, Any]:
    if selected and kind.items.keys() >= set(selected):
        return {name: _value(kind, record, name, caller) for name in ["id", *selected]}
    item = _item(kind, record, caller)
    if not selected or "*" in selected:
        return item
    return {name: value for name, value in item.items() if name in selected or name == "id"}


def _value(kind: Kind, record: Record, name: str, caller: Caller) -> Any:
    field = kind.items[name]
    value = record.get(field.name)
    if field.type == USER_FLAG and not field.multiple:
        return "Y" if value else "N"
    if field.type == "file":
        return attachments.item_files(kind, record["ID"], field, value, caller)
    return (
        0 if value is None and field.type in {"crm_company", "crm_contact"} and not field.multiple else value
    )


def _item(kind: Kind, record: Record, caller: Caller) -> dict[str, Any]:
    item = {name: _value(kind, record, name, caller) for name in kind.items}
    if "PHONE" in kind.fields:
        item |= _reach(record)
    return item | {"entityTypeId": kind.type_id}


def _reach(record: Record) -> dict[str, Any]:
    values = [
        line
        for name in attachments.MULTIFIELDS
        for line in attachments.lines(record["ID"], name, record.get(name))
    ]
    lines = [
        {
            "id": int(line["ID"]),
            "valueType": line["VALUE_TYPE"],
            "value": line["VALUE"],
            "typeId": line["TYPE_ID"],
        }
        for line in values
    ]
    return {
        "phone": next((line["value"] for line in lines if line["typeId"] == "PHONE"), ""),
        "email": next((line["value"] for line in lines if line["typeId"] == "EMAIL"), ""),
        "fm": lines,
    }


METHODS = {
    "crm.item.get": Method(get, crm_gate=False),
    "crm.item.list": Method(list_items, crm_gate=False),
    "crm.item.fields": Method(fields, crm_gate=False),
    "crm.item.add": Method(add, crm_gate=False),
    "crm.item.import": Method(import_item, crm_gate=False),
    "crm.item.batchimport": Method(batch_import, crm_gate=False),
    "crm.item.update": Method(update, crm_gate=False),
    "crm.item.delete": Method(delete, crm_gate=False),
}
