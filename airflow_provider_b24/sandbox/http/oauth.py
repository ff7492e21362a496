"""The authorization server: applications, codes, and tokens that expire and rotate."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from typing import Any
from urllib.parse import urlencode

from airflow_provider_b24.sandbox.http.exchange import Request, Response, html, json_response
from airflow_provider_b24.sandbox.model import php

CODE_LIFETIME = 30.0
REFRESH_LIFETIME = 180 * 86400.0
MEMBER_ID = "a223c6b3710f85df22e9377d6c4f7553"


@dataclass(frozen=True, slots=True)
class App:
    """A local application and the user it acts for."""

    client_id: str
    client_secret: str = field(repr=False)
    scope: frozenset[str]
    user_id: int
    redirect_uri: str = ""


class GrantRefused(Exception):
    """The authorization server's refusal: HTTP status and error code."""

    def __init__(self, status: int, code: str, text: str = "") -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.text = text


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
        self._codes: dict[str, tuple[str, float]] = {}
        self._access: dict[str, tuple[str, float]] = {}
        self._refresh: dict[str, tuple[str, float]] = {}

    def add(self, app: App) -> None:
        """Register an application."""
        self._apps[app.client_id] = app

    def granted(self, access_token: str) -> tuple[App, bool] | None:
        """The application behind an access token and whether the token has expired; None if unknown."""
        found = self._access.get(access_token)
        return None if found is None else (self._apps[found[0]], self._clock() >= found[1])

    def issue(self, client_id: str) -> tuple[str, str]:
        """A fresh pair of access and refresh token."""
        with self._lock:
            return self._issue(client_id)

    def _issue(self, client_id: str) -> tuple[str, str]:
        now = self._clock()
        access, refresh = secrets.token_hex(35), secrets.token_hex(35)
        self._access[access] = (client_id, now + self.token_lifetime)
        self._refresh[refresh] = (client_id, now + REFRESH_LIFETIME)
        return access, refresh

    def issue_code(self, client_id: str) -> str:
        """A code that can be exchanged once, within 30 s."""
        code = secrets.token_hex(20)
        self._codes[code] = (client_id, self._clock() + CODE_LIFETIME)
        return code

    def find(self, client_id: Any) -> App:
        """The application, or the refusal that the real server sends with HTTP 200."""
        app = self._apps.get(php.to_text(client_id))
        if app is None:
            raise GrantRefused(200, "wrong_client")
        return app

    def grant(self, params: dict[php.Key, Any]) -> tuple[App, str, str, bool]:
        """Exchange a code or a refresh token: the application, both tokens, and whether it was a refresh."""
        app = self.find(params.get("client_id"))
        if php.to_text(params.get("client_secret")) != app.client_secret:
            raise GrantRefused(401, "invalid_client", "Invalid client credentials")
        grant_type = params.get("grant_type")
        with self._lock:
            if grant_type == "refresh_token":
                return (app, *self._refreshed(app, php.to_text(params.get("refresh_token"))), True)
            if grant_type == "authorization_code":
                self._spend(self._codes, php.to_text(params.get("code")), app, keep=False)
                return (app, *self._issue(app.client_id), False)
        raise GrantRefused(400, "invalid_request", "Unknown grant type")

    def _refreshed(self, app: App, token: str) -> tuple[str, str]:
        try:
            self._spend(self._refresh, token, app, keep=not self.rotate_refresh_tokens)
        except GrantRefused:
            self.refused_refreshes += 1
            raise
        self.refreshes += 1
        return self._issue(app.client_id)

    def _spend(self, store: dict[str, tuple[str, float]], secret: str, app: App, keep: bool) -> None:
        client_id, expires = store.get(secret, ("", 0.0))
        if client_id != app.client_id or self._clock() >= expires:
            raise GrantRefused(400, "invalid_grant", "Invalid or expired grant")
        if not keep:
            del store[secret]


def answer(apps: Applications, request: Request, portal_url: str, now: float) -> Response:
    """Answer ``/oauth/token/`` and ``/oauth/authorize/``."""
    try:
        if request.path.rstrip("/").endswith("/authorize"):
            return _authorize(apps, request, portal_url)
        return json_response(200, _tokens(apps, request, portal_url, now))
    except GrantRefused as refused:
        return json_response(refused.status, {"error": refused.code, "error_description": refused.text})


def _tokens(apps: Applications, request: Request, portal_url: str, now: float) -> dict[str, Any]:
    app, access, refresh, refreshed = apps.grant(request.params)
    body = {
        "access_token": access,
        "refresh_token": refresh,
        "expires_in": int(apps.token_lifetime),
        "client_endpoint": f"{portal_url}/rest/",
        "server_endpoint": f"{portal_url}/rest/",
        "domain": "oauth.bitrix24.tech",
        "member_id": MEMBER_ID,
        "scope": ",".join(sorted(app.scope)),
        "status": "L",
    }
    if refreshed:
        body |= {"expires": int(now + apps.token_lifetime), "user_id": app.user_id}
    return body


def _authorize(apps: Applications, request: Request, portal_url: str) -> Response:
    app = apps.find(request.params.get("client_id"))
    code = apps.issue_code(app.client_id)
    back = app.redirect_uri or php.to_text(request.params.get("redirect_uri"))
    if not back:
        return html(200, _code_page(app.client_id, code))
    answer = {
        "code": code,
        "state": php.to_text(request.params.get("state")),
        "domain": portal_url.partition("://")[2],
        "member_id": MEMBER_ID,
        "scope": ",".join(sorted(app.scope)),
    }
    joint = "&" if "?" in back else "?"
    return Response(302, {"Location": f"{back}{joint}{urlencode(answer)}"}, b"")


def _code_page(client_id: str, code: str) -> str:
    return (
        "<!DOCTYPE html><meta charset='utf-8'><title>Authorization code</title>"
        f"<p>Code for application {escape(client_id)}, valid for 30 seconds:</p><pre id='code'>{code}</pre>"
    )
