"""The way to a portal in this process, on which requests meet trouble by a schedule and an injected clock."""

import io
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPMessage
from typing import Any

import requests
import urllib3
from requests.adapters import BaseAdapter

from airflow_provider_b24.sandbox import Portal
from tests.rest.conftest import FakeClock

RUNAWAY = 1_000  # requests of one cell
Act = Callable[["Network", "Request"], requests.Response]


class RunawayError(BaseException):
    """A client that would never stop."""


@dataclass(frozen=True)
class Schedule:
    """
    When a fault strikes.

    :param strikes: takes the number of the request (or command), from 1, and the seconds since the start.
    :param ends: whether the trouble passes within the retry budget.
    """

    name: str
    strikes: Callable[[int, float], bool]
    ends: bool


SCHEDULES = [
    Schedule("once", lambda number, seconds: number == 1, ends=True),
    Schedule("once, second request", lambda number, seconds: number == 2, ends=True),
    Schedule("every third", lambda number, seconds: number % 3 == 0, ends=True),
    Schedule("for ten seconds", lambda number, seconds: seconds < 10, ends=True),
    Schedule("forever", lambda number, seconds: True, ends=False),
    Schedule("forever, from the second", lambda number, seconds: number > 1, ends=False),
]


@dataclass(frozen=True)
class Request:
    """One request: what was prepared, when it left, and how long the client waits for an answer."""

    prepared: requests.PreparedRequest
    sent_at: float
    connect_timeout: float
    read_timeout: float

    @property
    def url(self) -> str:
        return str(self.prepared.url)


class Clock(FakeClock):
    """Time that passes only when somebody waits; the worker's clock may be set, the portal's is right."""

    def __init__(self) -> None:
        super().__init__()
        self._wrong_by = 0.0

    def now(self) -> float:
        return self.time + self._wrong_by

    def right(self) -> float:
        """The portal's clock."""
        return self.time

    def wait_until(self, moment: float) -> None:
        """Wait until this time of the portal's clock."""
        with self._lock:
            self.time = max(self.time, moment)

    def set_wrong(self, seconds: float) -> None:
        """Set the worker's clock."""
        self._wrong_by += seconds


class Network(BaseAdapter):
    """
    Carries requests to a portal in this process.

    :ivar act: what befalls the requests that the schedule names; None: all of them pass.
    """

    def __init__(self, portal: Portal, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.requests = 0
        self.struck = 0
        self.act: Act | None = None
        self._portal = portal
        self.schedule = SCHEDULES[0]
        self._started = clock.right()
        self._lock = threading.Lock()

    def trouble(self, act: Act | None, schedule: Schedule) -> None:
        """Let requests meet this from now on."""
        self.act, self.schedule = act, schedule
        self._started, self.requests = self.clock.right(), 0

    def send(self, request: requests.PreparedRequest, timeout: Any = None, **_: Any) -> requests.Response:
        with self._lock:
            self.requests += 1
            if self.requests > RUNAWAY:
                raise RunawayError
            since = self.clock.right() - self._started
            struck = self.act is not None and self.schedule.strikes(self.requests, since)
            self.struck += struck
        sent = Request(request, self.clock.right(), *timeout)
        return self.act(self, sent) if struck and self.act is not None else self.deliver(sent)

    def deliver(self, request: Request) -> requests.Response:
        """Let the portal answer."""
        one = request.prepared
        answer = self._portal.handle(str(one.method), one.path_url, dict(one.headers), _bytes(one.body))
        return self.answer(request, answer.status, answer.body, answer.headers)

    def answer(
        self, request: Request, status: int, body: bytes | io.RawIOBase, headers: dict[str, str]
    ) -> requests.Response:
        """An answer as the network library hands it over."""
        response = requests.Response()
        response.status_code = status
        response.headers.update(headers)
        response.request, response.url = request.prepared, request.url
        stream = io.BufferedReader(body) if isinstance(body, io.RawIOBase) else io.BytesIO(body)
        response.raw = urllib3.HTTPResponse(
            body=stream, status=status, headers=HTTPMessage(), preload_content=False
        )
        return response

    def close(self) -> None:
        pass


def _bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else body or b""
