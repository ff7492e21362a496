"""What ``test_connection`` asks and says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from airflow_provider_b24.rest.calls import Call

if TYPE_CHECKING:
    from airflow_provider_b24.rest.client import Client

RETRY_TIMEOUT = 5.0  # seconds of waiting for a busy portal: somebody looks at the form
_METHOD = "crm.contact.company.items.set"


def check_portal(client: Client) -> tuple[bool, str]:
    """Ask for user, scope and method in one batch; return whether all is well, and a sentence about it."""
    profile, scope, method = client.batch(
        [Call("profile"), Call("scope"), Call("method.get", {"name": _METHOD})]
    )
    if not (profile.ok and isinstance(profile.result, Mapping)):
        reason = profile.error or "the portal names no user: is the webhook's owner active?"
        return False, str(reason)
    person = " ".join(str(profile.result.get(key) or "") for key in ("NAME", "LAST_NAME")).strip()
    who = f"{client.transport.host}: connected as {person or 'user'} (id {profile.result.get('ID')}"
    who += ", administrator)" if profile.result.get("ADMIN") is True else ")"
    scopes = scope.result if scope.ok and isinstance(scope.result, list) else []
    if "crm" not in scopes:
        return False, f"{who}, but the scope 'crm' is missing: add it to the webhook or application"
    known = method.result if method.ok and isinstance(method.result, Mapping) else {}
    if known.get("isExisting") is False:
        return False, f"{who}, but the portal does not know {_METHOD}: update a self-hosted portal"
    return True, f"{who}; scope 'crm' is there"
