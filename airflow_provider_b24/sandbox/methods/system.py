"""Methods about the portal itself: profile, scope, method.get, server.time, app.info and the like."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow_provider_b24.sandbox.methods.method import Method
from airflow_provider_b24.sandbox.model import php
from airflow_provider_b24.sandbox.model.calls import Call, User
from airflow_provider_b24.sandbox.model.errors import RestError
from airflow_provider_b24.sandbox.model.state import State

LICENSE = "de_pro100"


def profile(state: State, call: Call) -> dict[str, Any]:
    """profile: the caller's user; needs no scope."""
    user = call.caller.user
    return {
        "ID": str(user.id),
        "ADMIN": user.admin,
        "NAME": user.name,
        "LAST_NAME": user.last_name,
        "PERSONAL_GENDER": "",
        "TIME_ZONE": "",
    }


def scope(state: State, call: Call) -> list[str]:
    """scope: the scopes of the token in use."""
    return sorted(call.caller.scope)


def server_time(state: State, call: Call) -> str:
    """server.time: ISO 8601 with offset."""
    return datetime.fromtimestamp(state.clock(), UTC).isoformat(timespec="seconds")


def app_info(state: State, call: Call) -> dict[str, Any]:
    """app.info: short by webhook, the application's card by token."""
    scopes = sorted(call.caller.scope)
    if call.caller.client_id is None:
        return {"SCOPE": scopes, "LICENSE": LICENSE}
    return {
        "ID": 1,
        "CODE": call.caller.client_id,
        "VERSION": 1,
        "STATUS": "L",
        "INSTALLED": True,
        "PAYMENT_EXPIRED": "N",
        "DAYS": None,
        "LANGUAGE_ID": "en",
        "LICENSE": LICENSE,
        "SCOPE": scopes,
    }


def user_current(state: State, call: Call) -> dict[str, Any]:
    """user.current: needs the scope user."""
    return _card(call.caller.user)


def _card(user: User) -> dict[str, Any]:
    return {
        "ID": str(user.id),
        "ACTIVE": user.active,
        "NAME": user.name,
        "LAST_NAME": user.last_name,
        "EMAIL": f"{user.name}.{user.last_name}@example.com".lower(),
        "TIME_ZONE": "",
    }


def method_get(known: dict[str, Method]) -> Method:
    """method.get: whether a method exists and the scope allows it (rights in the CRM do not count)."""

    def run(state: State, call: Call) -> dict[str, bool]:
        name = php.to_text(call.params.get("name"))
        if not name:
            raise RestError(400, "ERROR_ARGUMENT", "Argument 'name' is null or empty", argument="name")
        method = known.get(name)
        return {"isExisting": method is not None, "isAvailable": method is not None and _within(method, call)}

    return Method(run, scope=None)


def methods(known: dict[str, Method]) -> Method:
    """methods (deprecated): names of the methods the token may call."""

    def run(state: State, call: Call) -> list[str]:
        return sorted(name for name, one in known.items() if _within(one, call))

    return Method(run, scope=None)


def _within(method: Method, call: Call) -> bool:
    return method.scope is None or method.scope in call.caller.scope


METHODS = {
    "profile": Method(profile, scope=None),
    "scope": Method(scope, scope=None),
    "server.time": Method(server_time, scope=None),
    "app.info": Method(app_info, scope=None),
    "user.current": Method(user_current, scope="user"),
}
