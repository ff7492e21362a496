"""The faults of the matrix: what befalls a request, and what a client can know of it afterwards."""

import io
import json
import socket
import ssl
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import requests
from urllib3 import exceptions as low
from urllib3.connection import HTTPSConnection

from airflow_provider_b24.sandbox import Fault
from airflow_provider_b24.sandbox.model.errors import RestError
from tests.faults.matrix_network import Act, Network, Request, Schedule

if TYPE_CHECKING:
    from tests.faults.matrix_world import World

# What a client can know.
# "not sent" and "limit": the portal did not run it. "wait": the same, and the portal dictates how long.
# "lost": the portal may have run it. "failed": the portal says that it failed at it.
# "rejected": it will be so forever. "delivered": late or odd, but true. "local": the worker is at fault.
Kind = Literal[
    "not sent", "limit", "wait", "lost", "failed", "rejected", "too large", "expired", "delivered", "local"
]
Local = Callable[["World", Schedule], AbstractContextManager[Callable[[], int]]]


@dataclass(frozen=True)
class Trouble:
    """
    One fault.

    :param act: what befalls a whole request; or ``error``: what befalls single commands; or ``local``: what
        befalls the worker, until the context ends; it gives the number of times so far.
    :param after: whether the portal had run the request (or command) when it struck.
    :param seconds: how long one request that meets it takes.
    """

    name: str
    kind: Kind
    act: Act | None = None
    error: RestError | None = None
    local: Local | None = None
    after: bool = False
    seconds: float = 0.0

    @property
    def is_timeout(self) -> bool:
        """Whether a client takes it for a request that was too much work, and sends less."""
        return self.seconds > 60 or "504" in self.name


def raises(make) -> Act:
    """The request ends in an exception as the network library raises it, with the address in its text."""

    def act(network: Network, request: Request) -> requests.Response:
        raise make(request)

    return act


def pool_error(kind: type[requests.RequestException], reason: Exception) -> Act:
    return raises(
        lambda request: kind(low.MaxRetryError(None, request.url, reason), request=request.prepared)
    )


def refused() -> Exception:
    error = low.NewConnectionError(HTTPSConnection("portal.example"), "Connection refused")
    error.__cause__ = ConnectionRefusedError(111, "Connection refused")
    return error


def unresolved() -> Exception:
    cause = socket.gaierror(-2, "Name or service not known")
    error = low.NameResolutionError("portal.example", HTTPSConnection("portal.example"), cause)
    error.__cause__ = cause
    return error


def handshake() -> Exception:
    cause = ssl.SSLError(1, "[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] handshake failure")
    cause.reason = "SSLV3_ALERT_HANDSHAKE_FAILURE"
    return low.SSLError(cause)


def untrusted() -> Exception:
    cause = ssl.SSLCertVerificationError(1, "certificate verify failed")
    cause.verify_message = "self-signed certificate"
    return low.SSLError(cause)


def waits(seconds_of, act: Act) -> Act:
    """Time passes before it happens."""

    def wait(network: Network, request: Request) -> requests.Response:
        network.clock.wait_until(request.sent_at + seconds_of(request))
        return act(network, request)

    return wait


def after(act: Act) -> Act:
    """The portal runs the request, and then its answer is lost."""

    def run(network: Network, request: Request) -> requests.Response:
        network.deliver(request)
        return act(network, request)

    return run


def broken(request: Request) -> Exception:
    reset = low.ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer"))
    return requests.ConnectionError(reset, request.url)


def timed_out(request: Request) -> Exception:
    return requests.ReadTimeout(f"{request.url}: Read timed out.")


def page(status: int, title: str) -> Act:
    """A page of a web server or proxy, which quotes the address and the body of the request."""

    def act(network: Network, request: Request) -> requests.Response:
        body = request.prepared.body or b""
        quoted = body.decode() if isinstance(body, bytes) else body
        text = f"<!DOCTYPE html><title>{status} {title}</title><p>{request.url}<p>{quoted}"
        return network.answer(request, status, text.encode(), {"Content-Type": "text/html"})

    return act


def says(error: RestError) -> Act:
    """The portal answers with an error, whose text quotes the address."""

    def act(network: Network, request: Request) -> requests.Response:
        body = error.body() | {"error_description": f"{error.text} [{request.url}]"}
        headers = {"Content-Type": "application/json"}
        return network.answer(request, error.status, json.dumps(body).encode(), headers)

    return act


def to_rest(act: Act) -> Act:
    """It befalls only requests to the portal, not those to the authorization server."""

    def choose(network: Network, request: Request) -> requests.Response:
        return network.deliver(request) if "/oauth/" in request.url else act(network, request)

    return choose


def redirect(location: str) -> Act:
    def act(network: Network, request: Request) -> requests.Response:
        return network.answer(
            request, 302, b"", {"Location": location.format(path=request.prepared.path_url)}
        )

    return act


class Body(io.RawIOBase):
    """A body that comes in pieces, each of which takes its time, and may break off."""

    def __init__(self, network: Network, data: bytes, piece: int, seconds: float, ends: bool = True) -> None:
        self._network, self._data, self._piece, self._seconds = network, data, piece, seconds
        self._ends = ends

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        if not self._data and not self._ends:
            raise ConnectionResetError(104, "Connection reset by peer")
        if self._seconds:
            self._network.clock.sleep(self._seconds)
        piece, self._data = self._data[: self._piece], self._data[self._piece :]
        buffer[: len(piece)] = piece
        return len(piece)


def true_answer(change) -> Act:
    """The portal's own answer, with another body."""

    def act(network: Network, request: Request) -> requests.Response:
        real = network.deliver(request)
        body, headers = change(network, real.raw.read()), dict(real.headers)
        return network.answer(request, real.status_code, body, headers)

    return act


def without_a_command(network: Network, data: bytes) -> bytes:
    """The answer to a batch, without that to its first command."""
    body = json.loads(data)
    parts = body.get("result")
    if not isinstance(parts, dict) or not isinstance(parts.get("result"), list | dict) or not parts["result"]:
        return data
    results = parts["result"]
    items = dict(enumerate(results)) if isinstance(results, list) else dict(results)
    del items[next(iter(items))]
    parts["result"] = {str(key): value for key, value in items.items()}
    return json.dumps(body).encode()


def another_type(network: Network, request: Request) -> requests.Response:
    real = network.deliver(request)
    real.headers["Content-Type"] = "text/html; charset=utf-8"
    return real


def jump(seconds: float) -> Act:
    """The worker's clock is set while a request is under way."""

    def act(network: Network, request: Request) -> requests.Response:
        response = network.deliver(request)
        network.clock.set_wrong(seconds)
        return response

    return act


class CommandFault(Fault):
    """A fault of single commands by a schedule of this matrix."""

    def __init__(self, trouble: Trouble, schedule: Schedule, now) -> None:
        super().__init__("server_error", per_command=True, after=trouble.after)
        self._trouble, self._schedule, self._now, self._started = trouble, schedule, now, now()

    def strikes(self, methods) -> bool:
        self.seen += 1
        hit = self._schedule.strikes(self.seen, self._now() - self._started)
        self.fired += hit
        return hit

    def error(self) -> RestError:
        return self._trouble.error


QUERY_LIMIT = RestError(503, "QUERY_LIMIT_EXCEEDED", "Too many requests")
TIME_LIMIT = RestError(429, "OPERATION_TIME_LIMIT", "Method is blocked due to operation time limit.")
OVERLOAD = RestError(503, "OVERLOAD_LIMIT", "REST API is blocked due to overload.")
SERVER_ERROR = RestError(500, "INTERNAL_SERVER_ERROR", "Internal server error")
DENIED = RestError(403, "ACCESS_DENIED", "Access denied!")
EXPIRED = RestError(401, "expired_token", "The access token provided has expired")
DELETED = RestError(403, "PORTAL_DELETED", "Portal was deleted")

_reset, _empty = raises(broken), lambda network, request: network.answer(request, 200, b"", {})
_hang = waits(lambda request: request.read_timeout, raises(timed_out))
_connect = pool_error(requests.ConnectTimeout, low.ConnectTimeoutError(None, "timed out"))


def both(name: str, act: Act, seconds: float = 0.0) -> list[Trouble]:
    """A lost answer, to a request that the portal never saw and to one that it ran."""
    return [
        Trouble(f"{name}, before the effect", "lost", act, seconds=seconds),
        Trouble(f"{name}, after the effect", "lost", after(act), after=True, seconds=seconds),
    ]


TROUBLES = [
    Trouble("connection refused", "not sent", pool_error(requests.ConnectionError, refused())),
    Trouble("DNS", "not sent", pool_error(requests.ConnectionError, unresolved())),
    Trouble(
        "no connection in time",
        "not sent",
        waits(lambda request: request.connect_timeout, _connect),
        seconds=10,
    ),
    Trouble("TLS handshake", "not sent", pool_error(requests.exceptions.SSLError, handshake())),
    Trouble("TLS, untrusted", "rejected", pool_error(requests.exceptions.SSLError, untrusted())),
    *both("reset", _reset),
    *both("hang", _hang, seconds=65),
    *both("empty body", _empty),
    *both("HTML 200", page(200, "Bitrix24")),
    *both("HTML 500", page(500, "Internal Server Error")),
    *both("HTML 502", page(502, "Bad Gateway")),
    *both("HTML 503", page(503, "Service Unavailable")),
    *both("HTML 504", page(504, "Gateway Time-out")),
    Trouble(
        "truncated",
        "lost",
        true_answer(lambda network, data: Body(network, data[: len(data) // 2], 8192, 0, ends=False)),
        after=True,
    ),
    Trouble("half a body", "lost", true_answer(lambda network, data: data[: len(data) // 2]), after=True),
    Trouble(
        "a body that never ends",
        "lost",
        true_answer(lambda network, data: Body(network, b" " * 100_000, 1, 5)),
        after=True,
        seconds=70,
    ),
    Trouble("a command missing from the answer", "lost", true_answer(without_a_command), after=True),
    Trouble(
        "slow drip",
        "delivered",
        true_answer(lambda network, data: Body(network, data, len(data) // 10 + 1, 0.3)),
        seconds=4,
    ),
    Trouble("wrong content type", "delivered", another_type),
    Trouble("HTML 403", "rejected", page(403, "Forbidden")),
    Trouble("HTML 413", "too large", page(413, "Request Entity Too Large")),
    Trouble("302 to another host", "rejected", redirect("https://elsewhere.example/")),
    Trouble("302 to itself", "rejected", redirect("https://portal.example{path}")),
    Trouble("QUERY_LIMIT_EXCEEDED", "limit", says(QUERY_LIMIT)),
    Trouble("HTML 429", "limit", page(429, "Too Many Requests")),
    Trouble("OPERATION_TIME_LIMIT", "wait", says(TIME_LIMIT)),
    Trouble("OVERLOAD_LIMIT", "rejected", says(OVERLOAD)),
    Trouble("INTERNAL_SERVER_ERROR, before the effect", "failed", says(SERVER_ERROR)),
    Trouble("INTERNAL_SERVER_ERROR, after the effect", "failed", after(says(SERVER_ERROR)), after=True),
    Trouble("expired_token", "expired", to_rest(says(EXPIRED))),
    Trouble("ACCESS_DENIED", "rejected", says(DENIED)),
    Trouble("PORTAL_DELETED", "rejected", says(DELETED)),
    Trouble("clock an hour ahead", "delivered", jump(3_600)),
    Trouble("clock an hour back", "delivered", jump(-3_600)),
    Trouble("command: QUERY_LIMIT_EXCEEDED", "limit", error=QUERY_LIMIT),
    Trouble("command: OPERATION_TIME_LIMIT", "wait", error=TIME_LIMIT),
    Trouble("command: OVERLOAD_LIMIT", "rejected", error=OVERLOAD),
    Trouble("command: INTERNAL_SERVER_ERROR, before the effect", "failed", error=SERVER_ERROR),
    Trouble("command: INTERNAL_SERVER_ERROR, after the effect", "failed", error=SERVER_ERROR, after=True),
    Trouble("command: ACCESS_DENIED", "rejected", error=DENIED),
]
