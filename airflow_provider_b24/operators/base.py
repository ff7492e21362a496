"""What all operators share: the hook, the retry policy, and how errors become task failures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from airflow_provider_b24.errors import Bitrix24Error

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook

DEFAULT_CONN_ID = "bitrix24_default"


class Bitrix24BaseOperator(BaseOperator):
    """
    Base of the operators; a subclass writes ``run``.

    A permanent error (no rights, not found, bad input, bad credentials) fails the task at once, whatever its
    ``retries``. A temporary one passes unchanged after the client has repeated the call within its
    retry budget, so that the task's own retries apply; on Airflow 3.3+ the next try waits until the time
    that the portal named.

    :param bitrix24_conn_id: id of the connection (templated).
    """

    template_fields: Sequence[str] = ("bitrix24_conn_id",)
    ui_color = "#d5f1fc"

    def __init__(self, *, bitrix24_conn_id: str = DEFAULT_CONN_ID, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bitrix24_conn_id = bitrix24_conn_id
        if AIRFLOW_V_3_3_PLUS and self.retry_policy is None:
            from airflow_provider_b24.operators.retry_policy import Bitrix24RetryPolicy

            self.retry_policy = Bitrix24RetryPolicy()

    @cached_property
    def hook(self) -> Bitrix24Hook:
        """The hook of the task's connection; loaded when the task runs, not when its DAG is parsed."""
        from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook

        return Bitrix24Hook(self.bitrix24_conn_id)

    def execute(self, context: Context) -> Any:
        return self.translated(self.run, context)

    def translated(self, work: Callable[..., Any], *args: Any) -> Any:
        """Do the work; a permanent error becomes one that Airflow does not retry."""
        try:
            return work(*args)
        except Bitrix24Error as error:
            subject = self.subject()
            message = f"{subject}: {error}" if subject else str(error)
            if error.temporary:
                self.log.error("%s", message)
                raise
            raise AirflowFailException(message) from error

    def run(self, context: Context) -> Any:
        """Do the operator's work and return plain JSON."""
        raise NotImplementedError

    def subject(self) -> str:
        """What the work is about, for messages, e.g. ``contact 82``."""
        return ""
