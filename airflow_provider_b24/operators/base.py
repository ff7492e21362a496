"""What all operators share: the hook, the retry policy, and how errors become task failures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from airflow_provider_b24 import DEFAULT_CONN_ID
from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError
from airflow_provider_b24.operators.templated import parse_optional_mapping

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook
    from airflow_provider_b24.operators.templated import Templated


class Bitrix24BaseOperator(BaseOperator):
    """
    Base of the operators; a subclass implements ``run``.

    A permanent error (no permission, not found, bad input, bad credentials) fails the task at once,
    regardless of its ``retries``. A temporary one is raised after the client has repeated the call within
    its retry budget, so that the task's own retries apply; on Airflow 3.3+ the next try starts at the time
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
        """The hook of the task's connection; imported when the task runs, not when its DAG is parsed."""
        from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook

        return Bitrix24Hook(self.bitrix24_conn_id)

    def execute(self, context: Context) -> Any:
        return self.fail_fast(self.run, context)

    def fail_fast(self, work: Callable[..., Any], *args: Any) -> Any:
        """
        Call ``work`` and return its result.

        :raises AirflowFailException: a permanent error, which Airflow must not retry.
        :raises Bitrix24Error: a temporary error.
        """
        try:
            return work(*args)
        except Bitrix24Error as error:
            subject = self.subject()
            message = f"{subject}: {error}" if subject else str(error)
            self.log.error("%s", message)
            if error.temporary:
                raise
        raise AirflowFailException(message)  # outside of except: the log shows one traceback

    def run(self, context: Context) -> Any:
        """Do the operator's work and return plain JSON."""
        raise NotImplementedError

    def subject(self) -> str:
        """What the task works on, for messages, e.g. ``contact 82``."""
        return ""


class Bitrix24MethodOperator(Bitrix24BaseOperator):
    """
    Base of the operators that call a REST method by its name.

    :param method: name of the method (templated).
    :param parameters: its parameters (templated).
    """

    template_fields: Sequence[str] = ("method", "parameters", "bitrix24_conn_id")
    template_fields_renderers = {"parameters": "json"}  # noqa: RUF012  # Airflow's own way to declare it

    def __init__(
        self, *, method: Templated[str], parameters: Templated[Mapping[str, Any]] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.method: Any = method  # rendered by the time it is used
        self.parameters = parameters
        # A template may use the task's params; otherwise they have no purpose here.
        self._params_meant = parameters is None and "params" not in str(method) and self._has_own_params()

    def call_parameters(self) -> Mapping[str, Any] | None:
        """
        Return the rendered parameters of the method; None if there are none.

        :raises Bitrix24InputError: they are not a mapping, or were passed as Airflow's ``params``.
        """
        if self._params_meant:
            raise Bitrix24InputError(
                "params was given instead of parameters: params is Airflow's own argument and is not sent to "
                "the portal. Pass the method's parameters as parameters={...}"
            )
        return parse_optional_mapping(self.parameters, "parameters")

    def _has_own_params(self) -> bool:
        """Whether ``params`` was given to the task; Airflow adds those of the DAG."""
        dag = self.get_dag()
        return bool(self.params) and (dag is None or self.params != dag.params)
