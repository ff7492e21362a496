"""Any REST method by name, any number of calls, every page of a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError
from airflow_provider_b24.operators.base import Bitrix24BaseOperator
from airflow_provider_b24.rest.calls import Call

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_b24.rest.replies import Outcome


class Bitrix24Operator(Bitrix24BaseOperator):
    """
    Call one REST method and return its ``result``.

    :param method: name of the method, e.g. ``crm.item.get`` (templated).
    :param parameters: its parameters, JSON values (templated). Not ``params``: that word is Airflow's own,
        and holds the parameters of the DAG.
    :param bitrix24_conn_id: id of the connection (templated).
    """

    template_fields: Sequence[str] = ("method", "parameters", "bitrix24_conn_id")
    template_fields_renderers = {"parameters": "json"}  # noqa: RUF012  # Airflow's own way to declare it

    def __init__(self, *, method: str, parameters: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.method = method
        self.parameters = parameters

    def run(self, context: Context) -> Any:
        return self.hook.call(self.method, self.parameters)


class Bitrix24BatchOperator(Bitrix24BaseOperator):
    """
    Carry out any number of calls, 50 to a request.

    Returns one dict per call, in input order: ``{"method", "status", "result"}``, and ``"error"`` with
    ``code`` and ``description`` where the status is not ``success``. If any call did not succeed the task
    fails, after the outcomes were left in XCom as ``return_value``.

    :param calls: ``{"method": ..., "params": {...}}`` each, where ``params`` may be missing, or
        ``[method, params]`` (templated).
    :param halt: skip everything after the first failure.
    :param bitrix24_conn_id: id of the connection (templated).
    """

    template_fields: Sequence[str] = ("calls", "bitrix24_conn_id")
    template_fields_renderers = {"calls": "json"}  # noqa: RUF012  # Airflow's own way to declare it

    def __init__(self, *, calls: Sequence[Any], halt: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.calls = calls
        self.halt = halt

    def run(self, context: Context) -> list[dict[str, Any]]:
        outcomes = self.hook.batch(_parse_calls(self.calls), halt=self.halt)
        report = [_plain(outcome) for outcome in outcomes]
        failed = [(index, outcome) for index, outcome in enumerate(outcomes) if not outcome.ok]
        if failed:
            context["ti"].xcom_push(key="return_value", value=report)
            raise _batch_error(outcomes, failed)
        return report


class Bitrix24ListOperator(Bitrix24BaseOperator):
    """
    Read every page of a list method.

    Returns the rows, or with ``output_path`` ``{"path": ..., "rows": 12345}``: XCom is no place for many.

    :param method: name of the list method, e.g. ``crm.item.list`` (templated).
    :param parameters: its parameters (templated), e.g. ``select`` and ``filter``. Not ``params``: that word
        is Airflow's own.
    :param output_path: file for the rows as JSON lines, any ``ObjectStoragePath`` (templated); compressed if
        the name ends in ``.gz``. It appears only once it is whole. Each run needs its own, for example
        ``/data/{{ run_id }}.jsonl``.
    :param bitrix24_conn_id: id of the connection (templated).
    """

    template_fields: Sequence[str] = ("method", "parameters", "output_path", "bitrix24_conn_id")
    template_fields_renderers = {"parameters": "json"}  # noqa: RUF012  # Airflow's own way to declare it

    def __init__(
        self,
        *,
        method: str,
        parameters: Mapping[str, Any] | None = None,
        output_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.method = method
        self.parameters = parameters
        self.output_path = output_path

    def run(self, context: Context) -> Any:
        rows = self.hook.iterate(self.method, self.parameters)
        if self.output_path is None:
            return list(rows)
        from airflow_provider_b24.files.writer import write_lines
        from airflow_provider_b24.hooks.storage import parse_path

        path = parse_path(self.output_path, "output_path")
        count = write_lines(path, rows)
        self.log.info("%d rows of %s are in %s", count, self.method, path)
        return {"path": str(path), "rows": count}


def _parse_calls(calls: Any) -> list[Call]:
    if isinstance(calls, str | Mapping) or not isinstance(calls, Sequence):
        raise Bitrix24InputError(f"calls must be a list, got {type(calls).__name__}: {calls!r:.80}")
    return [_parse_call(call, f"calls[{index}]") for index, call in enumerate(calls)]


def _parse_call(call: Any, where: str) -> Call:
    if isinstance(call, Call):
        return call
    if isinstance(call, Mapping) and "method" in call and set(call) <= {"method", "params"}:
        method, params = call["method"], call.get("params") or {}
    elif isinstance(call, list | tuple) and len(call) == 2:
        method, params = call
    else:
        raise Bitrix24InputError(f"{where} must be {{'method': ..., 'params': ...}}, got {call!r:.80}")
    try:
        return Call(method, params)
    except Bitrix24InputError as error:
        raise Bitrix24InputError(f"{where}: {error}") from None


def _plain(outcome: Outcome) -> dict[str, Any]:
    row: dict[str, Any] = {
        "method": outcome.call.method,
        "status": outcome.status,
        "result": outcome.result,
    }
    if outcome.error is not None:
        row["error"] = {"code": outcome.error.code, "description": outcome.error.description}
    return row


def _batch_error(outcomes: Sequence[Outcome], failed: Sequence[tuple[int, Outcome]]) -> Bitrix24Error:
    """
    One error for the task. It is temporary only if the task may run again as a whole: every failure is, and
    nothing was carried out that must not be carried out twice.
    """
    index, first = failed[0]
    again = all(one.error is not None and one.error.temporary for _, one in failed) and all(
        one.call.repeatable or one.status == "skipped" for one in outcomes
    )
    return Bitrix24Error(
        f"{len(failed)} of {len(outcomes)} calls did not succeed; the first, calls[{index}], "
        f"is {first.status}: {first.error}",
        temporary=again,
        retry_at=first.error.retry_at if first.error is not None else None,
    )
