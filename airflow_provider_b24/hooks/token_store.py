"""
Where a task stores renewed OAuth tokens.

An Airflow 3 task can read connections but not change them. It can change Variables, so the tokens are stored
in a Variable, which Airflow encrypts with its Fernet key. They are encrypted before that, too: on its way to
the database, a value passes through Airflow's supervisor, which logs it unmasked at DEBUG.
"""

from __future__ import annotations

import base64
import importlib
import logging
from collections.abc import Callable
from typing import Any

from airflow.providers.common.compat.sdk import conf

from airflow_provider_b24.errors import Bitrix24ConfigError, Bitrix24TransportError
from airflow_provider_b24.hooks.settings import read_settings
from airflow_provider_b24.hooks.variables import get_variable, set_variable
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
    and ``fingerprint`` (tokens with another fingerprint were renewed from other tokens of the connection).

    :raises Bitrix24ConfigError: the store cannot be imported.
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
    Tokens in an Airflow Variable ``bitrix24_token__<name>``, whose value the Airflow UI hides.

    :param name: the fingerprint of the connection's first tokens. The Variable is not named after the
        connection: Airflow tests a connection under another id, and users copy connections. All of these
        must share the tokens that were renewed from the same refresh token.
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

        text = _attempt("read", lambda: get_variable(self.key))
        if text is None:
            return None
        try:
            return TokenPair.from_json(self._cipher.decrypt(text).decode())
        except InvalidToken:
            log.warning(
                "The Variable %s does not contain tokens of this connection; using the connection's own",
                self.key,
            )
            return None

    def save(self, pair: TokenPair) -> None:
        """Store a pair, and read it again to make sure that it is stored; raises as ``load`` does."""
        self._warn_if_not_encrypted()
        text = self._cipher.encrypt(pair.to_json().encode()).decode()
        description = f"Renewed OAuth tokens of the Bitrix24 connection {self._conn_id}"
        _attempt("written", lambda: set_variable(self.key, text, description))
        if _attempt("read", lambda: get_variable(self.key)) != text:
            raise Bitrix24TransportError(
                f"the Variable {self.key} could not be changed: Airflow rejected the value (see its log), "
                "or a secrets backend has a Variable of the same name",
                sent=False,
            )

    def _warn_if_not_encrypted(self) -> None:
        if not self._warned and not conf.get("core", "fernet_key", fallback=""):
            self._warned = True
            log.warning(
                "No Fernet key is configured here ([core] fernet_key). Unless Airflow's API server has one, "
                "connections are stored unencrypted, and whoever can read the metadata database can also "
                "decrypt the OAuth tokens in the Variable %s",
                self.key,
            )


def _attempt(what: str, action: Callable[[], Any]) -> Any:
    """Run the action; an error does not quote that of Airflow, whose text may contain the value."""
    try:
        return action()
    except Bitrix24ConfigError:
        raise
    except Exception as error:  # noqa: BLE001 - the errors of Airflow 2 and 3 have no common class
        reason = type(error).__name__
    raise Bitrix24TransportError(f"Airflow's Variables cannot be {what} ({reason})", sent=False)
