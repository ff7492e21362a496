"""Faults on request: the n-th request is cut, delayed or answered wrongly, before or after its effect."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

from airflow_provider_b24.sandbox.http.exchange import Response, html, json_response
from airflow_provider_b24.sandbox.model import errors
from airflow_provider_b24.sandbox.model.errors import RestError

Kind = Literal[
    "reset",
    "hang",
    "html_502",
    "html_503",
    "html_500",
    "query_limit",
    "time_limit",
    "truncated",
    "expired_token",
    "server_error",
    "redirect",
    "slow_body",
    "not_json",
]

JSON_FAULTS = {
    "query_limit": errors.QUERY_LIMIT,
    "time_limit": errors.TIME_LIMIT,
    "expired_token": errors.EXPIRED_TOKEN,
    "server_error": errors.SERVER_ERROR,
}
HTML_FAULTS = {
    "html_500": (500, "Internal Server Error"),
    "html_502": (502, "Bad Gateway"),
    "html_503": (503, "Service Temporarily Unavailable"),
}


@dataclass
class Fault:
    """A fault and when it strikes.

    ``on`` is the n-th matching request (from 1), ``every`` each n-th one, neither means each; ``times``
    bounds how often it fires. ``method`` narrows it to requests that call this REST method, also inside a
    batch. ``after`` lets the request have its effect first. ``per_command`` strikes single commands, inside
    a batch too, instead of whole requests (kinds ``time_limit``, ``query_limit`` and ``server_error``).
    ``seconds`` is how long a hang or a slow body lasts, ``location`` where a redirect points.
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
    seen: int = field(default=0, init=False)
    fired: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"no fault {self.kind!r}; there are {', '.join(get_args(Kind))}")

    def strikes(self, methods: Iterable[str]) -> bool:
        """Count a request that calls these methods, and tell whether the fault hits it."""
        if self.method is not None and self.method.lower() not in methods:
            return False
        self.seen += 1
        if self.times is not None and self.fired >= self.times:
            return False
        hit = self.seen == self.on if self.on else self.seen % (self.every or 1) == 0
        self.fired += hit
        return hit

    def error(self) -> RestError:
        """The refusal of a JSON fault."""
        return RestError(*JSON_FAULTS.get(self.kind, errors.SERVER_ERROR))

    def response(self, real: Response | None = None) -> Response:
        """What the client gets unless it is an ``error``; ``real`` when the effect came first."""
        if self.kind in HTML_FAULTS:
            return _gateway_page(*HTML_FAULTS[self.kind])
        if self.kind == "redirect":
            return Response(302, {"Location": self.location, "Content-Type": "text/html"}, b"")
        if self.kind == "not_json":
            return html(200, "<!DOCTYPE html><title>Bitrix24</title><p>The portal is being updated.</p>")
        whole = real or json_response(200, {"result": True})
        return Response(whole.status, whole.headers, whole.body, fault=self.kind, seconds=self.seconds)

    @property
    def follows_effect(self) -> bool:
        """Whether the call runs first; a slow body is always the body of a real reply."""
        return self.after or self.kind == "slow_body"


def _gateway_page(status: int, reason: str) -> Response:
    title = f"{status} {reason}"
    page = f"<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center></body></html>"
    return html(status, page)


def pick(faults: Iterable[Fault], methods: Iterable[str], per_command: bool = False) -> Fault | None:
    """The first fault that strikes a request calling these methods; every matching fault counts it."""
    called = {method.lower() for method in methods}
    hits = [fault for fault in faults if fault.per_command == per_command and fault.strikes(called)]
    return hits[0] if hits else None
