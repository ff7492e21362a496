"""Puts a client together from a portal's configuration and Airflow's."""

from __future__ import annotations

import math

from airflow.providers.common.compat.sdk import mask_secret

from airflow_provider_b24.hooks.settings import read_settings
from airflow_provider_b24.hooks.token_store import open_token_store
from airflow_provider_b24.rest.auth.build import build_auth
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.clock import SystemClock
from airflow_provider_b24.rest.config import OAuthApp, PortalConfig
from airflow_provider_b24.rest.limits.bucket import PLANS, Bucket
from airflow_provider_b24.rest.limits.stores import open_store
from airflow_provider_b24.rest.redaction import secret_forms
from airflow_provider_b24.rest.transport import Transport


def build_client(
    config: PortalConfig,
    conn_id: str,
    max_wait: float | None = None,
    retry_timeout: float = math.inf,
) -> Client:
    """
    Return a client whose request bucket is shared by all processes of the machine.

    :param retry_timeout: the most seconds without progress, where Airflow's configuration grants more.
    """
    settings = read_settings()
    clock = SystemClock()
    bucket = None
    if config.plan in PLANS:
        store = open_store(
            config.url,
            folder=settings.pacing_dir,
            redis_url=settings.pacing_redis_url,
        )
        bucket = Bucket(PLANS[config.plan], store, clock)
    transport = Transport(config)
    app = config.credentials if isinstance(config.credentials, OAuthApp) else None
    tokens = open_token_store(app, conn_id) if app else None
    auth = build_auth(transport, store=tokens, on_new_secret=_mask, clock=clock)
    retry_timeout = min(retry_timeout, settings.retry_timeout)
    return Client(transport, auth, bucket=bucket, clock=clock, retry_timeout=retry_timeout, max_wait=max_wait)


def _mask(secret: str) -> None:
    for form in secret_forms(secret):
        mask_secret(form)
