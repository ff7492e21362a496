"""What signs a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from airflow_provider_b24.rest.calls import Signed


class Auth(Protocol):
    """Signs requests and renews credentials that have expired."""

    def sign(self, method: str, params: Mapping[str, Any]) -> Signed:
        """Return a request with its credentials; called again for every attempt."""

    def renew(self, signed: Signed) -> bool:
        """Get new credentials after the portal called those in ``signed`` expired; False if it cannot."""
