"""event.bind, event.offline.* and the like: for applications only. Handlers' addresses are never called."""

from __future__ import annotations

import secrets
from typing import Any

from airflow_provider_b24.sandbox.methods.listing import parse_group, sort_key
from airflow_provider_b24.sandbox.methods.method import Method
from airflow_provider_b24.sandbox.model import php
from airflow_provider_b24.sandbox.model.calls import PAGE, Answer, Call
from airflow_provider_b24.sandbox.model.errors import OBJECT_DENIED, RestError
from airflow_provider_b24.sandbox.model.offline_queue import Handler, OfflineEvent
from airflow_provider_b24.sandbox.model.state import State

KINDS = ("CONTACT", "COMPANY", "DEAL", "LEAD", "QUOTE")
EVENTS = {f"ONCRM{kind}{verb}" for kind in KINDS for verb in ("ADD", "UPDATE", "DELETE")}


def bind(state: State, call: Call) -> bool:
    """event.bind: register a handler or, for administrators, the offline queue."""
    state.events.handlers.append(_handler(call))
    return True


def unbind(state: State, call: Call) -> dict[str, int]:
    """event.unbind: the number of handlers that were removed."""
    handler = _handler(call)
    count = state.events.handlers.count(handler)
    state.events.handlers[:] = [one for one in state.events.handlers if one != handler]
    return {"count": count}


def get(state: State, call: Call) -> list[dict[str, Any]]:
    """event.get: the registered handlers."""
    return [
        {"event": one.event, "handler": one.url, "auth_type": "0", "offline": int(one.offline)}
        for one in state.events.handlers
    ]


def _handler(call: Call) -> Handler:
    name = php.to_text(call.any_case("EVENT")).upper()
    if name not in EVENTS:
        raise RestError(400, "ERROR_EVENT_NOT_FOUND", "Event not found")
    offline = call.any_case("EVENT_TYPE") == "offline"
    if offline:
        _check_administrator(call)
    return Handler(name, "" if offline else php.to_text(call.any_case("HANDLER")), offline)


def offline_get(state: State, call: Call) -> dict[str, Any]:
    """event.offline.get: removes what it returns, or with ``clear=0`` reserves it under a process id.

    With ``process_id`` it returns what is already reserved under that id.
    """
    _check_administrator(call)
    failed = php.is_truthy(call.params.get("error", 0))
    process_id = php.to_text(call.any_case("PROCESS_ID"))
    if process_id:
        rows = state.events.reserved(process_id, failed)
    else:
        limit = php.to_int(call.params.get("limit", PAGE))
        rows = _chosen(state, call, state.events.reserved(failed=failed))[: limit if limit > 0 else PAGE]
    if php.is_truthy(call.params.get("clear", 1)):
        state.events.remove(rows)
        return {"process_id": None, "events": [row.row() for row in rows]}
    process_id = process_id or secrets.token_hex(16)
    for row in rows:
        row.process_id = process_id
    return {"process_id": process_id, "events": [row.row() for row in rows]}


def offline_list(state: State, call: Call) -> Answer:
    """event.offline.list: events without reserving them, 50 a page."""
    _check_administrator(call)
    rows = _chosen(state, call, state.events.all())
    return Answer.page([_listed(row) for row in rows], call.start)


def offline_clear(state: State, call: Call) -> bool:
    """event.offline.clear: remove reserved events, all of a process or those named."""
    _check_administrator(call)
    state.events.remove(_named(state, call))
    return True


def offline_error(state: State, call: Call) -> bool:
    """event.offline.error: return reserved events to the queue, marked as failed."""
    _check_administrator(call)
    for row in _named(state, call):
        row.process_id, row.error = "", 1
    return True


def _check_administrator(call: Call) -> None:
    if not call.caller.user.admin:
        raise RestError(*OBJECT_DENIED)


def _listed(row: OfflineEvent) -> dict[str, Any]:
    return row.row() | {"PROCESS_ID": row.process_id, "ERROR": row.error}


def _chosen(state: State, call: Call, rows: list[OfflineEvent]) -> list[OfflineEvent]:
    found = [(row, _sortable(row)) for row in rows]
    known = found[0][1] if found else {}
    group = parse_group(call.array("filter") or {}, known, state.behavior.utc_offset)
    found = [(row, record) for row, record in found if group.holds(record)]
    for name, way in reversed(php.pairs(call.array("order") or {})):
        descending = php.to_text(way).upper() == "DESC"
        found.sort(key=lambda pair: sort_key(pair[1].get(str(name).upper())), reverse=descending)
    return [row for row, _ in found]


def _sortable(row: OfflineEvent) -> dict[str, Any]:
    return _listed(row) | {"ID": row.id}


def _named(state: State, call: Call) -> list[OfflineEvent]:
    process_id = php.to_text(call.any_case("PROCESS_ID"))
    if not process_id:
        text = "Argument 'PROCESS_ID' is null or empty"
        raise RestError(400, "ERROR_ARGUMENT", text, argument="PROCESS_ID")
    rows = [row for row in state.events.all() if row.process_id == process_id]
    ids, messages = call.params.get("id"), call.params.get("message_id")
    if php.is_array(ids):
        wanted = {php.to_int(value) for value in php.values(ids)}
        rows = [row for row in rows if row.id in wanted]
    if php.is_array(messages):
        # The server uses only texts of 32 characters.
        named = {php.to_text(value) for value in php.values(messages) if len(php.to_text(value)) == 32}
        rows = [row for row in rows if row.message_id in named]
    return rows


METHODS = {
    "event.bind": Method(bind, scope=None, webhook=False),
    "event.unbind": Method(unbind, scope=None, webhook=False),
    "event.get": Method(get, scope=None, webhook=False),
    "event.offline.get": Method(offline_get, scope=None, webhook=False),
    "event.offline.list": Method(offline_list, scope=None, webhook=False),
    "event.offline.clear": Method(offline_clear, scope=None, webhook=False),
    "event.offline.error": Method(offline_error, scope=None, webhook=False),
}
