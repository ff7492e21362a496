"""Fixtures for tests of DAGs: ``pytest_plugins = ["airflow_provider_b24.sandbox.pytest_plugin"]``.

``@pytest.mark.bitrix24_portal(contacts=1000, rules="observed")`` passes options to ``seeded_portal`` for the
portal of one test.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from airflow_provider_b24.sandbox.http.portal import Portal
from airflow_provider_b24.sandbox.http.seed import seeded_portal
from airflow_provider_b24.sandbox.http.server import PortalServer
from airflow_provider_b24.sandbox.model.limits import ENTERPRISE

CONNECTION_ID = "bitrix24_default"
MARKER = "bitrix24_portal(**options): options of seeded_portal for the fixture bitrix24_portal"


class PortalFactory(Protocol):
    """Makes and serves portals."""

    def __call__(self, connection_id: str = CONNECTION_ID, **options: Any) -> Portal:
        """A portal with these options of ``seeded_portal``, served and connected under this id."""


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", MARKER)


@pytest.fixture
def bitrix24_portal(request: pytest.FixtureRequest) -> Portal:
    """A seeded portal in memory: set it up before the test's action, inspect it afterwards."""
    marker = request.node.get_closest_marker("bitrix24_portal")
    return seeded_portal(**(marker.kwargs if marker else {}))


@pytest.fixture
def bitrix24_server(bitrix24_portal: Portal) -> Iterator[PortalServer]:
    """The portal served over HTTP on a free port."""
    with PortalServer(bitrix24_portal) as server:
        yield server


@pytest.fixture
def bitrix24_connection(
    bitrix24_server: PortalServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> str:
    """The id of an Airflow connection to the served portal, set in the environment for one test."""
    return _connect(bitrix24_server, CONNECTION_ID, monkeypatch, tmp_path)


@pytest.fixture
def bitrix24_portal_factory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[PortalFactory]:
    """A function that makes portals with options, serves them and connects them."""
    with contextlib.ExitStack() as servers:

        def make(connection_id: str = CONNECTION_ID, **options: Any) -> Portal:
            portal = seeded_portal(**options)
            server = servers.enter_context(PortalServer(portal))
            _connect(server, connection_id, monkeypatch, tmp_path)
            return portal

        yield make


def _connect(server: PortalServer, connection_id: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
    # A pacing folder of its own: a later portal on the same port starts with an empty bucket.
    connection = server.connection_json(plan=_plan(server.portal))
    monkeypatch.setenv(f"AIRFLOW_CONN_{connection_id.upper()}", connection)
    monkeypatch.setenv("AIRFLOW__BITRIX24__PACING_DIR", str(folder / "bitrix24-pacing"))
    return connection_id


def _plan(portal: Portal) -> str:
    if portal.bucket is None:
        return "none"
    return "enterprise" if portal.bucket.capacity == ENTERPRISE[0] else "standard"
