"""Puts a client together from a portal's configuration and Airflow's."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import conf

from airflow_provider_b24.rest.auth import WebhookAuth
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.config import OAuthApp, PortalConfig
from airflow_provider_b24.rest.pacing import PLANS, Bucket, SystemClock
from airflow_provider_b24.rest.stores import open_store
from airflow_provider_b24.rest.transport import Transport


def build_client(config: PortalConfig, conn_id: str, max_wait: float | None = None) -> Client:
    """Return a client whose request bucket is shared by all processes of the machine."""
    assert not isinstance(config.credentials, OAuthApp)
    clock = SystemClock()
    bucket = None
    if config.plan in PLANS:
        store = open_store(
            config.url,
            folder=conf.get("bitrix24", "pacing_dir", fallback=None),
            redis_url=conf.get("bitrix24", "pacing_redis_url", fallback=None),
        )
        bucket = Bucket(PLANS[config.plan], store, clock)
    return Client(
        Transport(config), WebhookAuth(config.credentials), bucket=bucket, clock=clock, max_wait=max_wait
    )
