"""One HTTP exchange: the request, its parameters as PHP reads them, and the response."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from airflow_provider_b24.sandbox.model import php, php_json

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
    return Response(status, dict(REST_HEADERS), php_json.encode(body))


def html(status: int, text: str) -> Response:
    """A page, of the portal or of a proxy in front of it."""
    return Response(status, {"Content-Type": "text/html; charset=utf-8"}, text.encode())


def error_page(status: int, reason: str) -> Response:
    """The error page of the web server in front of the portal."""
    title = f"{status} {reason}"
    page = f"<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center></body></html>"
    return html(status, page)


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
        """The path without the query string."""
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
        """The body decoded as JSON, or None. Like the portal, this ignores a malformed body."""
        if self.content_type != "application/json" or not self.body:
            return None
        try:
            return php_json.decode(self.body)
        except ValueError:
            return None

    @cached_property
    def form(self) -> dict[php.Key, Any]:
        """Parameters of the body, form-encoded or JSON; a body of another type has none."""
        if self.content_type == "application/x-www-form-urlencoded":
            return php.parse_str(self.body.decode(errors="replace"))
        decoded = php_json.to_array(self.json)
        return dict(php.pairs(decoded)) if php.is_array(decoded) else {}

    @cached_property
    def params(self) -> dict[php.Key, Any]:
        """Query string and body together; the body wins."""
        return self.query | self.form if self.http_method == "POST" else self.query

    @property
    def access_token(self) -> str:
        """The token in ``auth``, ``access_token`` or the Authorization header, or an empty string."""
        for name in ("auth", "access_token"):
            if isinstance(self.params.get(name), str):
                return str(self.params[name])
        kind, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if kind.lower() == "bearer" else ""


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of a REST path: ``/rest/{user}/{code}/{method}`` or ``/rest/{method}``."""

    method: str
    user_id: int | None = None
    code: str = field(default="", repr=False)

    @classmethod
    def parse(cls, path: str) -> Address:
        """Parse what follows ``/rest/``; the suffix .json, a final slash and case make no difference."""
        parts = path.strip("/").split("/")
        if len(parts) == 1:
            return cls(_method_name(parts[0]))
        if parts[0].isdigit() and len(parts) in {2, 3}:
            return cls(_method_name("".join(parts[2:])), int(parts[0]), parts[1])
        return cls("")


def _method_name(text: str) -> str:
    return text.lower().removesuffix(".json").removesuffix(".xml")
