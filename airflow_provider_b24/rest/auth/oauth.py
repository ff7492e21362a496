"""
OAuth 2.0: tokens that expire, and refresh tokens that may be good for one use only.

A pair is renewed when the portal calls its access token expired, never earlier: the documentation warns that
refreshing on a timer gets an application blocked.

https://apidocs.bitrix24.com/settings/oauth/index.html
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from airflow_provider_b24.errors import Bitrix24AuthError, Bitrix24Error, Bitrix24TransportError
from airflow_provider_b24.rest.address import Address, parse_address
from airflow_provider_b24.rest.auth.tokens import TokenPair, TokenStore, fingerprint
from airflow_provider_b24.rest.calls import Signed
from airflow_provider_b24.rest.clock import Clock
from airflow_provider_b24.rest.config import OAuthApp
from airflow_provider_b24.rest.locks import machine_lock
from airflow_provider_b24.rest.redaction import redact
from airflow_provider_b24.rest.replies import RawReply

log = logging.getLogger(__name__)

T = TypeVar("T")
SecretListener = Callable[[str], None]
PostForm = Callable[[str, Mapping[str, str]], RawReply]

STORE_LOOKS = 5  # looks for another host's pair after a refused refresh token, or tries to save a pair
STORE_PAUSE = 1.0  # seconds between them

_REFUSED = frozenset({"invalid_grant", "bad_verification_code", "expired_token", "invalid_token"})
_AUTHORIZE = (
    "Authorize the application anew: 'airflow bitrix24 authorize' (before Airflow 3.2: "
    "'python -m airflow_provider_b24.cli authorize') gets new tokens for the connection."
)
_CHECK_APP = "Compare client_id and client_secret of the connection with the application in Bitrix24."
_ADVICE = {
    **dict.fromkeys(_REFUSED, _AUTHORIZE),
    **dict.fromkeys(("wrong_client", "invalid_client"), _CHECK_APP),
    "payment_required": "The portal's plan or the application's licence has ended.",
    "not_installed": "Install the application in the portal, then authorize it anew.",
    **dict.fromkeys(("invalid_scope", "insufficient_scope"), "Give the application the scope 'crm'."),
}


@dataclass(frozen=True, slots=True)
class Grant:
    """
    What the authorization server answers.

    :param endpoint: address of the REST methods of the portal that the tokens are for, if it was told.
    :param scope: what the tokens allow, separated by commas.
    :param server: address of the authorization server as the answer names it, or empty.
    """

    pair: TokenPair
    endpoint: str = ""
    scope: str = ""
    server: str = ""


class OAuthAuth:
    """
    Signs requests with an application's access token and renews it; safe to use from several threads.

    :param app: the application and its first tokens.
    :param post: POSTs a form to an address, as ``Transport.post_form`` does.
    :param store: where the tokens are kept that follow.
    :param on_new_secret: called with every token before it is used.
    :param clock: time and waiting.
    :param lock_folder: where the lock against other processes lies; by default in the temporary directory.
    """

    def __init__(
        self,
        app: OAuthApp,
        post: PostForm,
        store: TokenStore,
        *,
        on_new_secret: SecretListener,
        clock: Clock,
        lock_folder: Path | None = None,
    ) -> None:
        self._app = app
        self._post = post
        self._store = store
        self._tell = on_new_secret
        self._clock = clock
        self._lock_folder = lock_folder
        self._guard = threading.Lock()
        self._pair: TokenPair | None = None
        self._refused = {""}
        self._unsaved = False

    def sign(self, method: str, params: Mapping[str, Any]) -> Signed:
        """
        Return a request with its token, which is in the body, as addresses end up in logs.

        :raises Bitrix24AuthError: the application has no access token and gets none.
        """
        with self._guard:
            pair = self._current()
            if not pair.access_token:
                pair = self._pair = _to_its_end(lambda: self._renewed(pair)) or pair
        return Signed(f"/rest/{method}", {**params, "auth": pair.access_token})

    def renew(self, signed: Signed) -> bool:
        """
        Replace the access token that the portal called expired, by one refresh for all who share it.

        :raises Bitrix24AuthError: the authorization server refuses; permanent.
        :raises Bitrix24TransportError: it does not answer; temporary.
        """
        refused = str(signed.body.get("auth", ""))
        with self._guard:
            pair = self._current()
            if pair.access_token != refused:
                return True
            self._refused.add(refused)
            new = _to_its_end(lambda: self._renewed(pair))
            self._pair = new or pair
            return new is not None

    def _current(self) -> TokenPair:
        if self._pair is None:
            self._pair = self._load() or TokenPair(self._app.access_token, self._app.refresh_token)
        return self._pair

    def _renewed(self, pair: TokenPair) -> TokenPair | None:
        """Return another's newer pair or a new one; None where there is no refresh token."""
        with machine_lock(f"oauth-{fingerprint(self._app)}", self._clock, self._lock_folder):
            stored = None if self._unsaved else self._load()
            if stored is not None and self._is_fresh(stored):
                return stored
            pair = stored or pair
            return self._exchanged(pair) if pair.refresh_token else None

    def _exchanged(self, pair: TokenPair) -> TokenPair:
        spent: set[str] = set()
        while True:
            spent.add(pair.refresh_token)
            try:
                return self._keep(
                    refresh_tokens(self._post, self._app, pair.refresh_token, self._clock.now())
                )
            except Bitrix24AuthError as error:
                if error.code.lower() not in _REFUSED:
                    raise
                refusal = error
            newer = self._newer(spent)
            if newer is None:
                raise refusal
            if self._is_fresh(newer):
                return newer
            pair = newer

    def _newer(self, spent: set[str]) -> TokenPair | None:
        """Look for the pair of whoever used the refresh token first; a lock does not reach other hosts."""
        for look in range(STORE_LOOKS):
            if look:
                self._clock.sleep(STORE_PAUSE)
            stored = self._load()
            if stored is not None and stored.refresh_token not in spent:
                return stored
        return None

    def _is_fresh(self, pair: TokenPair) -> bool:
        return pair.access_token not in self._refused and not 0 < pair.expires_at <= self._clock.now()

    def _load(self) -> TokenPair | None:
        pair = self._store.load()
        if pair is not None:
            self._tell_all(pair)
        return pair

    def _keep(self, pair: TokenPair) -> TokenPair:
        """Save a new pair; should that fail for good, it still serves this process."""
        self._unsaved = True
        try:
            self._tell_all(pair)
        except Exception as error:  # noqa: BLE001 - a listener is anybody's code; the only pair must be saved
            log.warning("New tokens could not be registered with the masker (%s)", type(error).__name__)
        for attempt in range(STORE_LOOKS):
            if attempt:
                self._clock.sleep(STORE_PAUSE)
            try:
                self._store.save(pair)
            except Exception as error:  # noqa: BLE001 - a store is anybody's code, and its text may hold a token
                reason = str(error) if isinstance(error, Bitrix24Error) else type(error).__name__
            else:
                self._unsaved = False
                return pair
        log.error(
            "The new tokens could not be saved (%s); after this process the old ones may be refused", reason
        )
        return pair

    def _tell_all(self, pair: TokenPair) -> None:
        for token in (pair.access_token, pair.refresh_token):
            if token:
                self._tell(token)


def _to_its_end(action: Callable[[], T]) -> T:
    """
    Run in a thread of its own and wait for its end, whatever happens.

    A task's timeout is raised in the main thread. Between the exchange of a token and the saving of its
    successor it would lose the only pair that is still good.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="bitrix24_tokens") as thread:
        return thread.submit(action).result()


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
    """Return the address at which a user of the portal allows an application to act for him."""
    query = {"client_id": client_id, "response_type": "code", **({"state": state} if state else {})}
    return f"{portal}/oauth/authorize/?{urlencode(query)}"


def exchange_code(post: PostForm, app: OAuthApp, code: str, now: float) -> Grant:
    """
    Turn an authorization code, which lives for 30 s, into the first tokens.

    :param now: epoch second.
    :raises Bitrix24AuthError: the authorization server refuses.
    :raises Bitrix24TransportError: it does not answer.
    """
    return _ask(post, app, {"grant_type": "authorization_code", "code": code}, now)


def refresh_tokens(post: PostForm, app: OAuthApp, refresh_token: str, now: float) -> TokenPair:
    """
    Turn a refresh token into a new pair; raises as ``exchange_code`` does.

    :param now: epoch second.
    """
    return _ask(post, app, {"grant_type": "refresh_token", "refresh_token": refresh_token}, now).pair


def _ask(post: PostForm, app: OAuthApp, grant: Mapping[str, str], now: float) -> Grant:
    form = {**grant, "client_id": app.client_id, "client_secret": app.client_secret}
    try:
        raw = post(f"{app.server}/oauth/token/", form)
    except Bitrix24TransportError as error:
        error.sent = False  # the portal's call, which waits for the token, was not carried out
        raise
    answer = _json(raw.body)
    if "error" in answer:
        raise _refusal(raw.status, answer, form)
    pair = TokenPair.from_answer({"refresh_token": grant.get("refresh_token", ""), **answer}, now)
    if pair is None:
        raise _refusal(raw.status, {"error": "", "error_description": "the answer holds no tokens"}, form)
    endpoint, scope, server = (
        str(answer.get(name) or "") for name in ("client_endpoint", "scope", "server_endpoint")
    )
    return Grant(pair, endpoint, scope, server)


def _refusal(status: int, answer: Mapping[str, Any], form: Mapping[str, str]) -> Bitrix24Error:
    """What the server says on purpose is permanent, also with HTTP 200; its own failures are temporary."""
    secrets = [value for name, value in form.items() if name not in ("grant_type", "client_id")]
    code, text = (redact(str(answer.get(name) or ""), *secrets) for name in ("error", "error_description"))
    text = f"the authorization server refuses: {text or code}"
    if status >= 500 or status in (408, 425, 429):
        return Bitrix24TransportError(text, code=code, http_status=status, sent=False)
    advice = _ADVICE.get(code.lower(), "Check oauth_server and the application of the connection.")
    return Bitrix24AuthError(text, code=code, http_status=status, advice=advice)


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, Mapping) else {}
