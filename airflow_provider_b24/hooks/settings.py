"""The settings in section ``[bitrix24]`` of Airflow's configuration, all read here."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from airflow.providers.common.compat.sdk import conf

from airflow_provider_b24.errors import Bitrix24ConfigError
from airflow_provider_b24.rest.retry import RETRY_TIMEOUT

_REDIS_SCHEMES = ("redis://", "rediss://", "unix://")


@dataclass(frozen=True)
class Settings:
    """
    Settings of a machine, not of a portal.

    :param retry_timeout: seconds without progress after which a temporary error is raised.
    :param pacing_dir: directory of the shared request limits; None for one in the temporary directory.
    :param pacing_redis_url: Redis server to use instead; may contain a password.
    :param token_store: ``variable``, ``file:<directory>`` or the dotted path of a callable.
    """

    retry_timeout: float
    pacing_dir: str | None
    pacing_redis_url: str | None = field(repr=False)
    token_store: str


def read_settings() -> Settings:
    """
    Read the settings.

    :raises Bitrix24ConfigError: one of them cannot be used; the message names it.
    """
    return Settings(
        retry_timeout=_retry_timeout(),
        pacing_dir=_directory("pacing_dir", _get("pacing_dir")),
        pacing_redis_url=_redis_url(),
        token_store=_token_store(),
    )


def read_report_locations() -> tuple[str, ...]:
    """
    Return where the API server may read reports, for the report tab: directories and URLs.

    :raises Bitrix24ConfigError: one of them is neither an absolute path nor a URL.
    """
    locations = [text.strip().rstrip("/") for text in (_get("report_locations") or "").split(",")]
    for text in locations:
        if text and "://" not in text and not Path(text).is_absolute():
            raise Bitrix24ConfigError(
                f"[bitrix24] report_locations must be absolute paths or URLs, got {text!r:.80}"
            )
    return tuple(filter(None, locations))


def read_scratch_path() -> str | None:
    """
    Return where rows are kept between the tries of a task; None: beside its output, or on this machine.

    :raises Bitrix24ConfigError: it is neither an absolute path nor a URL.
    """
    text = _get("scratch_path")
    if not text:
        return None
    if "://" in text:
        return text.rstrip("/")
    return _directory("scratch_path", text)


def _get(name: str) -> str | None:
    value: str | None = conf.get("bitrix24", name, fallback=None)
    return None if value is None else value.strip()


def _retry_timeout() -> float:
    text = _get("retry_timeout")
    if text is None:
        return RETRY_TIMEOUT
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise Bitrix24ConfigError(
            f"[bitrix24] retry_timeout must be a number of seconds, 0 or more, got {text!r:.40}"
        )
    return seconds


def _directory(name: str, text: str | None) -> str | None:
    if not text:
        return None
    path = Path(text)
    if text.startswith("~"):
        try:
            path = path.expanduser()
        except RuntimeError:
            raise Bitrix24ConfigError(f"[bitrix24] {name}: unknown home directory in {text!r:.80}") from None
    if not path.is_absolute():  # each process would use one of its own
        raise Bitrix24ConfigError(f"[bitrix24] {name} must be an absolute path, got {text!r:.80}")
    return str(path)


def _redis_url() -> str | None:
    url = _get("pacing_redis_url")
    if url and not url.startswith(_REDIS_SCHEMES):
        raise Bitrix24ConfigError(
            f"[bitrix24] pacing_redis_url must begin with one of {', '.join(_REDIS_SCHEMES)}"
        )
    return url or None


def _token_store() -> str:
    text = _get("token_store") or "variable"
    scheme, colon, directory = text.partition(":")
    if not colon or scheme != "file":
        return text
    folder = _directory("token_store", directory)
    if folder is None:
        raise Bitrix24ConfigError("[bitrix24] token_store = 'file:' names no directory")
    return f"file:{folder}"
