"""
Logs why a watcher cannot poll.

A trigger of an ``AssetWatcher`` has no task that could fail, and Airflow starts a trigger that ended with an
error again at once. So a watcher logs each reason once and polls again, whatever the error is.
"""

from __future__ import annotations

import traceback
from typing import Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_b24.errors import Bitrix24Error
from airflow_provider_b24.rest.redaction import redact


class FailureLog:
    """
    Logs a failure once, until another one or a success follows.

    :param what: what failed, the beginning of the message.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._last = ""

    def failed(self, error: Exception, log: Any) -> None:
        """Log why a poll failed, unless it is why the one before failed."""
        reason = _reason(error)
        if reason != self._last:
            log.error("%s; trying again: %s", self._what, reason)
        self._last = reason

    def succeeded(self) -> None:
        """Log the next failure, whatever it is."""
        self._last = ""


def _reason(error: Exception) -> str:
    """Return the text of our errors and of a missing connection; of others also the kind and the place."""
    if isinstance(error, Bitrix24Error | AirflowNotFoundException):
        return str(error)
    place = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" ({place[0].filename}:{place[0].lineno})" if place else ""
    return redact(f"unexpected {type(error).__name__}: {error!s:.500}{where}")
