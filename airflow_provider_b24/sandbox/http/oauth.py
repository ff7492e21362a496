"""The authorization server over HTTP: ``/oauth/token/`` and ``/oauth/authorize/``."""

from __future__ import annotations

from html import escape
from typing import Any
from urllib.parse import urlencode

from airflow_provider_b24.sandbox.http.exchange import Request, Response, html, json_response
from airflow_provider_b24.sandbox.model import php
from airflow_provider_b24.sandbox.model.applications import Applications, GrantRefused

MEMBER_ID = "a223c6b3710f85df22e9377d6c4f7553"
SERVER = "oauth.bitrix24.tech"


def answer(apps: Applications, request: Request, portal_url: str, now: float) -> Response:
    """Answer a request to the authorization server at ``now`` (epoch seconds)."""
    try:
        if request.path.rstrip("/").endswith("/authorize"):
            return _authorize(apps, request, portal_url)
        return json_response(200, _tokens(apps, request, portal_url, now))
    except GrantRefused as refused:
        return json_response(refused.status, {"error": refused.code, "error_description": refused.text})


def _tokens(apps: Applications, request: Request, portal_url: str, now: float) -> dict[str, Any]:
    app, access, refresh = apps.exchange(request.params)
    return {
        "access_token": access,
        "expires": int(now + apps.token_lifetime),
        "expires_in": int(apps.token_lifetime),
        "scope": ",".join(sorted(app.scope)),
        "domain": SERVER,
        "server_endpoint": f"{portal_url}/rest/",
        "status": "L",
        "client_endpoint": f"{portal_url}/rest/",
        "member_id": MEMBER_ID,
        "user_id": app.user_id,
        "refresh_token": refresh,
    }


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
        "server_domain": portal_url.partition("://")[2],
    }
    joint = "&" if "?" in back else "?"
    return Response(302, {"Location": f"{back}{joint}{urlencode(answer)}"}, b"")


def _code_page(client_id: str, code: str) -> str:
    return (
        "<!DOCTYPE html><meta charset='utf-8'><title>Authorization code</title>"
        f"<p>Code for application {escape(client_id)}, valid for 30 seconds:</p><pre id='code'>{code}</pre>"
    )
