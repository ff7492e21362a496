"""Airflow callbacks that send a message to people in the portal."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.notifier import BaseNotifier
from airflow.providers.common.compat.sdk import AirflowNotFoundException, redact

from airflow_provider_b24 import DEFAULT_CONN_ID
from airflow_provider_b24.crm.messages import check_recipient, message, parse_message_id
from airflow_provider_b24.errors import Bitrix24Error, Bitrix24UnknownOutcomeError
from airflow_provider_b24.notifications.default_text import default_text
from airflow_provider_b24.rest.redaction import redact as redact_addresses

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

# Seconds for repetitions, and for one answer. Airflow stops a task 20 seconds after its end, with whatever
# callbacks are left ([core] task_success_overtime).
RETRY_TIMEOUT = 5.0
REPLY_TIMEOUT = 5.0


class Bitrix24Notifier(BaseNotifier):
    """
    Send a message to a chat, a user or a user's notification bell when something happens in Airflow.

    For ``on_failure_callback``, ``on_success_callback``, ``on_retry_callback`` and the like of a task or DAG,
    for the deadline alerts of Airflow 3.1 and later, and for the notifiers of an approval.

    A message that cannot be sent never changes the state of a task: one line in the log says why, and the
    callbacks after it run. A portal that does not answer is given up after 5 to 10 seconds.

    :param text: the message, BB code allowed (templated). None: what happened, the DAG, task, run and try,
        the first line of the exception and a link to the log. Secrets that Airflow knows are replaced
        by ``***``.
    :param dialog_id: ``chat42``, ``sg7`` (a workgroup's chat) or a user's id: ``im.message.add`` sends the
        message in the name of the connection's user (templated).
    :param user_id: a user's id: ``im.notify.system.add`` rings their notification bell (templated). Exactly
        one of ``dialog_id`` and ``user_id`` is required.
    :param bitrix24_conn_id: id of the connection (templated); it needs the scope ``im``.
    :raises Bitrix24InputError: neither or both of ``dialog_id`` and ``user_id`` are given.
    """

    template_fields: Sequence[str] = ("text", "dialog_id", "user_id", "bitrix24_conn_id")

    def __init__(
        self,
        text: str | None = None,
        *,
        dialog_id: int | str | None = None,
        user_id: int | str | None = None,
        bitrix24_conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        check_recipient(dialog_id, user_id)
        super().__init__(**kwargs)
        self.text = text
        self.dialog_id = dialog_id
        self.user_id = user_id
        self.bitrix24_conn_id = bitrix24_conn_id

    def __call__(self, *args: Any) -> None:
        # Rendering replaces the templates for good, and one notifier may serve several callbacks.
        super(Bitrix24Notifier, copy.copy(self)).__call__(*args)

    def notify(self, context: Context) -> None:
        """Send the message, or log why it cannot be sent."""
        try:
            self._send(self._text(context))
        except Bitrix24UnknownOutcomeError as error:
            self.log.error("The notification may not have been sent: %s", error)
        except (Bitrix24Error, AirflowNotFoundException) as error:
            self.log.error("The notification was not sent: %s", error)

    async def async_notify(self, context: Context) -> None:
        """Send the message from the triggerer; its event loop goes on meanwhile."""
        from airflow_provider_b24.triggers.threads import run_in_thread

        await run_in_thread(lambda: self.notify(context), self.bitrix24_conn_id)

    def _text(self, context: Context) -> str:
        text = default_text(context) if self.text is None else self.text
        return redact_addresses(str(redact(text)))

    def _send(self, text: str) -> None:
        call = message(text, dialog_id=self.dialog_id, user_id=self.user_id)
        # The hook is not needed to parse a DAG.
        from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook
        from airflow_provider_b24.hooks.client import build_client

        config = Bitrix24Hook(self.bitrix24_conn_id).config
        config = dataclasses.replace(
            config,
            connect_timeout=min(config.connect_timeout, REPLY_TIMEOUT),
            read_timeout=min(config.read_timeout, REPLY_TIMEOUT),
        )
        client = build_client(
            config, self.bitrix24_conn_id, max_wait=RETRY_TIMEOUT, retry_timeout=RETRY_TIMEOUT
        )
        with contextlib.closing(client):
            parse_message_id(client.perform(call).result, call.method)
