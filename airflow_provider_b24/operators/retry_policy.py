"""How Airflow 3.3 and newer retry a task that failed with one of this package's errors."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pendulum
from airflow.providers.common.compat.sdk import RetryDecision, RetryPolicy

from airflow_provider_b24.errors import Bitrix24Error

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class Bitrix24RetryPolicy(RetryPolicy):
    """Permanent errors are not retried; the portal's ``retry_at`` becomes the time of the next try."""

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        if not isinstance(exception, Bitrix24Error):
            return RetryDecision.default()
        if not exception.temporary:
            return RetryDecision.fail(reason=str(exception))
        if exception.retry_at is None:
            return RetryDecision.default()
        wait = max(exception.retry_at - pendulum.now("UTC"), timedelta())
        return RetryDecision.retry(delay=wait, reason=str(exception))

    def serialize(self) -> dict[str, Any]:
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Bitrix24RetryPolicy:
        return cls()
