"""Incoming webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_b24.rest.calls import Signed
from airflow_provider_b24.rest.config import Webhook


class WebhookAuth:
    """The code is part of the path; it does not expire by itself."""

    def __init__(self, webhook: Webhook) -> None:
        self._webhook = webhook

    def sign(self, method: str, params: Mapping[str, Any]) -> Signed:
        """Return a request with the webhook's code in its path."""
        path = f"/rest/{self._webhook.user_id}/{self._webhook.code}/{method}"
        return Signed(method, path, params, self._webhook.secrets)

    def renew(self, signed: Signed) -> bool:
        """Return False: a webhook's code cannot be renewed."""
        return False
