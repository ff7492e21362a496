"""From a portal's credentials to what signs its requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_b24.rest.auth.application import OAuthAuth, SecretListener
from airflow_provider_b24.rest.auth.tokens import MemoryTokenStore, TokenStore
from airflow_provider_b24.rest.auth.webhook import WebhookAuth
from airflow_provider_b24.rest.clock import Clock, SystemClock
from airflow_provider_b24.rest.config import Webhook

if TYPE_CHECKING:
    from airflow_provider_b24.rest.auth.base import Auth
    from airflow_provider_b24.rest.transport import Transport


def build_auth(
    transport: Transport,
    store: TokenStore | None = None,
    on_new_secret: SecretListener | None = None,
    clock: Clock | None = None,
) -> Auth:
    """
    Return what signs the requests of a transport's portal: a webhook or an application, as configured.

    :param store: where an application's tokens are stored; None means in memory. A webhook needs none.
    :param on_new_secret: called with every token that was not in the configuration, before it is used.
    :param clock: time and waiting.
    """
    credentials = transport.config.credentials
    if isinstance(credentials, Webhook):
        return WebhookAuth(credentials)
    return OAuthAuth(
        credentials,
        transport.post_form,
        store or MemoryTokenStore(),
        on_new_secret=on_new_secret or (lambda secret: None),
        clock=clock or SystemClock(),
    )
