"""The journal: every HTTP request in order, without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from airflow_provider_b24.sandbox.http.exchange import Request
from airflow_provider_b24.sandbox.model import php

MASK = "***"
SECRETS = {"auth", "access_token", "refresh_token", "client_secret", "ap", "token"}
OAUTH_SECRETS = SECRETS | {"code"}


@dataclass
class JournalEntry:
    """One HTTP request. ``params`` and ``body`` are JSON values; a batch has ``commands``."""

    time: float
    source: str
    connection: int
    http_method: str
    path: str
    method: str = ""
    params: dict[str, Any] | None = None
    commands: list[tuple[str, dict[str, Any]]] | None = None
    body: Any = None
    content_type: str = ""
    status: int = 0
    fault: str | None = None
    error: str | None = None
    user: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The entry as a JSON object."""
        return asdict(self)


def open_entry(request: Request, now: float, in_full: bool = True) -> JournalEntry:
    """An entry for a request that has just arrived; the rest is filled in later."""
    entry = JournalEntry(
        time=now,
        source=request.source,
        connection=request.connection,
        http_method=request.http_method,
        path=masked_path(request.path),
        content_type=request.content_type,
    )
    if in_full:
        secrets = OAUTH_SECRETS if request.path.startswith("/oauth/") else SECRETS
        entry.params = masked(php.to_json(request.params) or {}, secrets)
        entry.body = masked(request.json, secrets)
    return entry


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
