"""
Where a task keeps rotated OAuth tokens.

Airflow 3 lets a task read connections but write only Variables. So the tokens lie in a Variable, which
Airflow encrypts with its Fernet key. They are encrypted before that, too: on its way to the database a value
passes Airflow's supervisor, which logs it whole, unmasked, at DEBUG.
"""

from __future__ import annotations

import base64
import importlib
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

from airflow.providers.common.compat.sdk import conf

from airflow_provider_b24.errors import Bitrix24ConfigError, Bitrix24TransportError
from airflow_provider_b24.hooks.settings import read_settings
from airflow_provider_b24.rest.auth.tokens import (
    FileTokenStore,
    TokenPair,
    TokenStore,
    fingerprint,
    storage_key,
)
from airflow_provider_b24.rest.config import OAuthApp

log = logging.getLogger(__name__)


def open_token_store(app: OAuthApp, conn_id: str) -> TokenStore:
    """
    Return the store that ``[bitrix24] token_store`` names, for one connection's tokens.

    ``variable`` (the default), ``file:<directory>``, or the dotted path of a callable that takes ``conn_id``
    and ``fingerprint`` (tokens of another fingerprint belong to an older state of the connection).

    :raises Bitrix24ConfigError: there is no such store.
    """
    setting = read_settings().token_store
    name = fingerprint(app)
    if setting == "variable":
        return VariableTokenStore(name, storage_key(app), conn_id)
    if setting.startswith("file:"):
        return FileTokenStore(setting.removeprefix("file:"), name)
    module, _, attribute = setting.rpartition(".")
    try:
        make = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise Bitrix24ConfigError(
            f"[bitrix24] token_store = {setting!r} cannot be imported: {error}"
        ) from None
    store: TokenStore = make(conn_id=conn_id, fingerprint=name)
    return store


class VariableTokenStore:
    """
    A pair in an Airflow Variable ``bitrix24_token__<name>``, whose value Airflow's user interface hides.

    :param name: the fingerprint of the connection's first tokens. The Variable is not named after the
        connection, because Airflow tests a connection under another id, and copies are made of it: all of
        them must share what becomes of one refresh token.
    :param key: 32 bytes to encrypt with; see ``storage_key``.
    :param conn_id: the connection, for the Variable's description.
    """

    def __init__(self, name: str, key: bytes, conn_id: str) -> None:
        from cryptography.fernet import Fernet

        self.key = f"bitrix24_token__{name}"
        self._cipher = Fernet(base64.urlsafe_b64encode(key))
        self._conn_id = conn_id
        self._warned = False

    def load(self) -> TokenPair | None:
        """
        Return the pair saved last.

        :raises Bitrix24TransportError: Airflow does not answer.
        :raises Bitrix24ConfigError: this process has no access to Variables.
        """
        from cryptography.fernet import InvalidToken

        text = _attempt("read", lambda: _get(self.key))
        if text is None:
            return None
        try:
            return TokenPair.from_json(self._cipher.decrypt(text).decode())
        except InvalidToken:
            log.warning(
                "The Variable %s holds no tokens of this provider; those of the connection are used", self.key
            )
            return None

    def save(self, pair: TokenPair) -> None:
        """Keep a pair and look whether Airflow really did; raises as ``load`` does."""
        self._warn_if_in_the_clear()
        text = self._cipher.encrypt(pair.to_json().encode()).decode()
        description = f"OAuth tokens of the Bitrix24 connection {self._conn_id}, kept by its provider"
        _attempt("written", lambda: _variables().set(self.key, text, description=description))
        if _attempt("read", lambda: _get(self.key)) != text:
            raise Bitrix24TransportError(
                f"the Variable {self.key} does not hold what was written: Airflow refused it (see its log), "
                "or a secrets backend holds a Variable of this name",
                sent=False,
            )

    def _warn_if_in_the_clear(self) -> None:
        if not self._warned and not conf.get("core", "fernet_key", fallback=""):
            self._warned = True
            log.warning(
                "No Fernet key is configured here ([core] fernet_key): unless Airflow's API server has one, "
                "connections lie in the metadata database in the clear, and with what stands there the OAuth "
                "tokens in the Variable %s can be read too",
                self.key,
            )


def _variables() -> Any:
    """Return the Variables that this process may use: a task those of the Task SDK, others the database's."""
    runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    if getattr(runner, "SUPERVISOR_COMMS", None) is not None:
        from airflow.providers.common.compat.sdk import Variable

        return Variable
    if os.environ.get("_AIRFLOW_PROCESS_CONTEXT") == "client":  # a worker of Airflow 3 outside of a task
        raise Bitrix24ConfigError(
            "this process has no access to Airflow's Variables, so it must not use up a refresh token: test "
            "this connection with 'airflow connections test' or in a task"
        )
    from airflow.models.variable import Variable as DatabaseVariable

    return DatabaseVariable


def _get(key: str) -> str | None:
    variables = _variables()
    in_task = variables.__module__.startswith("airflow.sdk")
    value: str | None = variables.get(key, **{"default" if in_task else "default_var": None})
    return value


def _attempt(what: str, action: Callable[[], Any]) -> Any:
    """Do it, or say that it failed and why, without the error of a database: its text may quote the value."""
    try:
        return action()
    except Bitrix24ConfigError:
        raise
    except Exception as error:  # noqa: BLE001 - Airflow 2 and 3 have no class of errors in common here
        reason = type(error).__name__
    raise Bitrix24TransportError(f"Airflow's Variables cannot be {what} ({reason})", sent=False)
