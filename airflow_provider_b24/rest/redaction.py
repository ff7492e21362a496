"""Keeps webhooks out of urllib3's logs: it writes request paths at DEBUG, where Airflow may mask nothing."""

from __future__ import annotations

import logging
import re

_SECRET_PATH = re.compile(r"(/rest/(?:api/)?[0-9]+/)[^/\s\"'?]+")
_LOGGERS = (
    "urllib3",
    "urllib3.connectionpool",
    "urllib3.connection",
    "urllib3.util.retry",
    "urllib3.response",
)


def redact(text: str) -> str:
    """Return the text with the code of every webhook's address in it replaced by ``***``."""
    return _SECRET_PATH.sub(r"\1***", text)


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
