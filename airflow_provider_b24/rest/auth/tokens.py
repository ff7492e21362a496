"""Where rotated tokens are kept: what a store is, one in memory and one in files."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from airflow_provider_b24.errors import Bitrix24ConfigError
from airflow_provider_b24.rest.config import OAuthApp
from airflow_provider_b24.rest.locks import own_folder

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TokenPair:
    """
    What the authorization server gave last.

    :param expires_at: epoch second at which the access token ends; 0 when nobody knows.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: float = 0.0

    def to_json(self) -> str:
        """Write the pair for a store."""
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
            log.warning("The stored tokens cannot be read; those of the connection are used")
        return pair

    @classmethod
    def from_answer(cls, answer: Any, now: float = 0.0) -> TokenPair | None:
        """Read a pair from an authorization server's answer or from what a store kept; None if it is none."""
        if not isinstance(answer, Mapping):
            return None
        access, refresh = answer.get("access_token"), answer.get("refresh_token")
        if not (isinstance(access, str) and access and isinstance(refresh, str)):
            return None
        lifetime, end = _number(answer.get("expires_in")), _number(answer.get("expires_at"))
        return cls(access, refresh, now + lifetime if lifetime else end)


class TokenStore(Protocol):
    """
    Keeps the last pair of one connection; whatever raises here ends the call that needed a token.

    A store must give back what was saved last by anybody, and must not show it to others.
    """

    def load(self) -> TokenPair | None:
        """Return the pair saved last, None if there is none."""

    def save(self, pair: TokenPair) -> None:
        """Keep a pair; once this returns it must survive the process."""


class MemoryTokenStore:
    """A pair that ends with this process: for tests, and for servers that do not rotate refresh tokens."""

    def __init__(self) -> None:
        self._pair: TokenPair | None = None

    def load(self) -> TokenPair | None:
        return self._pair

    def save(self, pair: TokenPair) -> None:
        self._pair = pair


class FileTokenStore:
    """
    A pair in a file that only its owner may read, for workers of one machine or with a shared disk.

    :param folder: made if it is missing; must be this user's alone.
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
                    f"the tokens' file {self._name} can be read by others than its owner"
                )
            return TokenPair.from_json(file.read())

    def save(self, pair: TokenPair) -> None:
        """
        Put the pair in the place of the old one, wholly or not at all.

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
        return Bitrix24ConfigError(f"tokens cannot be kept in {self._folder}: {error.strerror}")


def fingerprint(app: OAuthApp) -> str:
    """
    Name the tokens that descend from a connection's own, in 32 hexadecimal digits.

    A connection that is edited gets another name, so its new tokens win over those stored for the old ones;
    a copy of a connection, or a test of it under another id, shares its tokens instead of using them up.
    """
    return _digest(app, b"name").hex()


def storage_key(app: OAuthApp) -> bytes:
    """Return 32 bytes to encrypt later tokens with, known only to who knows a connection's first ones."""
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


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0
