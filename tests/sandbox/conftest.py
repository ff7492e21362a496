"""A seeded portal with a clock that moves only when told, and a short way to call it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_b24.sandbox import Portal, seeded_portal
from airflow_provider_b24.sandbox.http.seed import DEMO_CODE

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Clock:
    """Epoch seconds that stand still; sleeping moves them."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Caller:
    """Calls a portal in this process and returns status and decoded body."""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self.user, self.code = 1, DEMO_CODE

    def __call__(self, method: str, params: Any = None, **options: Any) -> tuple[int, Any]:
        path = f"/rest/{self.user}/{self.code}/{method}"
        return self.send("POST", path, JSON, json.dumps(params or {}), **options)

    def send(
        self, http_method: str, target: str, headers: dict[str, str], body: str = "", **options: Any
    ) -> tuple[int, Any]:
        """Send anything."""
        response = self.portal.handle(http_method, target, headers, body.encode(), **options)
        return response.status, json.loads(response.body)

    def result(self, method: str, params: Any = None) -> Any:
        """The result of a call that must succeed."""
        status, body = self(method, params)
        assert status == 200, body
        return body["result"]

    def error(self, method: str, params: Any = None) -> tuple[int, str, str]:
        """Status, code and text of a call that must fail."""
        status, body = self(method, params)
        assert "result" not in body
        assert "time" not in body
        return status, body["error"], body["error_description"]

    def batch(self, cmd: Any, **options: Any) -> Any:
        """The five maps of a batch."""
        return self.result("batch", {"halt": 0, "cmd": cmd, **options})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def portal(clock: Clock) -> Portal:
    return seeded_portal(clock=clock, sleep=clock.sleep)


@pytest.fixture
def rest(portal: Portal) -> Caller:
    return Caller(portal)


@pytest.fixture
def as_user(portal: Portal) -> Callable[..., Caller]:
    """A caller with a webhook of its own: rights and scope as given."""

    def make(**rights: Any) -> Caller:
        caller = Caller(portal)
        caller.user = 40
        caller.code = portal.add_webhook(40, "another0code", **rights)
        return caller

    return make
