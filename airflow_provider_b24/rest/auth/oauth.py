"""
OAuth 2.0: the address a user opens, and what the authorization server is asked.

https://apidocs.bitrix24.com/settings/oauth/index.html
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from airflow_provider_b24.errors import (
    Bitrix24AuthError,
    Bitrix24ConfigError,
    Bitrix24Error,
    Bitrix24TransportError,
    is_temporary_status,
)
from airflow_provider_b24.rest.address import Address, parse_address
from airflow_provider_b24.rest.auth.tokens import TokenPair
from airflow_provider_b24.rest.config import OAuthApp
from airflow_provider_b24.rest.redaction import redact
from airflow_provider_b24.rest.replies import RawReply

PostForm = Callable[[str, Mapping[str, str]], RawReply]

# A refresh token that was used before, by this process or another one, or that has expired.
SPENT = frozenset({"invalid_grant", "bad_verification_code", "expired_token", "invalid_token"})
_LONGEST = 2_000  # characters of a scope or an address
_AUTHORIZE = (
    "Authorize the application again: 'airflow bitrix24 authorize' (before Airflow 3.2: "
    "'python -m airflow_provider_b24.cli authorize') gets new tokens for the connection."
)
_CHECK_APP = "Compare client_id and client_secret of the connection with the application in Bitrix24."
_ADVICE = {
    **dict.fromkeys(SPENT, _AUTHORIZE),
    **dict.fromkeys(("wrong_client", "invalid_client"), _CHECK_APP),
    "payment_required": "The portal's plan or the application's license has expired.",
    "not_installed": "Install the application in the portal, then authorize it again.",
    **dict.fromkeys(("invalid_scope", "insufficient_scope"), "Give the application the scope 'crm'."),
}


@dataclass(frozen=True, slots=True)
class Grant:
    """
    The tokens that the authorization server granted, and for what.

    :param endpoint: address of the REST methods of the portal that the tokens are for, if the server said so.
    :param scope: what the tokens allow, separated by commas.
    :param server: address of the authorization server as the answer names it, or empty.
    """

    pair: TokenPair
    endpoint: str = ""
    scope: str = ""
    server: str = ""


def parse_server(text: str, scheme: str = "https") -> Address:
    """
    Read an authorization server's address, also when it is the full address of an endpoint.

    ``https://oauth.bitrix.info``, ``https://oauth.bitrix.info/oauth/token/`` and
    ``https://oauth.bitrix.info/rest/`` mean the same server.

    :param scheme: the scheme to assume if ``text`` has none.
    :raises Bitrix24ConfigError: it is not an address.
    """
    path = text.strip().rstrip("/")
    for endpoint in ("/oauth/token", "/oauth/authorize", "/oauth", "/rest"):
        path = path.removesuffix(endpoint)
    return parse_address(path, scheme)


def authorize_url(portal: str, client_id: str, state: str = "") -> str:
    """Return the address at which a user of the portal allows an application to act on their behalf."""
    query = {"client_id": client_id, "response_type": "code", **({"state": state} if state else {})}
    return f"{portal}/oauth/authorize/?{urlencode(query)}"


def exchange_code(post: PostForm, app: OAuthApp, code: str, now: float) -> Grant:
    """
    Exchange an authorization code, which is valid for 30 s, for the first tokens.

    :param now: epoch second.
    :raises Bitrix24AuthError: the authorization server rejects it.
    :raises Bitrix24TransportError: it does not answer.
    """
    return _ask(post, app, {"grant_type": "authorization_code", "code": code}, now)


def refresh_tokens(post: PostForm, app: OAuthApp, refresh_token: str, now: float) -> TokenPair:
    """
    Exchange a refresh token for a new pair; raises as ``exchange_code`` does.

    :param now: epoch second.
    """
    return _ask(post, app, {"grant_type": "refresh_token", "refresh_token": refresh_token}, now).pair


def _ask(post: PostForm, app: OAuthApp, grant: Mapping[str, str], now: float) -> Grant:
    form = {**grant, "client_id": app.client_id, "client_secret": app.client_secret}
    raw = _post(post, f"{app.server}/oauth/token/", form)
    answer = _json(raw.body)
    if "error" in answer:
        raise _refusal(raw.status, answer, form)
    pair = TokenPair.from_answer({"refresh_token": grant.get("refresh_token", ""), **answer}, now)
    if pair is None:
        raise _refusal(raw.status, {"error_description": "the answer contains no tokens"}, form)
    endpoint, scope, server = (
        _short_text(answer.get(name)) for name in ("client_endpoint", "scope", "server_endpoint")
    )
    return Grant(pair, _checked(endpoint), scope, _checked(server))


def _short_text(value: Any) -> str:
    """Return a printable text of a plausible length; an empty one for everything else."""
    return value if isinstance(value, str) and value.isprintable() and len(value) <= _LONGEST else ""


def _checked(address: str) -> str:
    """Return an address of an answer if it is one; it is compared and shown, and nothing is sent there."""
    with contextlib.suppress(Bitrix24ConfigError, ValueError):
        if urlsplit(address).hostname and parse_server(address):
            return address
    return ""


def _post(post: PostForm, url: str, form: Mapping[str, str]) -> RawReply:
    try:
        return post(url, form)
    except Bitrix24TransportError as error:
        failure = error.replace(sent=False)  # the portal's call, which waits for the token, was not sent
    raise failure


def _refusal(status: int, answer: Mapping[str, Any], form: Mapping[str, str]) -> Bitrix24Error:
    """The server's own errors are permanent, even with HTTP 200; a server that is down is temporary."""
    secrets = [value for name, value in form.items() if name not in ("grant_type", "client_id")]
    code, text = (redact(str(answer.get(name) or ""), *secrets) for name in ("error", "error_description"))
    text = f"the authorization server rejected the request: {text or code}"
    if is_temporary_status(status):
        return Bitrix24TransportError(text, code=code, http_status=status, sent=False)
    advice = _ADVICE.get(code.lower(), "Check oauth_server and the application of the connection.")
    return Bitrix24AuthError(text, code=code, http_status=status, advice=advice)


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, Mapping) else {}
