"""crm.item.get and crm.item.list for contacts (3) and companies (4): camelCase keys, ids as ints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow_provider_b24.sandbox.methods.listing import Condition, Listing
from airflow_provider_b24.sandbox.methods.method import Method
from airflow_provider_b24.sandbox.methods.records import COMPANY, CONTACT, MULTIPLE, Kind, multiple
from airflow_provider_b24.sandbox.model import php
from airflow_provider_b24.sandbox.model.calls import Answer, Call
from airflow_provider_b24.sandbox.model.errors import ITEM_DENIED, RestError, bad_argument
from airflow_provider_b24.sandbox.model.records import Record
from airflow_provider_b24.sandbox.model.state import State

COMMON_FIELDS = {
    "id": "ID",
    "createdTime": "DATE_CREATE",
    "updatedTime": "DATE_MODIFY",
    "createdBy": "CREATED_BY_ID",
    "updatedBy": "MODIFY_BY_ID",
    "assignedById": "ASSIGNED_BY_ID",
    "opened": "OPENED",
    "comments": "COMMENTS",
}


@dataclass(frozen=True)
class ItemType:
    """An entity type of crm.item.*: the records behind it and its field names."""

    id: int
    kind: Kind
    fields: dict[str, str]

    def load(self, state: State, record_id: int) -> Record:
        """A record with the upper-case names of all its fields, COMPANY_IDS in link order."""
        record = self.kind.load(state, record_id) or {"ID": record_id}
        if self.kind is CONTACT:
            record["COMPANY_ID"] = record.get("COMPANY_ID") or 0
            record["COMPANY_IDS"] = [row.company_id for row in state.bindings.rows(record_id)]
        return record

    def item(self, record: Record) -> dict[str, Any]:
        """A record as crm.item.get returns it."""
        values = [line for name in MULTIPLE for line in multiple(record["ID"], name, record.get(name))]
        lines: list[dict[str, Any]] = [{_camel(key): value for key, value in line.items()} for line in values]
        for line in lines:
            line["id"] = int(line["id"])
        return {
            **{name: record.get(upper) for name, upper in self.fields.items()},
            "phone": next((line["value"] for line in lines if line["typeId"] == "PHONE"), ""),
            "email": next((line["value"] for line in lines if line["typeId"] == "EMAIL"), ""),
            "fm": lines,
            "entityTypeId": self.id,
        }


def _camel(name: str) -> str:
    head, *rest = name.lower().split("_")
    return head + "".join(word.capitalize() for word in rest)


TYPES = {
    3: ItemType(
        id=3,
        kind=CONTACT,
        fields={
            **COMMON_FIELDS,
            "name": "NAME",
            "secondName": "SECOND_NAME",
            "lastName": "LAST_NAME",
            "post": "POST",
            "typeId": "TYPE_ID",
            "sourceId": "SOURCE_ID",
            "companyId": "COMPANY_ID",
            "companyIds": "COMPANY_IDS",
        },
    ),
    4: ItemType(
        id=4,
        kind=COMPANY,
        fields={**COMMON_FIELDS, "title": "TITLE", "typeId": "COMPANY_TYPE", "industry": "INDUSTRY"},
    ),
}


def get(state: State, call: Call) -> dict[str, Any]:
    """crm.item.get: ``{"item": {...}}``."""
    item_type = _item_type(call)
    record_id = php.to_int(_required(call, "id"))
    _check_read(call)
    if record_id in item_type.kind.hidden(state):
        raise RestError(*ITEM_DENIED)
    if record_id not in item_type.kind.records(state):
        raise RestError(400, "NOT_FOUND", "Element not found")
    return {"item": item_type.item(item_type.load(state, record_id))}


def list_items(state: State, call: Call) -> Answer:
    """crm.item.list: ``{"items": [...]}``, 50 a page; what the caller may not read is left out."""
    item_type = _item_type(call)
    _check_read(call)
    question = Listing(_conditions(call, item_type), _order(call, item_type), call.start or 0)
    kind = item_type.kind
    answer = question.answer(
        kind.records(state), lambda record_id: item_type.load(state, record_id), kind.hidden(state)
    )
    selected = [str(name) for _, name in php.pairs(call.array("select") or [])]
    answer.result = {"items": [_selected(item_type, record, selected) for record in answer.result]}
    return answer


def _item_type(call: Call) -> ItemType:
    item_type = TYPES.get(php.to_int(_required(call, "entityTypeId")))
    if item_type is None:
        raise RestError(400, "NOT_FOUND", "SPA not found")
    return item_type


def _required(call: Call, name: str) -> Any:
    if call.params.get(name) is None:
        raise RestError(400, "100", f"Could not find value for parameter {{{name}}}")
    return call.params[name]


def _check_read(call: Call) -> None:
    user = call.caller.user
    if not user.crm_access or not user.can_read:
        raise RestError(*ITEM_DENIED)


def _conditions(call: Call, item_type: ItemType) -> list[Condition]:
    found = [Condition.parse(key, value) for key, value in php.pairs(call.array("filter") or {})]
    for condition in found:
        if condition.field not in item_type.fields:
            raise bad_argument(f"Invalid filter: field '{condition.field}' is not allowed in filter")
    return [Condition(one.operator, item_type.fields[one.field], one.value) for one in found]


def _order(call: Call, item_type: ItemType) -> list[tuple[str, bool]]:
    order = []
    for name, way in php.pairs(call.array("order") or {}):
        if name not in item_type.fields:
            raise bad_argument(f"Invalid order: field '{name}' is not allowed in order")
        if php.to_text(way).upper() not in {"ASC", "DESC"}:
            text = f"allowed sort directions are ASC, DESC. But got '{php.to_text(way)}' for field '{name}'"
            raise bad_argument(f"Invalid order: {text}")
        order.append((item_type.fields[str(name)], php.to_text(way).upper() == "DESC"))
    return order


def _selected(item_type: ItemType, record: Record, selected: list[str]) -> dict[str, Any]:
    if selected and item_type.fields.keys() >= set(selected):
        return {name: record.get(item_type.fields[name]) for name in ["id", *selected]}
    item = item_type.item(record)
    if not selected or "*" in selected:
        return item
    return {name: value for name, value in item.items() if name in selected or name == "id"}


METHODS = {"crm.item.get": Method(get, crm_gate=False), "crm.item.list": Method(list_items, crm_gate=False)}
