"""event.bind, event.offline.* and the like: for applications only. Handlers' addresses are never called."""

from __future__ import annotations

import secrets
from typing import Any

from airflow_provider_b24.sandbox.methods.listing import parse_group, sort_key, split_key
from airflow_provider_b24.sandbox.methods.method import Method
from airflow_provider_b24.sandbox.model import php
from airflow_provider_b24.sandbox.model.calls import PAGE, Answer, Call
from airflow_provider_b24.sandbox.model.errors import OBJECT_DENIED, RestError
from airflow_provider_b24.sandbox.model.offline_queue import Handler, OfflineEvent
from airflow_provider_b24.sandbox.model.state import State

KINDS = ("CONTACT", "COMPANY", "DEAL", "LEAD", "QUOTE")
FIELDS = ("ID", "TIMESTAMP_X", "EVENT_NAME", "MESSAGE_ID", "PROCESS_ID", "ERROR")
FEATURES = ("rest_offline_extended", "rest_auth_connector")
NOT_LICENSED = "This feature is not enabled for the current license"
EVENTS = {f"ONCRM{kind}{verb}" for kind in KINDS for verb in ("ADD", "UPDATE", "DELETE")}


def bind(state: State, call: Call) -> bool:
    """event.bind: register a handler or, for administrators, the offline queue."""
    handler = _handler(call)
    _check_owner(call, handler, "Offline events binding", "Event binding")
    state.events.handlers.append(handler)
    return True


def unbind(state: State, call: Call) -> dict[str, int]:
    """event.unbind: the number of handlers that were removed.

    Without ``handler`` or ``auth_type`` the handlers of every address or user are removed.
    """
    wanted = _handler(call)
    _check_owner(call, wanted, "Offline events unbinding", "Event unbinding")
    any_url = not wanted.url
    any_user = call.any_case("AUTH_TYPE") is None
    kept = [
        one
        for one in state.events.handlers
        if (one.event, one.offline) != (wanted.event, wanted.offline)
        or not (any_url or one.url == wanted.url)
        or not (any_user or one.user_id == wanted.user_id)
    ]
    count = len(state.events.handlers) - len(kept)
    state.events.handlers[:] = kept
    return {"count": count}


def get(state: State, call: Call) -> list[dict[str, Any]]:
    """event.get: the registered handlers."""
    return [
        {"event": one.event, "handler": one.url, "auth_type": str(one.user_id), "offline": int(one.offline)}
        for one in state.events.handlers
    ]


def _handler(call: Call) -> Handler:
    name = php.to_text(call.any_case("EVENT")).upper()
    if name not in EVENTS:
        raise RestError(400, "ERROR_EVENT_NOT_FOUND", "Event not found")
    offline = call.any_case("EVENT_TYPE") == "offline"
    url = "" if offline else php.to_text(call.any_case("HANDLER"))
    return Handler(name, url, offline, php.to_int(call.any_case("AUTH_TYPE")))


def _check_owner(call: Call, handler: Handler, offline: str, for_user: str) -> None:
    user = call.caller.user
    if user.admin:
        return
    denied = "requires administrator access rights"
    if handler.offline:
        raise RestError(403, "ACCESS_DENIED", f"Access denied! {offline} {denied}")
    if handler.user_id not in {0, user.id}:
        raise RestError(403, "ACCESS_DENIED", f"Access denied! {for_user} with AUTH_TYPE {denied}")


def offline_get(state: State, call: Call) -> dict[str, Any]:
    """event.offline.get: removes what it returns, or with ``clear=0`` reserves it under a process id.

    With ``process_id`` it returns what is already reserved under that id.
    """
    _check_administrator(call)
    limit = php.to_int(call.params.get("limit", PAGE))
    if limit < 1:
        raise _bad_argument("Value must be positive integer")
    clear = php.is_truthy(call.params.get("clear", 1))
    if not clear and not state.behavior.offline_extended:
        raise RestError(403, "WRONG_LICENSE", f"{NOT_LICENSED}: extended offline events handling")
    failed = php.is_truthy(call.params.get("error", 0))
    process_id = php.to_text(call.any_case("PROCESS_ID"))
    found = _chosen(state, call, state.events.reserved(process_id, failed), ("PROCESS_ID", "ERROR"))
    rows = found[:limit]
    if clear:  # with a process id all that it has reserved, also beyond the limit
        state.events.remove(found if process_id else rows)
        return {"process_id": process_id or None, "events": [row.row() for row in rows]}
    process_id = process_id or secrets.token_hex(16)
    state.events.reserve(rows, process_id)
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
    state.events.fail(_named(state, call))
    return True


def _check_administrator(call: Call) -> None:
    if not call.caller.user.admin:
        raise RestError(*OBJECT_DENIED)


def _listed(row: OfflineEvent) -> dict[str, Any]:
    return row.row() | {"PROCESS_ID": row.process_id, "ERROR": row.error}


def feature_get(state: State, call: Call) -> dict[str, str]:
    """feature.get: whether the plan has a feature, ``{"value": "Y"}`` or ``{"value": "N"}``."""
    has = php.to_text(call.any_case("CODE")) in FEATURES and state.behavior.offline_extended
    return {"value": "Y" if has else "N"}


def _bad_argument(text: str) -> RestError:
    return RestError(400, "ERROR_ARGUMENT", text)


def _chosen(
    state: State, call: Call, rows: list[OfflineEvent], hidden: tuple[str, ...] = ()
) -> list[OfflineEvent]:
    """The rows that the filter names, in the order asked for; the documentation of event.offline.get."""
    for name in ("filter", "order"):
        if name in call.params and not php.is_array(call.params[name]):
            raise _bad_argument(f"The {name} is not an array.")
    known = set(FIELDS).difference(hidden)
    given = call.array("filter") or {}
    for key, value in php.pairs(given):
        operator, name = split_key(key)
        if name not in known:
            raise _bad_argument(f"Filter field not allowed: {name}")
        if operator not in ("", "=", ">", "<", ">=", "<="):
            raise _bad_argument(f"Filter operation not allowed: {operator}")
        if php.is_array(value):
            raise _bad_argument(f"The value of an argument '{key}' has an invalid type")
    group = parse_group(given, known, state.behavior.utc_offset)
    for field, way in php.pairs(call.array("order") or {}):
        if field not in known:
            raise _bad_argument(f"Order field not allowed: {field}")
        if php.to_text(way).upper() not in ("ASC", "DESC"):
            raise _bad_argument("Order direction should be one of {ASC|DESC}")
    found = [(row, _sortable(row)) for row in rows]
    found = [(row, record) for row, record in found if group.holds(record)]
    for field, way in reversed(php.pairs(call.array("order") or {})):
        descending = php.to_text(way).upper() == "DESC"
        found.sort(key=lambda pair: sort_key(pair[1].get(field)), reverse=descending)
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
    "feature.get": Method(feature_get, scope=None),
    "event.offline.error": Method(offline_error, scope=None, webhook=False),
}
