"""Applications registered with the authorization server, their codes, and tokens that expire and rotate."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from airflow_provider_b24.sandbox.model import php

CODE_LIFETIME = 30.0
REFRESH_LIFETIME = 180 * 86400.0


@dataclass(frozen=True, slots=True)
class App:
    """A local application and the user it acts for."""

    client_id: str
    client_secret: str = field(repr=False)
    scope: frozenset[str]
    user_id: int
    redirect_uri: str = ""


class GrantRefused(Exception):
    """A refusal of the authorization server: HTTP status and error code."""

    def __init__(self, status: int, code: str, text: str = "") -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.text = text


class Secret(NamedTuple):
    """What a code or token belongs to, and the epoch second it expires at."""

    client_id: str
    expires: float


Store = dict[str, Secret]


class Applications:
    """Applications with their codes and tokens. Every token belongs to one application."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.token_lifetime = 3600.0
        self.rotate_refresh_tokens = True
        self.refreshes = 0
        self.refused_refreshes = 0
        self._clock = clock
        self._lock = threading.Lock()
        self._apps: dict[str, App] = {}
        self._codes: Store = {}
        self._access: Store = {}
        self._refresh: Store = {}

    def add(self, app: App) -> None:
        """Register an application."""
        self._apps[app.client_id] = app

    def granted(self, access_token: str) -> tuple[App, bool] | None:
        """The application behind an access token and whether the token has expired; None if unknown."""
        found = self._access.get(access_token)
        return None if found is None else (self._apps[found.client_id], self._clock() >= found.expires)

    @property
    def tokens(self) -> frozenset[str]:
        """All access and refresh tokens that are known, also those that have expired."""
        with self._lock:
            return frozenset([*self._access, *self._refresh])

    def issue(self, client_id: str, pair: tuple[str, str] | None = None) -> tuple[str, str]:
        """
        A new access token and refresh token.

        :param pair: the tokens to issue; random ones by default.
        """
        with self._lock:
            return self._issue(client_id, pair)

    def _issue(self, client_id: str, pair: tuple[str, str] | None = None) -> tuple[str, str]:
        now = self._clock()
        access, refresh = pair or (secrets.token_hex(35), secrets.token_hex(35))
        self._access[access] = Secret(client_id, now + self.token_lifetime)
        self._refresh[refresh] = Secret(client_id, now + REFRESH_LIFETIME)
        return access, refresh

    def issue_code(self, client_id: str) -> str:
        """A code that can be exchanged once, within 30 s."""
        code = secrets.token_hex(20)
        self._codes[code] = Secret(client_id, self._clock() + CODE_LIFETIME)
        return code

    def revoke(self, client_id: str) -> None:
        """Make every code and token of an application unknown."""
        with self._lock:
            for store in (self._codes, self._access, self._refresh):
                for text in [text for text, secret in store.items() if secret.client_id == client_id]:
                    del store[text]

    def find(self, client_id: Any) -> App:
        """The application. The real server refuses unknown ones with HTTP 200."""
        app = self._apps.get(php.to_text(client_id))
        if app is None:
            raise GrantRefused(200, "wrong_client")
        return app

    def exchange(self, params: dict[php.Key, Any]) -> tuple[App, str, str]:
        """Exchange a code or a refresh token for the application, an access and a refresh token."""
        app = self.find(params.get("client_id"))
        if php.to_text(params.get("client_secret")) != app.client_secret:
            raise GrantRefused(401, "invalid_client", "Invalid client credentials")
        grant_type = params.get("grant_type")
        with self._lock:
            if grant_type == "refresh_token":
                return (app, *self._refreshed(app, php.to_text(params.get("refresh_token"))))
            if grant_type == "authorization_code":
                self._redeem(self._codes, php.to_text(params.get("code")), app, use="once")
                return (app, *self._issue(app.client_id))
        raise GrantRefused(400, "invalid_request", "Unknown grant type")

    def _refreshed(self, app: App, token: str) -> tuple[str, str]:
        try:
            self._redeem(self._refresh, token, app, "once" if self.rotate_refresh_tokens else "often")
        except GrantRefused:
            self.refused_refreshes += 1
            raise
        self.refreshes += 1
        return self._issue(app.client_id)

    def _redeem(self, store: Store, text: str, app: App, use: Literal["once", "often"]) -> None:
        secret = store.get(text)
        if secret is None or secret.client_id != app.client_id or self._clock() >= secret.expires:
            raise GrantRefused(400, "invalid_grant", "Invalid or expired grant")
        if use == "once":
            del store[text]
