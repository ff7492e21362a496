"""
Keeps secrets out of what others write: urllib3's logs, servers' answers and error texts, tracebacks.

What listens below this package is kept from them in ``connections`` and ``instruments``.
"""

from __future__ import annotations

import functools
import json
import logging
import re
import sys
import traceback
from urllib.parse import quote, quote_plus

from airflow_provider_b24.errors import Bitrix24Error

_SECRET_PATH = re.compile(r"(/rest/(?:api/)?[0-9]+/)[^/\s\"'?]+")
_SHORTEST = 8  # a secret that is shorter may be part of anything; Bitrix24's have 16 characters and more
_MOST_KNOWN = 100  # secrets that are remembered; an application's change every hour
_LOGGERS = (
    "urllib3",
    "urllib3.connectionpool",
    "urllib3.connection",
    "urllib3.util.retry",
    "urllib3.response",
)


_known: dict[str, None] = {}  # secrets in the order in which they were used


def remember_secrets(*secrets: str) -> None:
    """Redact these from now on in what is written by others, such as Sentry's events."""
    for secret in secrets:
        if len(secret) >= _SHORTEST:
            _known.pop(secret, None)
            _known[secret] = None
    for oldest in list(_known)[:-_MOST_KNOWN]:
        _known.pop(oldest, None)


def redact_known(text: str) -> str:
    """Return the text with ``***`` for the code of every webhook's address and for all remembered secrets."""
    return redact(text, *list(_known))


def redact(text: str, *secrets: str) -> str:
    """Return the text with ``***`` for the code of every webhook's address and for these secrets."""
    for secret in secrets:
        for form in _written_forms(secret):
            text = text.replace(form, "***")
    return _SECRET_PATH.sub(r"\1***", text)


def redact_answer(body: bytes, *secrets: str) -> bytes:
    """
    Return the JSON of an answer with ``***`` for these secrets.

    The addresses of files contain the code of the webhook, or the token, that asked for them, and data goes
    into XComs, files, and tables.
    https://apidocs.bitrix24.com/api-reference/crm/universal/crm-item-list.html
    """
    for secret in secrets:
        if len(secret) >= _SHORTEST:
            for form in _written_forms(secret):
                body = body.replace(form.encode(), b"***")
    return body


@functools.lru_cache(maxsize=2 * _MOST_KNOWN)
def _written_forms(secret: str) -> tuple[str, ...]:
    """Return a secret as it is, as it looks inside addresses, and as it looks inside JSON."""
    written = (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
    by_php = (form.replace("/", "\\/") for form in written)
    return tuple(dict.fromkeys((*secret_forms(secret), *filter(None, (*written, *by_php)))))


def secret_forms(secret: str) -> list[str]:
    """Return a secret as it is and as it looks inside addresses; nothing for an empty one."""
    forms = (secret, quote(secret), quote(secret, safe=""), quote_plus(secret))
    return [form for form in dict.fromkeys(forms) if form]


def without_frames(error: BaseException) -> BaseException:
    """
    Return an error, and the errors behind it, without their tracebacks; call it outside of ``except``.

    The frames of a request hold its address and body in their variables, which error trackers and some
    formatters of logs show. Our errors say all in their text; others get a note of where they come from.
    """
    if not isinstance(error, Bitrix24Error):
        places = traceback.extract_tb(error.__traceback__)
        error.add_note("\n".join(f"  at {one.filename}:{one.lineno} in {one.name}" for one in places))
    handled = sys.exception()  # what the caller was busy with already is none of ours
    behind: BaseException | None = error
    while behind is not None and behind is not handled and behind.__traceback__ is not None:
        behind.__traceback__ = None
        behind = behind.__cause__ or behind.__context__
    return error


def redact_logs() -> None:
    """Make urllib3's loggers redact; once is enough."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_filter)


class _Redact(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if "/rest/" in text:
            record.msg, record.args = redact(text), ()
        return True


_filter = _Redact()  # one object: a logger takes the same filter only once
