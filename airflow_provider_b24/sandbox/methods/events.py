"""event.bind and the offline queue event.offline.*: applications only, no handler is ever called."""

from __future__ import annotations

import secrets
from typing import Any

from airflow_provider_b24.sandbox.methods.listing import PAGE
from airflow_provider_b24.sandbox.methods.method import Method
from airflow_provider_b24.sandbox.model import php
from airflow_provider_b24.sandbox.model.calls import Answer, Call
from airflow_provider_b24.sandbox.model.errors import RestError
from airflow_provider_b24.sandbox.model.offline_queue import OfflineEvent
from airflow_provider_b24.sandbox.model.state import State

EVENTS = {f"ONCRM{kind}{verb}" for kind in ("CONTACT", "COMPANY") for verb in ("ADD", "UPDATE", "DELETE")}


def bind(state: State, call: Call) -> bool:
    """event.bind: remember a handler; nothing is ever delivered to it."""
    name = php.to_text(call.params.get("event") or call.params.get("EVENT")).upper()
    if name not in EVENTS:
        raise RestError(400, "ERROR_EVENT_NOT_FOUND", "Event not found")
    if call.params.get("event_type") == "offline" and not call.caller.user.admin:
        raise RestError(403, "ACCESS_DENIED", "Access denied!")
    state.events.handlers.append({**php.to_json(call.params), "event": name})
    return True


def offline_get(state: State, call: Call) -> dict[str, Any]:
    """event.offline.get: removes what it returns, or with ``clear=0`` reserves it under a process id."""
    limit = php.to_int(call.params.get("limit", PAGE)) or PAGE
    rows = state.events.waiting(php.is_truthy(call.params.get("error", 0)))[:limit]
    if php.is_truthy(call.params.get("clear", 1)):
        state.events.remove(rows)
        return {"process_id": None, "events": [row.row() for row in rows]}
    process_id = secrets.token_hex(16)
    for row in rows:
        row.process_id = process_id
    return {"process_id": process_id, "events": [row.row() for row in rows]}


def offline_list(state: State, call: Call) -> Answer:
    """event.offline.list: looks without taking, 50 a page."""
    rows = state.events.all()
    start = max(0, call.start or 0)
    end = start + PAGE
    page = [row.row() | {"PROCESS_ID": row.process_id, "ERROR": row.error} for row in rows[start:end]]
    return Answer(page, total=len(rows), next=end if end < len(rows) else None)


def offline_clear(state: State, call: Call) -> bool:
    """event.offline.clear: forget reserved events, all of a process or those named."""
    state.events.remove(_reserved(state, call))
    return True


def offline_error(state: State, call: Call) -> bool:
    """event.offline.error: give reserved events back, marked as failed."""
    for row in _reserved(state, call):
        row.process_id, row.error = "", 1
    return True


def _reserved(state: State, call: Call) -> list[OfflineEvent]:
    process_id = php.to_text(call.params.get("process_id"))
    if not process_id:
        text = "Argument 'PROCESS_ID' is null or empty"
        raise RestError(400, "ERROR_ARGUMENT", text, argument="PROCESS_ID")
    rows = [row for row in state.events.all() if row.process_id == process_id]
    ids, messages = call.params.get("id"), call.params.get("message_id")
    if php.is_array(ids):
        wanted = {php.to_int(value) for _, value in php.pairs(ids)}
        rows = [row for row in rows if row.id in wanted]
    if php.is_array(messages):
        named = {value for _, value in php.pairs(messages)}
        rows = [row for row in rows if row.message_id in named]
    return rows


METHODS = {
    "event.bind": Method(bind, scope=None, webhook=False),
    "event.offline.get": Method(offline_get, scope=None, webhook=False),
    "event.offline.list": Method(offline_list, scope=None, webhook=False),
    "event.offline.clear": Method(offline_clear, scope=None, webhook=False),
    "event.offline.error": Method(offline_error, scope=None, webhook=False),
}
