"""Messages to people in the portal; each function returns the call or reads its result."""

from __future__ import annotations

import re
from typing import Any

from airflow_provider_b24.crm.values import parse_id
from airflow_provider_b24.errors import Bitrix24InputError, Bitrix24UnknownOutcomeError
from airflow_provider_b24.rest.calls import Call

_DIALOG = re.compile(r"(chat|sg)?[1-9][0-9]*")


def message(text: str, *, dialog_id: int | str | None = None, user_id: int | str | None = None) -> Call:
    """
    A message into a dialog (``im.message.add``) or to a user's notification bell (``im.notify.system.add``).

    https://apidocs.bitrix24.com/api-reference/chats/messages/im-message-add.html

    :param text: the message; BB code is allowed.
    :param dialog_id: ``chat42``, ``sg7`` (a workgroup's chat) or a user's id.
    :param user_id: the user whose notification bell rings. Exactly one of the two is required.
    :raises Bitrix24InputError: neither or both are given, one of them is not an id, or the text is empty.
    """
    check_recipient(dialog_id, user_id)
    if not isinstance(text, str) or not text.strip():
        raise Bitrix24InputError("the text of a message must not be empty")
    if user_id is not None:
        return Call("im.notify.system.add", {"USER_ID": parse_id(user_id, "user_id"), "MESSAGE": text})
    dialog = str(dialog_id).strip()
    if not _DIALOG.fullmatch(dialog):
        raise Bitrix24InputError(f"dialog_id must look like 'chat42', 'sg7' or '5', got {dialog_id!r:.80}")
    return Call("im.message.add", {"DIALOG_ID": dialog, "MESSAGE": text})


def check_recipient(dialog_id: Any, user_id: Any) -> None:
    """
    Check that exactly one recipient is given.

    :raises Bitrix24InputError: neither or both are.
    """
    if (dialog_id is None) == (user_id is None):
        raise Bitrix24InputError("exactly one of dialog_id and user_id is required")


def parse_message_id(result: Any, method: str) -> int:
    """
    Return the id of the message that was sent.

    :raises Bitrix24UnknownOutcomeError: the result is no id, so the portal did not confirm the message.
    """
    if isinstance(result, bool) or not isinstance(result, int) or result < 1:
        raise Bitrix24UnknownOutcomeError(
            f"expected the id of the message, got {result!r:.40}",
            method=method,
            advice="The portal did not confirm the message.",
        )
    return result
