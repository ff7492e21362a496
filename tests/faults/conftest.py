"""Fixtures: portals over HTTP, and the hook that talks to them."""

import pytest

from airflow_provider_b24.sandbox import PortalServer
from tests.faults.portals import CODE


@pytest.fixture
def serve():
    """Serve a portal over HTTP on a free port until the test is over; returns its server."""
    servers = []

    def start(portal):
        servers.append(PortalServer(portal).start())
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def hook_for(airflow_console, monkeypatch):
    """A hook for an Airflow connection, given in JSON."""
    from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook

    def make(connection: str, **options):
        monkeypatch.setenv("AIRFLOW_CONN_FAULTY", connection)
        return Bitrix24Hook("faulty", **options)

    return make


@pytest.fixture
def hook_of(serve, hook_for):
    """A hook for a portal served over HTTP; it keeps no request limit, so that tests need not wait."""

    def make(portal, **options):
        return hook_for(serve(portal).connection_json(code=CODE, plan="none"), **options)

    return make
