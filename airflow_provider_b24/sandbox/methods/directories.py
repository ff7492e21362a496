"""crm.status.list, crm.category.list and the like: small directories that name the codes in records."""

from __future__ import annotations

from typing import Any

from airflow_provider_b24.sandbox.methods.listing import parse_group, sort_key
from airflow_provider_b24.sandbox.methods.method import Method
from airflow_provider_b24.sandbox.methods.records import array_parameter
from airflow_provider_b24.sandbox.methods.strict import array, parse_filter, parse_order
from airflow_provider_b24.sandbox.model import php
from airflow_provider_b24.sandbox.model.calls import Answer, Call
from airflow_provider_b24.sandbox.model.errors import RestError
from airflow_provider_b24.sandbox.model.samples import LEAD_STATUSES, QUOTE_STATUSES, STAGES
from airflow_provider_b24.sandbox.model.state import State

SMART = 128  # type ids of smart processes begin here
SWITCHED_ON = (
    "isCategoriesEnabled",
    "isStagesEnabled",
    "isBeginCloseDatesEnabled",
    "isClientEnabled",
    "isUseInUserfieldEnabled",
    "isSourceEnabled",
    "isAutomationEnabled",
    "isSetOpenPermissions",
)
SWITCHED_OFF = (
    "isLinkWithProductsEnabled",
    "isMycompanyEnabled",
    "isDocumentsEnabled",
    "isObserversEnabled",
    "isRecyclebinEnabled",
    "isBizProcEnabled",
    "isPaymentsEnabled",
    "isCountersEnabled",
)
STATUSES = {
    "DEAL_STAGE": STAGES,
    "STATUS": LEAD_STATUSES,
    "QUOTE_STATUS": QUOTE_STATUSES,
    "SOURCE": ("WEB", "CALL", "EMAIL", "PARTNER", "TRADE_SHOW"),
    "CONTACT_TYPE": ("CLIENT", "SUPPLIER", "PARTNER", "OTHER"),
    "COMPANY_TYPE": ("CUSTOMER", "SUPPLIER", "COMPETITOR", "PARTNER", "OTHER"),
    "DEAL_TYPE": ("SALE", "COMPLEX", "SERVICE"),
    "INDUSTRY": ("IT", "TELECOM", "MANUFACTURING", "CONSULTING", "DELIVERY", "OTHER"),
}


def _statuses() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for entity, codes in STATUSES.items():
        for position, code in enumerate(codes):
            rows.append(
                {
                    "ID": str(len(rows) + 1),
                    "ENTITY_ID": entity,
                    "STATUS_ID": code,
                    "NAME": code.replace("_", " ").capitalize(),
                    "NAME_INIT": "",
                    "SORT": str((position + 1) * 10),
                    "SYSTEM": "N",
                    "CATEGORY_ID": None,
                }
            )
    return rows


ROWS = _statuses()


def statuses(state: State, call: Call) -> Answer:
    """crm.status.list: all matching rows at once."""
    group = parse_group(array_parameter(call, "filter"), ROWS[0])
    rows = [row for row in ROWS if group.holds(row)]
    return Answer(rows, total=len(rows))


def categories(state: State, call: Call) -> Answer:
    """crm.category.list: the pipelines of an entity type."""
    type_id = php.to_int(call.params.get("entityTypeId"))
    if type_id not in state.kinds:
        raise RestError(400, "NOT_FOUND", "SPA not found")
    names = ("General", "Retail") if type_id == 2 else ("General",)
    first = 0 if type_id == 2 else 1
    rows = [
        {
            "id": first + i,
            "name": name,
            "sort": (i + 1) * 100,
            "entityTypeId": type_id,
            "isDefault": "YN"[i > 0],
        }
        for i, name in enumerate(names)
    ]
    return Answer({"categories": rows}, total=len(rows))


def types(state: State, call: Call) -> Answer:
    """crm.type.list: the smart processes. ``id`` is the number of the row, not the entity type id."""
    columns = {name: name for name in _type(0, 0, "", "")}
    group = parse_filter(array(call, "filter"), columns)
    order = parse_order(array(call, "order"), columns)
    kinds = [kind for kind in state.kinds.values() if kind.type_id >= SMART]
    rows = [_type(number, kind.type_id, kind.title, state.now) for number, kind in enumerate(kinds, 1)]
    rows = [row for row in rows if group.holds(row)]
    for name, descending in reversed(order):
        field = "id" if name == "ID" else name
        rows.sort(key=lambda row: sort_key(row[field]), reverse=descending)
    answer = Answer.page(rows, call.start)
    answer.result = {"types": answer.result}
    return answer


def _type(number: int, type_id: int, title: str, now: str) -> dict[str, Any]:
    return {
        "id": number,
        "title": title,
        "code": "",
        "createdBy": 1,
        "entityTypeId": type_id,
        "customSectionId": None,
        **dict.fromkeys(SWITCHED_ON, "Y"),
        **dict.fromkeys(SWITCHED_OFF, "N"),
        "createdTime": now,
        "updatedTime": now,
        "updatedBy": 1,
    }


METHODS = {
    "crm.status.list": Method(statuses),
    "crm.category.list": Method(categories),
    "crm.type.list": Method(types),
}
