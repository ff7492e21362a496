"""Sample records of every other list, derived from an id and a seed."""

from __future__ import annotations

from typing import Any

from airflow_provider_b24.sandbox.model import people
from airflow_provider_b24.sandbox.model.people import moment, phone, stamps

STAGES = ("NEW", "PREPARATION", "PREPAYMENT_INVOICE", "EXECUTING", "FINAL_INVOICE", "WON", "LOSE")
LEAD_STATUSES = ("NEW", "IN_PROCESS", "PROCESSED", "CONVERTED", "JUNK")
QUOTE_STATUSES = ("DRAFT", "SENT", "APPROVED", "DECLINED")
SUBJECTS = ("Annual contract", "Spare parts", "Pilot project", "Maintenance", "Training", "Renewal", "Audit")
CURRENCIES = ("EUR", "USD", "GBP")
CITIES = ("Oslo", "Porto", "Graz", "Lyon", "Gdynia", "Turku", "Osaka", "Bremen")
LINKED = 500  # sample records refer to contacts and companies up to this id

Sample = dict[str, Any]

TRADE_FLAGS = {"IS_RETURN_CUSTOMER": "N", "IS_MANUAL_OPPORTUNITY": "N"}
DEAL_DEFAULTS: Sample = {
    **TRADE_FLAGS,
    "IS_NEW": "N",
    "IS_RECURRING": "N",
    "IS_REPEATED_APPROACH": "N",
    "TAX_VALUE": 0.0,
}
QUOTE_DEFAULTS: Sample = {"TAX_VALUE": 0.0, "PERSON_TYPE_ID": 1}
LEAD_DEFAULTS: Sample = {**TRADE_FLAGS, "HAS_PHONE": "N", "HAS_EMAIL": "N", "HAS_IMOL": "N"}


def _semantic(stage: str) -> str:
    return {"WON": "S", "LOSE": "F", "CONVERTED": "S", "JUNK": "F"}.get(stage, "P")


def _common(record_id: int) -> Sample:
    return {
        "ASSIGNED_BY_ID": 1,
        "CREATED_BY_ID": 1,
        "MODIFY_BY_ID": 1,
        **stamps(record_id),
        "OPENED": "Y",
    }


def _trade(record_id: int, seed: int) -> Sample:
    number = record_id * 7919 + seed
    return {
        "TITLE": f"{SUBJECTS[number % len(SUBJECTS)]} {record_id}",
        "OPPORTUNITY": float(number % 90_000) + number % 4 * 0.25,
        "CURRENCY_ID": CURRENCIES[number // 7 % len(CURRENCIES)],
        "COMPANY_ID": number // 3 % LINKED + 1,
        "CONTACT_ID": number // 5 % LINKED + 1,
    }


def _period(record_id: int) -> Sample:
    return {"BEGINDATE": f"{moment(record_id)[:10]}T00:00:00+00:00", "CLOSEDATE": moment(record_id + 43_200)}


def deal(record_id: int, seed: int = 0) -> Sample:
    """A deal."""
    stage = STAGES[(record_id * 31 + seed) % len(STAGES)]
    return {
        **_common(record_id),
        **_trade(record_id, seed),
        **_period(record_id),
        "COMMENTS": None,
        "MOVED_BY_ID": 1,
        "MOVED_TIME": moment(record_id),
        "TYPE_ID": "SALE",
        "CATEGORY_ID": 0,
        "STAGE_ID": stage,
        "STAGE_SEMANTIC_ID": _semantic(stage),
        "PROBABILITY": record_id % 11 * 10,
        "CLOSED": "N" if _semantic(stage) == "P" else "Y",
        "SOURCE_ID": "WEB",
        **DEAL_DEFAULTS,
        "IS_NEW": "Y" if stage == "NEW" else "N",
    }


def lead(record_id: int, seed: int = 0) -> Sample:
    """A lead."""
    person = people.contact(record_id, seed)
    status = LEAD_STATUSES[(record_id * 13 + seed) % len(LEAD_STATUSES)]
    return {
        **_common(record_id),
        **_trade(record_id, seed),
        **TRADE_FLAGS,
        **people.REACHABLE,
        "COMMENTS": None,
        "MOVED_BY_ID": 1,
        "MOVED_TIME": moment(record_id),
        "NAME": person["NAME"],
        "LAST_NAME": person["LAST_NAME"],
        "STATUS_ID": status,
        "STATUS_SEMANTIC_ID": _semantic(status),
        "SOURCE_ID": "WEB",
        "PHONE": person["PHONE"],
        "EMAIL": person["EMAIL"],
    }


def quote(record_id: int, seed: int = 0) -> Sample:
    """A quote."""
    status = QUOTE_STATUSES[(record_id * 17 + seed) % len(QUOTE_STATUSES)]
    return {
        **_common(record_id),
        **_trade(record_id, seed),
        **_period(record_id),
        "COMMENTS": None,
        **QUOTE_DEFAULTS,
        "QUOTE_NUMBER": str(record_id),
        "STATUS_ID": status,
        "DEAL_ID": record_id,
        "CLOSED": "Y" if status in {"APPROVED", "DECLINED"} else "N",
    }


def smart_item(record_id: int, seed: int = 0) -> Sample:
    """An item of a smart process."""
    return {
        **_common(record_id),
        **_trade(record_id, seed),
        **_period(record_id),
        "XML_ID": "",
        "MOVED_BY_ID": 1,
        "MOVED_TIME": moment(record_id),
        "CATEGORY_ID": 1,
        "STAGE_ID": STAGES[(record_id + seed) % len(STAGES)],
    }


def task(record_id: int, seed: int = 0) -> Sample:
    """A task."""
    number = record_id * 7919 + seed
    return {
        "TITLE": f"{SUBJECTS[number % len(SUBJECTS)]}: task {record_id}",
        "DESCRIPTION": "",
        "STATUS": number % 5 + 1,
        "PRIORITY": number % 3,
        "GROUP_ID": number % 20,
        "CREATED_BY": 1,
        "RESPONSIBLE_ID": 1,
        "CREATED_DATE": moment(record_id),
        "CHANGED_DATE": moment(record_id),
        "CLOSED_DATE": None,
        "DEADLINE": moment(record_id + 10_080),
    }


def elapsed_item(record_id: int, seed: int = 0) -> Sample:
    """Time spent on a task."""
    return {
        "TASK_ID": record_id % LINKED + 1,
        "USER_ID": 1,
        "COMMENT_TEXT": "",
        "SECONDS": (record_id * 7919 + seed) % 7200,
        "MINUTES": (record_id * 7919 + seed) % 7200 // 60,
        "SOURCE": 2,
        "CREATED_DATE": moment(record_id),
    }


def user(record_id: int, seed: int = 0) -> Sample:
    """A portal user."""
    person = people.contact(record_id, seed)
    return {
        "ACTIVE": True,
        "NAME": person["NAME"],
        "LAST_NAME": person["LAST_NAME"],
        "XML_ID": "",
        "EMAIL": person["EMAIL"],
        "LAST_LOGIN": moment(record_id + 1_440),
        "DATE_REGISTER": moment(record_id),
        "TIME_ZONE": "",
        "IS_ONLINE": "N",
        "TIMESTAMP_X": "",
        "LAST_ACTIVITY_DATE": moment(record_id + 1_440)[:19].replace("T", " "),
        "PERSONAL_GENDER": "",
        "PERSONAL_BIRTHDAY": "",
        "WORK_POSITION": person["POST"],
        "UF_EMPLOYMENT_DATE": "",
        "UF_DEPARTMENT": [record_id % 20 + 1],
        "USER_TYPE": "employee",
    }


def department(record_id: int, seed: int = 0) -> Sample:
    """A department; number 1 is the company itself."""
    return {
        "NAME": f"Department {record_id}",
        "SORT": 500,
        "PARENT": record_id // 2 or None,
        "UF_HEAD": 1,
    }


def telephone_call(record_id: int, seed: int = 0) -> Sample:
    """A telephone call."""
    number = record_id * 7919 + seed
    return {
        "PORTAL_USER_ID": 1,
        "PORTAL_NUMBER": "reg12345",
        "PHONE_NUMBER": phone(number),
        "CALL_ID": f"externalCall.{number:032x}",
        "CALL_CATEGORY": "external",
        "CALL_DURATION": number % 600,
        "CALL_START_DATE": moment(record_id),
        "CALL_TYPE": number % 2 + 1,
        "CALL_FAILED_CODE": "200",
        "COST": "0.0000",
        "COST_CURRENCY": "USD",
        "CRM_ENTITY_TYPE": "CONTACT",
        "CRM_ENTITY_ID": number % LINKED + 1,
        "CRM_ACTIVITY_ID": record_id,
    }


def stage_change(record_id: int, seed: int = 0) -> Sample:
    """A row of the stage history of deals."""
    stage = STAGES[(record_id + seed) % len(STAGES)]
    return {
        "TYPE_ID": 1 if stage == "NEW" else 2,
        "OWNER_ID": record_id // len(STAGES) + 1,
        "CREATED_TIME": moment(record_id),
        "CATEGORY_ID": 0,
        "STAGE_SEMANTIC_ID": _semantic(stage),
        "STAGE_ID": stage,
    }


def status_change(record_id: int, seed: int = 0) -> Sample:
    """A row of the stage history of leads."""
    status = LEAD_STATUSES[(record_id + seed) % len(LEAD_STATUSES)]
    return {
        "TYPE_ID": 1 if status == "NEW" else 2,
        "OWNER_ID": record_id // len(LEAD_STATUSES) + 1,
        "CREATED_TIME": moment(record_id),
        "STATUS_SEMANTIC_ID": _semantic(status),
        "STATUS_ID": status,
    }


def activity(record_id: int, seed: int = 0) -> Sample:
    """An activity of a deal."""
    return {
        "OWNER_ID": record_id,
        "OWNER_TYPE_ID": 2,
        "TYPE_ID": 2,
        "SUBJECT": f"Call {record_id}",
        "CREATED": moment(record_id),
        "LAST_UPDATED": moment(record_id),
        "START_TIME": moment(record_id),
        "END_TIME": moment(record_id + 30),
        "DEADLINE": moment(record_id + 30),
        "COMPLETED": "N" if (record_id + seed) % 3 else "Y",
        "RESPONSIBLE_ID": 1,
        "DIRECTION": 1,
    }


def address(record_id: int, seed: int = 0) -> Sample:
    """The address of a requisite."""
    return {
        "TYPE_ID": 1,
        "ENTITY_TYPE_ID": 8,
        "ENTITY_ID": record_id,
        "ADDRESS_1": f"Harbor Street {record_id}",
        "CITY": CITIES[(record_id * 7 + seed) % len(CITIES)],
        "POSTAL_CODE": f"{10_000 + record_id % 80_000}",
        "COUNTRY": "Norway",
        "ANCHOR_TYPE_ID": 3,
        "ANCHOR_ID": record_id,
    }


def list_element(record_id: int, seed: int = 0) -> Sample:
    """An element of a universal list."""
    number = record_id * 7919 + seed
    return {
        "IBLOCK_ID": 1,
        "NAME": f"Element {record_id}",
        "CREATED_BY": 1,
        "DATE_CREATE": moment(record_id),
        "PROPERTY_1": {str(record_id * 10): str(number % 1000)},
    }


def dialog(record_id: int, seed: int = 0) -> Sample:
    """An entry of the list of recent dialogs."""
    return {
        "CHAT_ID": record_id,
        "TYPE": "chat",
        "TITLE": f"{SUBJECTS[(record_id + seed) % len(SUBJECTS)]} chat {record_id}",
        "DATE_UPDATE": moment(record_id),
        "COUNTER": 0,
        "PINNED": False,
    }


def signed_document(record_id: int, seed: int = 0) -> Sample:
    """A document that was signed."""
    return {
        "TITLE": f"{SUBJECTS[(record_id + seed) % len(SUBJECTS)]}, document {record_id}",
        "SIGNED_DATE": moment(record_id),
    }


def calendar_event(record_id: int, seed: int = 0) -> Sample:
    """An entry of a calendar."""
    return {
        "NAME": f"{SUBJECTS[(record_id + seed) % len(SUBJECTS)]}, event {record_id}",
        "CAL_TYPE": "user",
        "OWNER_ID": 1,
        "DATE_FROM": moment(record_id),
        "DATE_TO": moment(record_id + 30),
    }


def data_source(record_id: int, seed: int = 0) -> Sample:
    """A source of the analytics hub."""
    return {"TITLE": f"Source {record_id + seed}", "ACTIVE": True, "DATE_CREATE": moment(record_id)}
