"""
Requests of an OAuth application, whose access tokens expire and whose refresh tokens may be used once.

A pair is renewed when the portal calls its access token expired, never earlier: the documentation warns that
refreshing on a timer gets an application blocked.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any, TypeVar

from airflow_provider_b24.errors import Bitrix24AuthError, Bitrix24Error
from airflow_provider_b24.rest.auth.oauth import SPENT, PostForm, refresh_tokens
from airflow_provider_b24.rest.auth.tokens import TokenPair, TokenStore, fingerprint
from airflow_provider_b24.rest.calls import Signed
from airflow_provider_b24.rest.clock import Clock
from airflow_provider_b24.rest.config import OAuthApp
from airflow_provider_b24.rest.forks import bind_to_process
from airflow_provider_b24.rest.locks import machine_lock, thread_lock
from airflow_provider_b24.rest.redaction import remember_secrets

log = logging.getLogger(__name__)

T = TypeVar("T")
SecretListener = Callable[[str], None]

STORE_TRIES = 5  # to find another host's pair after a rejected refresh token, or to save a pair
STORE_PAUSE = 1.0  # seconds between them
LAST_WAIT = 10.0  # seconds for which a task that is interrupted waits for a renewal under way


class OAuthAuth:
    """
    Signs requests with an application's access token and renews it; safe to use from several threads.

    :param app: the application and its first tokens.
    :param post: POSTs a form to an address, as ``Transport.post_form`` does.
    :param store: where renewed tokens are stored.
    :param on_new_secret: called with every token before it is used.
    :param clock: time and waiting.
    :param lock_folder: where the lock against other processes is; by default in the temporary directory.
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
        self._tokens = _StoredTokens(store, on_new_secret, clock)
        self._clock = clock
        self._lock_folder = lock_folder
        self._guard = threading.Lock()
        self._pair: TokenPair | None = None
        self._expired = {""}
        bind_to_process(self)

    def after_fork(self) -> None:
        """Forget the pair, unless it exists nowhere else: the parent may have renewed it meanwhile."""
        self._guard = threading.Lock()
        if not self._tokens.unsaved:
            self._pair = None

    def sign(self, method: str, params: Mapping[str, Any]) -> Signed:
        """
        Return a request with its token, which is in the body, as addresses end up in logs.

        :raises Bitrix24AuthError: the application has no access token and cannot get one.
        """
        with thread_lock(self._guard) as left:
            pair = self._current()
            if not pair.access_token:
                pair = self._pair = _without_interruption(lambda: self._renewed(pair, left)) or pair
        secrets = (*self._app.secrets, *filter(None, (pair.access_token, pair.refresh_token)))
        return Signed(method, f"/rest/{method}", {**params, "auth": pair.access_token}, secrets)

    def renew(self, signed: Signed) -> bool:
        """
        Replace the access token that the portal called expired, with one refresh for all who share it.

        :raises Bitrix24AuthError: the authorization server rejects the refresh token; permanent.
        :raises Bitrix24TransportError: it does not answer; temporary.
        """
        expired = str(signed.body.get("auth", ""))
        with thread_lock(self._guard) as left:
            pair = self._current()
            if pair.access_token != expired:
                return True
            self._expired.add(expired)
            new = _without_interruption(lambda: self._renewed(pair, left))
            self._pair = new or pair
            return new is not None

    def _current(self) -> TokenPair:
        if self._pair is None:
            self._pair = self._tokens.load() or TokenPair(self._app.access_token, self._app.refresh_token)
        return self._pair

    def _renewed(self, pair: TokenPair, timeout: float) -> TokenPair | None:
        """
        Return a newer pair of another process or a new one; None without a refresh token.

        :param timeout: seconds to wait for another process that renews.
        """
        name = f"oauth-{fingerprint(self._app)}"
        with machine_lock(name, self._clock, self._lock_folder, timeout):
            stored = None if self._tokens.unsaved else self._tokens.load()
            if stored is not None and self._is_fresh(stored):
                return stored
            pair = stored or pair
            return self._refreshed(pair) if pair.refresh_token else None

    def _refreshed(self, pair: TokenPair) -> TokenPair:
        spent: set[str] = set()
        while True:
            spent.add(pair.refresh_token)
            try:
                new = refresh_tokens(self._post, self._app, pair.refresh_token, self._clock.now())
            except Bitrix24AuthError as error:
                if error.code.lower() not in SPENT:
                    raise
                refusal = error
            else:
                self._tokens.save(new)
                return new
            newer = self._tokens.load_newer(spent)
            if newer is None:
                raise refusal
            if self._is_fresh(newer):
                return newer
            pair = newer

    def _is_fresh(self, pair: TokenPair) -> bool:
        return pair.access_token not in self._expired and not 0 < pair.expires_at <= self._clock.now()


class _StoredTokens:
    """
    A token store that may fail, and the listener that hears of every token in it.

    :ivar unsaved: whether the latest pair could not be saved, so that it exists in this process only.
    """

    def __init__(self, store: TokenStore, on_new_secret: SecretListener, clock: Clock) -> None:
        self.unsaved = False
        self._store = store
        self._tell = on_new_secret
        self._clock = clock

    def load(self) -> TokenPair | None:
        pair = self._store.load()
        if pair is not None:
            self._tell_all(pair)
        return pair

    def load_newer(self, spent: Collection[str]) -> TokenPair | None:
        """Return the pair of whoever used the refresh token first; a lock does not reach other hosts."""
        for attempt in range(STORE_TRIES):
            if attempt:
                self._clock.sleep(STORE_PAUSE)
            stored = self.load()
            if stored is not None and stored.refresh_token not in spent:
                return stored
        return None

    def save(self, pair: TokenPair) -> None:
        """Save a new pair; if that fails for good, the pair still serves this process."""
        self.unsaved = True
        try:
            self._tell_all(pair)
        except Exception as error:  # noqa: BLE001 - a listener may raise anything; the only pair must be saved
            log.warning("New tokens could not be registered with the masker (%s)", type(error).__name__)
        for attempt in range(STORE_TRIES):
            if attempt:
                self._clock.sleep(STORE_PAUSE)
            try:
                self._store.save(pair)
            except Exception as error:  # noqa: BLE001 - a store may raise anything, and its text may hold a token
                reason = str(error) if isinstance(error, Bitrix24Error) else type(error).__name__
            else:
                self.unsaved = False
                return
        log.error(
            "The new tokens could not be saved (%s). The next task may have to be authorized again", reason
        )

    def _tell_all(self, pair: TokenPair) -> None:
        for token in (pair.access_token, pair.refresh_token):
            if token:
                remember_secrets(token)
                self._tell(token)


def _without_interruption(action: Callable[[], T]) -> T:
    """
    Run in a thread of its own, and wait until it has finished; if interrupted, not for much longer.

    A task's timeout is raised in the main thread. Between the exchange of a token and the saving of the new
    pair, it would lose the only pair that is still valid. An authorization server that hangs must not keep
    the task, though: after ``LAST_WAIT`` the thread is left behind, and ends with the process.
    """
    done: Future[T] = Future()
    thread = threading.Thread(target=_run, args=(action, done), name="bitrix24_tokens", daemon=True)
    try:
        thread.start()
        return done.result()
    except BaseException:
        if wait([done], LAST_WAIT).not_done:
            log.warning(
                "The task ends while its tokens are being renewed. If the authorization server has replaced "
                "them, the application must be authorized again"
            )
        raise


def _run(action: Callable[[], T], done: Future[T]) -> None:
    try:
        done.set_result(action())
    except BaseException as error:  # noqa: BLE001 - whatever it is, the waiting thread raises it
        done.set_exception(error)
