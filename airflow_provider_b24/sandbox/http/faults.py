"""Faults for tests: requests that are cut, delayed or answered wrongly, before or after their effect."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

from airflow_provider_b24.sandbox.http.exchange import Response, error_page, html, json_response
from airflow_provider_b24.sandbox.http.forwarded import Forwarded
from airflow_provider_b24.sandbox.model import errors
from airflow_provider_b24.sandbox.model.errors import RestError

Kind = Literal[
    "reset",
    "hang",
    "empty",
    "html_403",
    "html_413",
    "html_500",
    "html_502",
    "html_503",
    "html_504",
    "query_limit",
    "time_limit",
    "truncated",
    "expired_token",
    "server_error",
    "redirect",
    "slow_body",
    "not_json",
    "wrong_type",
]

JSON_FAULTS = {
    "query_limit": errors.QUERY_LIMIT,
    "time_limit": errors.TIME_LIMIT,
    "expired_token": errors.EXPIRED_TOKEN,
    "server_error": errors.SERVER_ERROR,
}
HTML_FAULTS = {
    "html_403": (403, "Forbidden"),
    "html_413": (413, "Request Entity Too Large"),
    "html_500": (500, "Internal Server Error"),
    "html_502": (502, "Bad Gateway"),
    "html_503": (503, "Service Temporarily Unavailable"),
    "html_504": (504, "Gateway Time-out"),
}
REAL_REPLY = {"slow_body", "wrong_type"}
"""Faults that deliver the true reply, so that the call always runs."""


@dataclass
class Count:
    """How many requests a fault has seen and how many it struck."""

    seen: int = 0
    fired: int = 0


@dataclass
class Fault:
    """A fault and when it strikes.

    It strikes the n-th matching request with ``on`` (from 1), each n-th one with ``every``, else each one,
    at most ``times`` times. ``method`` restricts it to requests that call this REST method, also inside a
    batch. With ``after`` the request has its effect first. With ``per_command`` it strikes single commands,
    also inside a batch, instead of whole requests (kinds ``time_limit``, ``query_limit``, ``server_error``).
    ``seconds`` is the length of a hang or a slow body, ``location`` the target of a redirect.
    """

    kind: Kind
    on: int | None = None
    every: int | None = None
    times: int | None = None
    method: str | None = None
    after: bool = False
    seconds: float = 60.0
    location: str = "https://moved.example/"
    per_command: bool = False
    count: Count = field(default_factory=Count, init=False)

    seen = Forwarded[int]("count")
    fired = Forwarded[int]("count")

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"unknown fault {self.kind!r}; use one of {', '.join(get_args(Kind))}")

    def strikes(self, methods: Iterable[str]) -> bool:
        """Count a request that calls these methods; True if the fault strikes it."""
        if self.method is not None and self.method.lower() not in methods:
            return False
        self.seen += 1
        if self.times is not None and self.fired >= self.times:
            return False
        hit = self.seen == self.on if self.on else self.seen % (self.every or 1) == 0
        self.fired += hit
        return hit

    def error(self) -> RestError:
        """The REST error of a fault that is answered in JSON."""
        return RestError(*JSON_FAULTS.get(self.kind, errors.SERVER_ERROR))

    def response(self, real: Response | None = None) -> Response:
        """The response of any other fault; ``real`` is the true response if the effect came first."""
        if self.kind in HTML_FAULTS:
            return error_page(*HTML_FAULTS[self.kind])
        if self.kind == "redirect":
            return Response(302, {"Location": self.location, "Content-Type": "text/html"}, b"")
        if self.kind == "not_json":
            return html(200, "<!DOCTYPE html><title>Bitrix24</title><p>The portal is being updated.</p>")
        if self.kind == "empty":
            return html(200, "")
        whole = real or json_response(200, {"result": True})
        if self.kind == "wrong_type":
            return Response(whole.status, whole.headers | {"Content-Type": "text/html"}, whole.body)
        return Response(whole.status, whole.headers, whole.body, fault=self.kind, seconds=self.seconds)

    @property
    def follows_effect(self) -> bool:
        """Whether the call runs first, as it always does if its true reply is delivered."""
        return self.after or self.kind in REAL_REPLY


def pick(faults: Iterable[Fault], methods: Iterable[str], per_command: bool = False) -> Fault | None:
    """The first fault that strikes a request calling these methods; each matching fault counts it."""
    called = {method.lower() for method in methods}
    hits = [fault for fault in faults if fault.per_command == per_command and fault.strikes(called)]
    return hits[0] if hits else None
