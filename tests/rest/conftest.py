"""A client whose transport leads straight into an imitation portal, and a clock that nobody waits for."""

import io
import threading
from http.client import HTTPMessage

import pytest
import requests
import urllib3
from requests.adapters import BaseAdapter
from urllib3.exceptions import ProtocolError

from airflow_provider_b24.rest.auth.webhook import WebhookAuth
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.config import PortalConfig, Webhook
from airflow_provider_b24.rest.transport import Transport
from airflow_provider_b24.sandbox import Portal

CODE = "canary0code0of0the0webhook"


class FakeClock:
    """Time that passes only when somebody sleeps."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.time = now
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.time += seconds
            self.slept.append(seconds)


class PortalAdapter(BaseAdapter):
    """Carries requests to a portal in this process; its broken answers become what urllib3 makes of them."""

    def __init__(self, portal: Portal) -> None:
        super().__init__()
        self._portal = portal

    def send(self, request, **kwargs):
        answer = self._portal.handle(
            request.method, request.path_url, dict(request.headers), request.body or b""
        )
        if answer.fault == "hang":
            raise requests.exceptions.ReadTimeout(f"{request.url} timed out")
        if answer.fault in ("reset", "truncated"):
            error = ProtocolError(
                "Connection aborted.", ConnectionResetError(104, "Connection reset by peer")
            )
            raise requests.exceptions.ConnectionError(error, request.url)
        response = requests.Response()
        response.status_code = answer.status
        response.headers.update(answer.headers)
        response.url = request.url
        response.raw = urllib3.HTTPResponse(
            body=io.BytesIO(answer.body), status=answer.status, headers=HTTPMessage(), preload_content=False
        )
        return response

    def close(self) -> None:
        pass


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def portal(clock):
    """A portal with contacts 1 to 1000 and companies 1 to 100, on the tests' clock."""
    portal = Portal(clock=clock.now, sleep=clock.sleep)
    portal.add_webhook(user_id=1, code=CODE)
    portal.add_generated(contacts=1000, companies=100)
    return portal


@pytest.fixture
def make_client(portal, clock):
    """Build a client of the portal, or of another; further keywords go to Client."""

    def make(code=CODE, max_parallel=4, portal=portal, clock=clock, **keywords) -> Client:
        webhook = Webhook(1, code)
        config = PortalConfig(url="https://portal.example", credentials=webhook, max_parallel=max_parallel)
        return Client(
            Transport(config, adapter=PortalAdapter(portal)), WebhookAuth(webhook), clock=clock, **keywords
        )

    return make


@pytest.fixture
def client(make_client):
    return make_client()
