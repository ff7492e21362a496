"""Fixtures for tests of DAGs: ``pytest_plugins = ["airflow_provider_b24.sandbox.pytest_plugin"]``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_b24.sandbox.http.portal import Portal
from airflow_provider_b24.sandbox.http.seed import seeded_portal
from airflow_provider_b24.sandbox.http.server import PortalServer

CONNECTION_ID = "bitrix24_default"


@pytest.fixture
def bitrix24_portal() -> Portal:
    """A seeded portal in memory: set it up, and look into it after the test."""
    return seeded_portal()


@pytest.fixture
def bitrix24_server(bitrix24_portal: Portal) -> Iterator[PortalServer]:
    """The portal served over HTTP on a free port."""
    with PortalServer(bitrix24_portal) as server:
        yield server


@pytest.fixture
def bitrix24_connection(bitrix24_server: PortalServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of an Airflow connection to the served portal, kept in the environment for one test."""
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION_ID.upper()}", bitrix24_server.connection_json())
    return CONNECTION_ID
