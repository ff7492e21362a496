"""Where renewed tokens are stored: in memory or in files."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeGuard

from airflow_provider_b24.errors import Bitrix24ConfigError
from airflow_provider_b24.rest.config import OAuthApp
from airflow_provider_b24.rest.locks import own_folder
from airflow_provider_b24.rest.replies import parse_number

log = logging.getLogger(__name__)

_LONGEST_TOKEN = 10_000  # characters; Bitrix24's have fewer than a hundred
_LONGEST_LIFE = 86_400.0 * 31  # seconds; an access token of Bitrix24 lives for an hour


@dataclass(frozen=True, slots=True)
class TokenPair:
    """
    The latest tokens of the authorization server.

    :param expires_at: epoch second at which the access token expires; 0 if unknown.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: float = 0.0

    def to_json(self) -> str:
        """Return the pair as text for a store."""
        return json.dumps(
            {
                "access_token": self.access_token,
                "refresh_token": self.refresh_token,
                "expires_at": self.expires_at,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> TokenPair | None:
        """Read what ``to_json`` wrote; None, with a warning, for anything else."""
        try:
            stored = json.loads(text)
        except ValueError:
            stored = None
        pair = cls.from_answer(stored)
        if pair is None:
            log.warning("The stored tokens cannot be read; using the tokens of the connection")
        return pair

    @classmethod
    def from_answer(cls, answer: Any, now: float = 0.0) -> TokenPair | None:
        """Read a pair from an authorization server's answer or from a store; None if it is not a pair."""
        if not isinstance(answer, Mapping):
            return None
        access, refresh = answer.get("access_token"), answer.get("refresh_token")
        if not (_is_token(access) and access and _is_token(refresh)):
            return None
        lifetime = parse_number(answer.get("expires_in")) or 0.0
        expires_at = now + min(lifetime, _LONGEST_LIFE) if lifetime > 0 else 0.0
        return cls(access, refresh, expires_at or max(parse_number(answer.get("expires_at")) or 0.0, 0.0))


def _is_token(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and value.isprintable() and len(value) <= _LONGEST_TOKEN


class TokenStore(Protocol):
    """
    Stores the latest pair of one connection; an error raised here fails the call that needed a token.

    A store must return what was saved last by any process, and must not show it to others.
    """

    def load(self) -> TokenPair | None:
        """Return the pair saved last, or None."""

    def save(self, pair: TokenPair) -> None:
        """Store a pair; once this returns, the pair must survive the process."""


class MemoryTokenStore:
    """A pair known to this process only: for tests, and for servers that do not rotate refresh tokens."""

    def __init__(self) -> None:
        self._pair: TokenPair | None = None

    def load(self) -> TokenPair | None:
        return self._pair

    def save(self, pair: TokenPair) -> None:
        self._pair = pair


class FileTokenStore:
    """
    A pair in a file that only its owner may read, for workers of one machine or with a shared disk.

    :param folder: created if it is missing; only this user may have access to it.
    :param name: name of the file; see ``fingerprint``.
    """

    def __init__(self, folder: str | Path, name: str) -> None:
        self._folder = Path(folder)
        self._name = f"{name}.json"

    def load(self) -> TokenPair | None:
        """
        Return the pair saved last.

        :raises Bitrix24ConfigError: the folder or the file is open to others, or cannot be read.
        """
        try:
            handle = os.open(self._path(), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(error) from None
        with os.fdopen(handle, encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise Bitrix24ConfigError(
                    f"the token file {self._name} can be read by others than its owner: run chmod 600 on it"
                )
            return TokenPair.from_json(file.read())

    def save(self, pair: TokenPair) -> None:
        """
        Replace the old pair, completely or not at all.

        :raises Bitrix24ConfigError: it cannot be written.
        """
        path = self._path()
        try:
            handle, draft = tempfile.mkstemp(dir=self._folder, prefix=f".{self._name}")  # 0600
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(pair.to_json())
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(draft, path)
            except BaseException:
                os.unlink(draft)
                raise
            _sync_folder(self._folder)
        except OSError as error:
            raise self._unusable(error) from None

    def _path(self) -> Path:
        try:
            return own_folder(self._folder) / self._name
        except OSError as error:
            raise self._unusable(error) from None

    def _unusable(self, error: OSError) -> Bitrix24ConfigError:
        return Bitrix24ConfigError(f"tokens cannot be stored in {self._folder}: {error.strerror}")


def fingerprint(app: OAuthApp) -> str:
    """
    Return a name, 32 hexadecimal digits, for all tokens that were renewed from a connection's own.

    An edited connection gets another name, so its new tokens take precedence over those stored for the old
    ones. A copy of a connection, or a test of it under another id, shares its tokens.
    """
    return _digest(app, b"name").hex()


def storage_key(app: OAuthApp) -> bytes:
    """Return 32 bytes to encrypt renewed tokens with, derived from the connection's own tokens."""
    return _digest(app, b"key", size=32)


def _digest(app: OAuthApp, purpose: bytes, size: int = 16) -> bytes:
    origin = "\0".join((app.client_id, app.refresh_token or app.access_token))
    return hashlib.blake2b(origin.encode(), digest_size=size, person=purpose).digest()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
