"""Control of a served portal by other processes: ``/_sandbox/...``, for clients on this machine only."""

from __future__ import annotations

import ipaddress
import json
from typing import Any, get_args

from airflow_provider_b24.sandbox.http.exchange import Response, json_response
from airflow_provider_b24.sandbox.http.faults import Fault
from airflow_provider_b24.sandbox.http.portal import Portal
from airflow_provider_b24.sandbox.model import php
from airflow_provider_b24.sandbox.model.limits import Bucket, Operating
from airflow_provider_b24.sandbox.model.state import Rules

PREFIX = "/_sandbox/"
PLAIN_SETTINGS = (
    "latency",
    "command_latency",
    "speed",
    "rules",
    "token_lifetime",
    "rotate_refresh_tokens",
    "renamed_to",
    "refusal",
    "company_read_check",
    "utc_offset",
    "offline_extended",
    "journal_limit",
    "max_body",
    "documented_statuses",
)


def answer(
    portal: Portal, connections: int, http_method: str, target: str, body: bytes, source: str
) -> Response:
    """Answer a control request; ``connections`` is the number accepted so far. Other machines are refused."""
    if not ipaddress.ip_address(source).is_loopback:
        return json_response(403, {"error": "only this machine may control the sandbox"})
    path, _, query = target.removeprefix(PREFIX).partition("?")
    command = f"{http_method} {path.strip('/')}"
    try:
        return json_response(200, _run(portal, connections, command, php.parse_str(query), body))
    except LookupError:
        return json_response(404, {"error": f"unknown control request: {command}"})
    except (TypeError, ValueError) as error:
        return json_response(400, {"error": str(error)})


def _run(portal: Portal, connections: int, command: str, query: dict[php.Key, Any], body: bytes) -> Any:
    match command:
        case "GET health":
            return {"ok": True}
        case "GET journal":
            return [entry.as_dict() for entry in list(portal.journal)]
        case "GET state":
            return _state(portal, php.to_int(query.get("contact")))
        case "GET stats":
            return stats(portal, connections)
        case "POST faults":
            return _set_faults(portal, json.loads(body or b"[]"))
        case "POST settings":
            return _set(portal, json.loads(body or b"{}"))
    raise LookupError(command)


def _state(portal: Portal, contact_id: int) -> dict[str, Any]:
    return {"contact": portal.contact(contact_id), "bindings": portal.bindings(contact_id)}


def stats(portal: Portal, connections: int) -> dict[str, Any]:
    """Counts since the start or the last reset; times are epoch seconds."""
    with portal.state.lock:
        return {
            "requests": portal.requests,
            "refused": portal.refused,
            "writes": portal.writes.total(),
            "contacts_written": len(portal.writes),
            "connections": connections,
            "executed": dict(portal.executed),
            "refreshes": portal.refreshes,
            "refused_refreshes": portal.refused_refreshes,
            "first_request": portal.first_request,
            "last_request": portal.last_request,
        }


def _set_faults(portal: Portal, faults: Any) -> dict[str, int]:
    new = [Fault(**fault) for fault in (faults if isinstance(faults, list) else [faults])]
    with portal.state.lock:
        portal.faults[:] = new
    return {"faults": len(new)}


def _set(portal: Portal, settings: dict[str, Any]) -> dict[str, Any]:
    unknown = settings.keys() - {*PLAIN_SETTINGS, "bucket", "operating", "reset"}
    if unknown:
        raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
    if settings.get("rules", "documented") not in get_args(Rules):
        raise ValueError(f"rules must be {' or '.join(get_args(Rules))}")
    with portal.state.lock:
        for name in settings.keys() & {*PLAIN_SETTINGS}:
            setattr(portal, name, settings[name])
        if "bucket" in settings:
            portal.bucket = None if settings["bucket"] is None else Bucket(**settings["bucket"])
        if "operating" in settings:
            portal.operating = None if settings["operating"] is None else Operating(**settings["operating"])
        if settings.get("reset"):
            portal.reset_counters()
    return settings
