"""im.notify.* and im.message.add: sent messages are kept in ``Portal.messages``."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_b24.sandbox.methods.method import Method
from airflow_provider_b24.sandbox.model import php, php_json
from airflow_provider_b24.sandbox.model.calls import Call
from airflow_provider_b24.sandbox.model.errors import RestError
from airflow_provider_b24.sandbox.model.state import State

ATTACH_LIMIT = 60_000


def notify(state: State, call: Call) -> int:
    """im.notify.system.add, im.notify.personal.add: a notification; the same TAG replaces the earlier one.

    TAGs belong to the webhook or application that sent them.
    """
    if php.to_int(call.any_case("USER_ID")) <= 0:
        raise RestError(400, "USER_ID_EMPTY", "User ID can't be empty")
    _check_text(call)
    tag = call.any_case("TAG")
    if tag:
        state.messages[:] = [
            sent
            for sent in state.messages
            if (sent["params"].get("TAG"), sent["sender"]) != (tag, _sender(call))
        ]
    return _keep(state, call)


def message(state: State, call: Call) -> int:
    """im.message.add: a message to a dialog, sent by the webhook's user."""
    dialog = php.to_text(call.any_case("DIALOG_ID"))
    if not dialog:
        raise RestError(400, "PARAMS_ERROR", "Incorrect params")
    if dialog.startswith("chat"):
        if php.to_int(dialog.removeprefix("chat")) <= 0:
            raise RestError(400, "CHAT_ID", "Chat ID can't be empty")
    elif not dialog.startswith("sg") and php.to_int(dialog) not in state.table("user"):
        raise RestError(400, "USER_NOT_FOUND", "User not found")
    if not call.any_case("ATTACH"):
        _check_text(call)
    _check_attach(call)
    return _keep(state, call)


def _check_text(call: Call) -> None:
    if not php.to_text(call.any_case("MESSAGE")).strip():
        raise RestError(400, "MESSAGE_EMPTY", "Message can't be empty")
    _check_attach(call)


def _check_attach(call: Call) -> None:
    attach = call.any_case("ATTACH")
    if attach is None:
        return
    if not php.is_array(attach) and not _is_json(php.to_text(attach)):
        raise RestError(400, "ATTACH_ERROR", "Incorrect attach params")
    if len(json.dumps(php.to_json(attach))) > ATTACH_LIMIT:
        raise RestError(400, "ATTACH_OVERSIZE", "You have exceeded the maximum allowable size of attach")


def _is_json(text: str) -> bool:
    try:
        php_json.decode(text.encode())
    except ValueError:
        return False
    return True


def _sender(call: Call) -> str:
    """What tells senders apart without revealing a webhook's code."""
    return call.caller.client_id or f"webhook of user {call.caller.user.id}"


def _keep(state: State, call: Call) -> int:
    number = max((sent["id"] for sent in state.messages), default=0) + 1
    params: dict[Any, Any] = {str(name).upper(): php.to_json(value) for name, value in call.params.items()}
    state.messages.append(
        {
            "id": number,
            "method": call.method,
            "from_user": call.caller.user.id,
            "sender": _sender(call),
            "params": params,
        }
    )
    return number


METHODS = {
    "im.notify.system.add": Method(notify, scope="im"),
    "im.notify.personal.add": Method(notify, scope="im"),
    "im.message.add": Method(message, scope="im"),
}
