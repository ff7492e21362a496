"""What the portal says about a list before it is read: the time, and the fields of its rows."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from airflow_provider_b24.crm.fields import Description, describe, fields_call
from airflow_provider_b24.errors import Bitrix24Error
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.client import Client

log = logging.getLogger(__name__)


class Metadata(NamedTuple):
    """
    What was asked before the export.

    :ivar time: the portal's own time, ISO 8601 with its offset.
    :ivar description: what is known of the fields of the rows.
    """

    time: str
    description: Description


def read_metadata(client: Client, method: str, params: Mapping[str, Any]) -> Metadata:
    """
    Ask for the time (``server.time``) and the fields, in one request.

    :raises Bitrix24Error: the portal does not tell the time.
    """
    fields = fields_call(method, params)
    outcomes = client.batch([Call("server.time"), *([fields] if fields else [])])
    for outcome in outcomes:
        if outcome.error is not None and (outcome.call.method == "server.time" or outcome.error.temporary):
            raise outcome.error
    time = outcomes[0].result
    if not isinstance(time, str):
        raise Bitrix24Error("the portal's time is not text", method="server.time")
    if fields and not outcomes[1].ok:
        log.info("The fields of %s are not described (%s): unknown ones are text", method, outcomes[1].error)
    return Metadata(time, describe(method, params, outcomes[1].result if fields and outcomes[1].ok else None))
