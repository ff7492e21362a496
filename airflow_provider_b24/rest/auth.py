"""How a request proves who sends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from airflow_provider_b24.rest.config import Webhook


class Auth(Protocol):
    """Signs requests, and renews what has expired."""

    def sign(self, method: str, params: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """Return path and body of a request; called anew for every attempt."""

    def renew(self, signed: Mapping[str, Any]) -> bool:
        """Get new credentials after the portal called those in ``signed`` expired; False if there are none."""


class WebhookAuth:
    """The code is part of the path; it does not expire by itself."""

    def __init__(self, webhook: Webhook) -> None:
        self._webhook = webhook

    def sign(self, method: str, params: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        return f"/rest/{self._webhook.user_id}/{self._webhook.code}/{method}", params

    def renew(self, signed: Mapping[str, Any]) -> bool:
        return False
