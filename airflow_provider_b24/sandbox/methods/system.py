"""Methods about the portal itself: profile, scope, method.get, server.time, app.info and the like."""

from __future__ import annotations

from typing import Any

from airflow_provider_b24.sandbox.methods.method import Method
from airflow_provider_b24.sandbox.methods.records import as_text
from airflow_provider_b24.sandbox.model import php
from airflow_provider_b24.sandbox.model.calls import Call
from airflow_provider_b24.sandbox.model.errors import RestError
from airflow_provider_b24.sandbox.model.state import State

SCOPES = """
ai_admin biconnector bizproc booking calendar call cashbox catalog contact_center crm delivery department
disk documentgenerator entity humanresources humanresources.hcmlink im imbot imconnector imopenlines intranet
landing lists log mailservice main messageservice mobile pay_system placement pull rpa sale salescenter
sign.b2e sonet_group task telephony timeman user user.userfield user_basic user_brief userconsent
userfieldconfig vote
"""
"""What api-reference/scopes/permissions.md of the documentation lists."""
LICENSE = {"LICENSE": "de_pro100", "LICENSE_TYPE": "pro100", "LICENSE_FAMILY": "pro"}


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
    """scope: the scopes of the webhook or token; with ``full`` all that the portal has."""
    if php.is_truthy(call.params.get("full")):
        return sorted({*SCOPES.split(), *call.caller.scope})
    return sorted(call.caller.scope)


def server_time(state: State, call: Call) -> str:
    """server.time: ISO 8601 with offset."""
    return state.now


def app_info(state: State, call: Call) -> dict[str, Any]:
    """app.info: scope and license by webhook, the application's data by token."""
    scopes = sorted(call.caller.scope)
    if call.caller.client_id is None:
        return {"SCOPE": scopes, **LICENSE}
    return {
        "ID": 1,
        "CODE": call.caller.client_id,
        "VERSION": 1,
        "STATUS": "L",
        "INSTALLED": True,
        "PAYMENT_EXPIRED": "N",
        "DAYS": None,
        "LANGUAGE_ID": "en",
        **LICENSE,
        "SCOPE": scopes,
    }


def user_current(state: State, call: Call) -> dict[str, Any]:
    """user.current: needs the scope user."""
    record = state.table("user").get(call.caller.user.id) or {}
    return {name: as_text(value) for name, value in record.items()}


def method_get(known: dict[str, Method]) -> Method:
    """method.get: whether a method exists and the scope allows it; CRM permissions do not count."""

    def run(state: State, call: Call) -> dict[str, bool]:
        name = php.to_text(call.params.get("name"))
        if not name:
            raise RestError(400, "ERROR_ARGUMENT", "Argument 'name' is null or empty", argument="name")
        method = known.get(name)
        return {
            "isExisting": method is not None,
            "isAvailable": method is not None and _is_in_scope(method, call),
        }

    return Method(run, scope=None)


def methods(known: dict[str, Method]) -> Method:
    """methods (deprecated): names of the methods that the scope allows."""

    def run(state: State, call: Call) -> list[str]:
        return sorted(name for name, one in known.items() if _is_in_scope(one, call))

    return Method(run, scope=None)


def _is_in_scope(method: Method, call: Call) -> bool:
    return method.scope is None or method.scope in call.caller.scope


METHODS = {
    "profile": Method(profile, scope=None),
    "scope": Method(scope, scope=None),
    "server.time": Method(server_time, scope=None),
    "app.info": Method(app_info, scope=None),
    "user.current": Method(user_current, scope="user"),
}
