"""im.notify.* and im.message.add: what was sent is kept in ``Portal.messages``."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_b24.sandbox.methods.method import Method
from airflow_provider_b24.sandbox.model import php
from airflow_provider_b24.sandbox.model.calls import Call
from airflow_provider_b24.sandbox.model.errors import RestError
from airflow_provider_b24.sandbox.model.state import State

ATTACH_LIMIT = 60_000


def notify(state: State, call: Call) -> int:
    """im.notify.system.add, im.notify.personal.add: a notification; the same TAG replaces the earlier one."""
    if php.to_int(call.params.get("USER_ID")) <= 0:
        raise RestError(400, "USER_ID_EMPTY", "User ID can't be empty")
    _check_text(call)
    if call.caller.client_id is None and _tags(call) and not call.params.get("CLIENT_ID"):
        raise RestError(403, "ACCESS_DENIED", "Access denied! Client ID not specified")
    tag = call.params.get("TAG")
    if tag:
        state.messages[:] = [sent for sent in state.messages if sent["params"].get("TAG") != tag]
    return _keep(state, call)


def message(state: State, call: Call) -> int:
    """im.message.add: a message into a dialog, in the name of the webhook's owner."""
    dialog = php.to_text(call.params.get("DIALOG_ID"))
    if not dialog:
        raise RestError(400, "USER_ID_EMPTY", "User ID can't be empty")
    if dialog.startswith("chat") and php.to_int(dialog.removeprefix("chat")) <= 0:
        raise RestError(400, "CHAT_ID", "Chat ID can't be empty")
    if not call.params.get("ATTACH"):
        _check_text(call)
    _check_attach(call)
    return _keep(state, call)


def _check_text(call: Call) -> None:
    if not php.to_text(call.params.get("MESSAGE")).strip():
        raise RestError(400, "MESSAGE_EMPTY", "Message can't be empty")
    _check_attach(call)


def _check_attach(call: Call) -> None:
    attach = call.params.get("ATTACH")
    if attach is None:
        return
    if not php.is_array(attach) and not _is_json(php.to_text(attach)):
        raise RestError(400, "ATTACH_ERROR", "Incorrect attach params")
    if len(json.dumps(php.to_json(attach))) > ATTACH_LIMIT:
        raise RestError(400, "ATTACH_OVERSIZE", "You have exceeded the maximum allowable size of attach")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _tags(call: Call) -> bool:
    return bool(call.params.get("TAG") or call.params.get("SUB_TAG"))


def _keep(state: State, call: Call) -> int:
    number = max((sent["id"] for sent in state.messages), default=0) + 1
    params: dict[Any, Any] = php.to_json(call.params)
    state.messages.append(
        {"id": number, "method": call.method, "from_user": call.caller.user.id, "params": params}
    )
    return number


METHODS = {
    "im.notify.system.add": Method(notify, scope="im"),
    "im.notify.personal.add": Method(notify, scope="im"),
    "im.message.add": Method(message, scope="im"),
}
