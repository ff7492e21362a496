"""The journal: every HTTP request in order, without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from airflow_provider_b24.sandbox.http.exchange import Request
from airflow_provider_b24.sandbox.http.forwarded import Forwarded
from airflow_provider_b24.sandbox.model import php

MASK = "***"
SECRETS = {"auth", "access_token", "refresh_token", "client_secret", "ap", "token"}
OAUTH_SECRETS = SECRETS | {"code"}


@dataclass(frozen=True)
class Received:
    """A request as it arrived, without secrets; ``params`` and ``body`` are JSON values."""

    time: float
    source: str
    connection: int
    http_method: str
    path: str
    content_type: str
    params: dict[str, Any] | None = None
    body: Any = None


@dataclass
class JournalEntry:
    """One HTTP request: the REST ``method``, the ``commands`` of a batch, the status of the response."""

    request: Received
    method: str = ""
    commands: list[tuple[str, dict[str, Any]]] | None = None
    status: int = 0
    fault: str | None = None
    error: str | None = None
    user: int | None = None

    time = Forwarded[float]("request")
    source = Forwarded[str]("request")
    connection = Forwarded[int]("request")
    http_method = Forwarded[str]("request")
    path = Forwarded[str]("request")
    content_type = Forwarded[str]("request")
    params = Forwarded[dict[str, Any] | None]("request")
    body = Forwarded[Any]("request")

    def as_dict(self) -> dict[str, Any]:
        """The entry as a JSON object."""
        fields = asdict(self)
        return {**fields.pop("request"), **fields}


def open_entry(request: Request, now: float, in_full: bool = True) -> JournalEntry:
    """An entry for a request that has just arrived; the rest is filled in later."""
    secrets = OAUTH_SECRETS if request.path.startswith("/oauth/") else SECRETS
    received = Received(
        time=now,
        source=request.source,
        connection=request.connection,
        http_method=request.http_method,
        path=masked_path(request.path),
        content_type=request.content_type,
        params=masked(php.to_json(request.params) or {}, secrets) if in_full else None,
        body=masked(request.json, secrets) if in_full else None,
    )
    return JournalEntry(received)


def masked(value: Any, secrets: set[str] = SECRETS) -> Any:
    """The value with its secrets masked, at the top level, where the portal reads them."""
    if not isinstance(value, Mapping):
        return value
    return {name: MASK if str(name).lower() in secrets else inner for name, inner in value.items()}


def masked_path(path: str) -> str:
    """The path without the webhook's code, even if the rest of the path is wrong."""
    before, rest, after = path.partition("/rest/")
    parts = after.split("/")
    if len([part for part in parts if part]) < 2:
        return path
    if parts[0].isdigit():
        return f"{before}{rest}{'/'.join([parts[0], MASK, *parts[2:]])}"
    return f"{before}{rest}{parts[0]}/{MASK}"
