"""What the portal says about a list before it is read: the time, and the fields of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from airflow_provider_b24.errors import Bitrix24Error
from airflow_provider_b24.export.columns import Column, parse_fields
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.client import Client


class Metadata(NamedTuple):
    """
    What was asked before the export.

    :ivar time: the portal's own time, ISO 8601 with its offset.
    :ivar columns: the columns that the portal describes, by name; empty if it does not.
    """

    time: str
    columns: Mapping[str, Column]


def fields_call(method: str, params: Mapping[str, Any]) -> Call | None:
    """Return the call that describes the fields of a list method's rows; None if there is none."""
    name = method.lower()
    if name == "crm.item.list":
        return Call("crm.item.fields", {"entityTypeId": params.get("entityTypeId")})
    if name.startswith("crm.") and name.endswith(".list"):
        return Call(name.removesuffix("list") + "fields")
    return None


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
    known = parse_fields(outcomes[1].result) if fields and outcomes[1].ok else {}
    return Metadata(time, known)
