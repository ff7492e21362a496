"""How a request proves who sends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_b24.rest.calls import Signed
from airflow_provider_b24.rest.config import Webhook

if TYPE_CHECKING:
    from airflow_provider_b24.rest.auth.oauth import SecretListener
    from airflow_provider_b24.rest.auth.tokens import TokenStore
    from airflow_provider_b24.rest.clock import Clock
    from airflow_provider_b24.rest.transport import Transport


class Auth(Protocol):
    """Signs requests, and renews what has expired."""

    def sign(self, method: str, params: Mapping[str, Any]) -> Signed:
        """Return a request with its credentials; called anew for every attempt."""

    def renew(self, signed: Signed) -> bool:
        """Get new credentials after the portal called those in ``signed`` expired; False: there are none."""


class WebhookAuth:
    """The code is part of the path; it does not expire by itself."""

    def __init__(self, webhook: Webhook) -> None:
        self._webhook = webhook

    def sign(self, method: str, params: Mapping[str, Any]) -> Signed:
        return Signed(f"/rest/{self._webhook.user_id}/{self._webhook.code}/{method}", params)

    def renew(self, signed: Signed) -> bool:
        return False


def build_auth(
    transport: Transport,
    store: TokenStore | None = None,
    on_new_secret: SecretListener | None = None,
    clock: Clock | None = None,
) -> Auth:
    """
    Return what signs the requests of a transport's portal: a webhook or an application, as configured.

    :param store: where an application's tokens are kept; None keeps them in memory. A webhook needs none.
    :param on_new_secret: called with every token that was not in the configuration, before it is used.
    :param clock: time and waiting.
    """
    credentials = transport.config.credentials
    if isinstance(credentials, Webhook):
        return WebhookAuth(credentials)
    from airflow_provider_b24.rest.auth.oauth import OAuthAuth
    from airflow_provider_b24.rest.auth.tokens import MemoryTokenStore
    from airflow_provider_b24.rest.clock import SystemClock

    return OAuthAuth(
        credentials,
        transport.post_form,
        store or MemoryTokenStore(),
        on_new_secret=on_new_secret or (lambda secret: None),
        clock=clock or SystemClock(),
    )
