"""One HTTP exchange: what arrives, how its parameters are read, and what is sent back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from airflow_provider_b24.sandbox.model import php

REST_HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "Access-Control-Allow-Origin": "*",
    "X-Content-Type-Options": "nosniff",
}


@dataclass
class Response:
    """Status, headers and body; ``fault`` names what the network does to it (reset, hang, truncated...)."""

    status: int
    headers: dict[str, str]
    body: bytes
    fault: str | None = None
    seconds: float = 0.0


def json_response(status: int, body: Any) -> Response:
    """A response of the REST server."""
    return Response(status, dict(REST_HEADERS), json.dumps(body, ensure_ascii=False).encode())


def html(status: int, text: str) -> Response:
    """A page, of the portal or of the machines before it."""
    return Response(status, {"Content-Type": "text/html; charset=utf-8"}, text.encode())


@dataclass
class Request:
    """An HTTP request; header names are lower-case."""

    http_method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    source: str = "127.0.0.1"
    connection: int = 0

    @cached_property
    def path(self) -> str:
        """The path alone."""
        return self.target.partition("?")[0]

    @cached_property
    def query(self) -> dict[php.Key, Any]:
        """Parameters of the query string."""
        return php.parse_str(self.target.partition("?")[2])

    @cached_property
    def content_type(self) -> str:
        """The media type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @cached_property
    def json(self) -> Any:
        """The body decoded as JSON, None when it is none; a malformed body is ignored, as the portal does."""
        if self.content_type != "application/json" or not self.body:
            return None
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @cached_property
    def form(self) -> dict[php.Key, Any]:
        """Parameters of the body, form-encoded or JSON; anything else is no parameters."""
        if self.content_type == "application/x-www-form-urlencoded":
            return php.parse_str(self.body.decode(errors="replace"))
        decoded = php.from_json(self.json)
        return dict(php.pairs(decoded)) if php.is_array(decoded) else {}

    @cached_property
    def params(self) -> dict[php.Key, Any]:
        """Query string and body together; the body wins."""
        return self.query | self.form if self.http_method == "POST" else self.query
