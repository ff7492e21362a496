"""im.notify.* and im.message.add: sent messages are kept in ``Portal.messages``."""

from __future__ import annotations

import json
import re
from typing import Any

from airflow_provider_b24.sandbox.methods.method import Method
from airflow_provider_b24.sandbox.model import php, php_json
from airflow_provider_b24.sandbox.model.calls import Call
from airflow_provider_b24.sandbox.model.errors import RestError
from airflow_provider_b24.sandbox.model.state import State

ATTACH_LIMIT = 60_000
CHAT = re.compile(r"(?:chat|sg|crm)([0-9]+)", re.IGNORECASE)


def notify(state: State, call: Call) -> int:
    """im.notify.system.add, im.notify.personal.add: a notification; the same TAG replaces the earlier one.

    TAGs belong to an application, or to the CLIENT_ID that a webhook gives; without one, they do nothing.
    """
    if php.to_int(call.any_case("USER_ID")) <= 0:
        raise RestError(400, "USER_ID_EMPTY", "User ID can't be empty")
    if not php.to_text(call.any_case("MESSAGE")).strip():
        raise RestError(400, "MESSAGE_EMPTY", "Message can't be empty")
    _check_attach(call)
    tag, owner = call.any_case("TAG"), _tag_owner(call)
    if tag and owner:
        state.messages[:] = [
            sent for sent in state.messages if (sent["params"].get("TAG"), sent["tag_owner"]) != (tag, owner)
        ]
    return _keep(state, call)


def message(state: State, call: Call) -> int:
    """im.message.add: a message to a dialog, sent by the webhook's user. Every chat exists."""
    text = call.any_case("MESSAGE")
    if text is not None and not isinstance(text, str):
        raise RestError(400, "MESSAGE_EMPTY", "Wrong message type")
    if not (text or "").strip() and not call.any_case("ATTACH"):
        raise RestError(400, "MESSAGE_EMPTY", "Message can't be empty")
    dialog = call.any_case("DIALOG_ID")
    if dialog is None:
        raise RestError(400, "PARAMS_ERROR", "Incorrect params")
    chat = CHAT.fullmatch(php.to_text(dialog))
    if chat and php.to_int(chat[1]) <= 0:
        raise RestError(400, "CHAT_ID_EMPTY", "Chat ID can't be empty")
    if not chat:
        _check_user(state, php.to_int(dialog))
    _check_attach(call)
    return _keep(state, call)


def _check_user(state: State, user_id: int) -> None:
    if user_id <= 0:
        raise RestError(400, "USER_ID_EMPTY", "User ID can't be empty")
    if user_id not in state.table("user"):
        raise RestError(400, "USER_NOT_FOUND", "User not found")


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


def _tag_owner(call: Call) -> str:
    return call.caller.client_id or php.to_text(call.any_case("CLIENT_ID"))


def _keep(state: State, call: Call) -> int:
    number = max((sent["id"] for sent in state.messages), default=0) + 1
    params: dict[Any, Any] = {str(name).upper(): php.to_json(value) for name, value in call.params.items()}
    state.messages.append(
        {
            "id": number,
            "method": call.method,
            "from_user": call.caller.user.id,
            "tag_owner": _tag_owner(call),
            "params": params,
        }
    )
    return number


METHODS = {
    "im.notify.system.add": Method(notify, scope="im"),
    "im.notify.personal.add": Method(notify, scope="im"),
    "im.message.add": Method(message, scope="im"),
}
