"""The questions that ``test_connection`` asks the portal, and the sentence it returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from airflow_provider_b24.rest.calls import Call

if TYPE_CHECKING:
    from airflow_provider_b24.rest.client import Client

RETRY_TIMEOUT = 5.0  # seconds to retry a busy portal: someone is waiting in front of the form
_METHOD = "crm.contact.company.items.set"


def check_portal(client: Client) -> tuple[bool, str]:
    """Ask for user, scope and method in one batch; return whether the connection works, and a sentence."""
    profile, scope, method = client.batch(
        [Call("profile"), Call("scope"), Call("method.get", {"name": _METHOD})]
    )
    if not (profile.ok and isinstance(profile.result, Mapping)):
        if profile.error is None:
            return False, "the portal returned no user; check that the webhook's owner is active"
        return False, str(profile.error).removeprefix("batch: ")  # the batch is an implementation detail
    person = " ".join(str(profile.result.get(key) or "") for key in ("NAME", "LAST_NAME")).strip()
    who = f"{client.transport.host}: connected as {person or 'user'} (id {profile.result.get('ID')}"
    who += ", administrator)" if profile.result.get("ADMIN") is True else ")"
    scopes = scope.result if scope.ok and isinstance(scope.result, list) else []
    if "crm" not in scopes:
        return False, f"{who}, but the scope 'crm' is missing; add it to the webhook or application"
    known = method.result if method.ok and isinstance(method.result, Mapping) else {}
    if known.get("isExisting") is False:
        return False, f"{who}, but the portal does not have {_METHOD}; update the self-hosted portal"
    return True, f"{who}; it has the scope 'crm'"
