"""One look at the portal, for sensors and triggers, which repeat it themselves."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_b24.errors import (
    Bitrix24Error,
    Bitrix24NotFoundError,
    Bitrix24UnknownOutcomeError,
)
from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook
from airflow_provider_b24.hooks.client import build_client
from airflow_provider_b24.rest.condition import check_expression, holds

if TYPE_CHECKING:
    from airflow_provider_b24.rest.replies import Reply


def poke(
    conn_id: str, method: str, parameters: Mapping[str, Any] | None, until: Any, log: Any
) -> Reply | None:
    """
    Call a method once; return the reply if the condition holds, else None.

    A record that does not exist, a portal that is down and a limit that passes count as "not yet": whoever
    waits calls again.

    :param until: see ``rest.condition.holds``.
    :param log: a logger, which is told why the answer is "not yet".
    :raises Bitrix24Error: calling again is pointless: bad input, no permission, no such method.
    """
    check_expression(until)  # also where the answer would be an error
    client = build_client(Bitrix24Hook(conn_id).config, conn_id, max_wait=0, retry_timeout=0)
    with contextlib.closing(client):
        try:
            reply = client.call(method, parameters)
        except Bitrix24NotFoundError as error:
            log.info("Not yet: %s", error.description or "not found")
            return None
        except Bitrix24Error as error:
            if not error.temporary and not isinstance(error, Bitrix24UnknownOutcomeError):
                raise
            log.warning("No answer yet: %s", error)
            return None
    if holds(until, reply, method):
        return reply
    log.info("Not yet: %s", until or f"{method} returned nothing")
    return None
