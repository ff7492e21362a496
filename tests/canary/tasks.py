"""One operator of each kind, for DAGs and for direct calls."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow_provider_b24.notifications.bitrix24 import Bitrix24Notifier
from airflow_provider_b24.operators import bitrix24, contact_company, sync
from airflow_provider_b24.sensors.bitrix24 import Bitrix24Sensor

REPORTS = Path(os.environ.get("CANARY_REPORTS", ""))
ADD, GET = "crm.contact.company.add", "crm.contact.company.items.get"
ALL = ("set", "get", "add", "delete", "clear", "fields", "sync", "any", "batch", "list")
# Run as tasks only. The last two send a message when they have ended: by their own connection, by another.
IN_DAGS = ("sensor", "told", "told_elsewhere")
BAD_ITEMS = {
    "set_nothing": {"items": []},
    "set_an_unknown_key": {"items": [{"companyid": 8}]},
    "set_one_twice": {"items": [8, 8]},
    "set_no_number": {"items": [{"COMPANY_ID": "abc"}]},
    "set_a_missing_contact": {"contact_id": 999999},
    "set_a_missing_company": {"items": [999999], "check_companies": True},
}


def make(kind: str, name: str, conn_id: str, **more: Any) -> Any:
    """Make an operator of a kind that uses a connection."""
    if kind in BAD_ITEMS:
        more |= BAD_ITEMS[kind]
        kind = "set"
    elif kind == "set_until_killed":
        more |= {"execution_timeout": timedelta(seconds=1)}
        kind = "set"
    elif kind.startswith("told"):
        teller = conn_id if kind == "told" else "fine"
        notifier = Bitrix24Notifier(dialog_id="chat42", bitrix24_conn_id=teller)
        more |= {"on_success_callback": notifier, "on_failure_callback": notifier}
        kind = "told"
    classes = {
        "set": contact_company.SetContactCompaniesOperator,
        "get": contact_company.GetContactCompaniesOperator,
        "add": contact_company.AddContactCompanyOperator,
        "delete": contact_company.DeleteContactCompanyOperator,
        "clear": contact_company.ClearContactCompaniesOperator,
        "fields": contact_company.GetContactCompanyFieldsOperator,
        "sync": sync.SyncContactCompaniesOperator,
        "any": bitrix24.Bitrix24Operator,
        "batch": bitrix24.Bitrix24BatchOperator,
        "list": bitrix24.Bitrix24ListOperator,
        "sensor": Bitrix24Sensor,
        "deferred": Bitrix24Sensor,
        "told": bitrix24.Bitrix24Operator,
    }
    contact = {"method": "crm.item.get", "parameters": {"entityTypeId": 3, "id": 82}}
    calls = [[GET, {"id": 82}], [ADD, {"id": 82, "fields": {"COMPANY_ID": 8}}]]
    arguments: dict[str, dict[str, Any]] = {
        "set": {"contact_id": 82, "items": [8, 9]},
        "get": {"contact_id": 82},
        "add": {"contact_id": 82, "company_id": 9},
        "delete": {"contact_id": 82, "company_id": 9},
        "clear": {"contact_id": 83},
        "sync": {"bindings": {"84": [8], "85": [9, 10]}, "report_path": str(REPORTS / f"{name}.jsonl")},
        "any": {"method": "crm.contact.add", "parameters": {"fields": {"NAME": "Ana"}}},
        "batch": {"calls": calls},
        "sensor": contact | {"timeout": 0, "poke_interval": 0},
        "deferred": contact | {"deferrable": True, "poke_interval": 0},
        "told": contact,
        "list": {
            "method": "crm.item.list",
            "parameters": {"entityTypeId": 3},
            "output_path": str(REPORTS / f"{name}-rows.jsonl"),
        },
    }
    more = {"bitrix24_conn_id": conn_id} | arguments.get(kind, {}) | more
    return classes[kind](task_id=name, **more)
