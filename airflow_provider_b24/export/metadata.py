"""What the portal says about a list before it is read: the time, and the fields of its rows."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from airflow_provider_b24.crm.fields import Description, describe, fields_call
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.times import checked_server_time, iso

log = logging.getLogger(__name__)


class Metadata(NamedTuple):
    """
    What was asked before the export.

    :ivar time: the portal's own time, ISO 8601 with its offset; checked, see ``rest.times``.
    :ivar description: what is known of the fields of the rows.
    """

    time: str
    description: Description


def read_metadata(client: Client, method: str, params: Mapping[str, Any]) -> Metadata:
    """
    Ask for the time (``server.time``) and the fields, in one request.

    :raises Bitrix24Error: the portal does not tell the time, or it is no time.
    """
    fields = fields_call(method, params)
    outcomes = client.batch([Call("server.time"), *([fields] if fields else [])])
    for outcome in outcomes:
        if outcome.error is not None and (outcome.call.method == "server.time" or outcome.error.temporary):
            raise outcome.error
    time = iso(checked_server_time(client, outcomes[0].result))
    if fields and not outcomes[1].ok:
        log.info("The fields of %s are not described (%s): unknown ones are text", method, outcomes[1].error)
    return Metadata(time, describe(method, params, outcomes[1].result if fields and outcomes[1].ok else None))
