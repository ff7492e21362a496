"""What the portal says about a list before it is read: the time, and the fields of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.times import checked_server_time, iso


class Metadata(NamedTuple):
    """
    What was asked before the export.

    :ivar time: the portal's own time, ISO 8601 with its offset; checked, see ``rest.times``.
    :ivar fields: the fields of the rows as the portal describes them, by name; empty if it does not.
    """

    time: str
    fields: Mapping[str, Mapping[str, Any]]


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

    :raises Bitrix24Error: the portal does not tell the time, or it is no time.
    """
    fields = fields_call(method, params)
    outcomes = client.batch([Call("server.time"), *([fields] if fields else [])])
    for outcome in outcomes:
        if outcome.error is not None and (outcome.call.method == "server.time" or outcome.error.temporary):
            raise outcome.error
    time = iso(checked_server_time(client, outcomes[0].result))
    return Metadata(time, _fields_in(outcomes[1].result) if fields and outcomes[1].ok else {})


def _fields_in(result: Any) -> dict[str, Mapping[str, Any]]:
    fields = result.get("fields", result) if isinstance(result, Mapping) else {}
    if not isinstance(fields, Mapping):
        return {}
    return {name: one for name, one in fields.items() if isinstance(one, Mapping) and "type" in one}
