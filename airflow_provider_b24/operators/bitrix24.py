"""Any REST method by name, any number of calls, all rows of a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_b24.crm.cards import card_path
from airflow_provider_b24.crm.values import parse_flag, parse_switch, parse_text
from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError
from airflow_provider_b24.files.writer import write_lines
from airflow_provider_b24.links import Bitrix24RecordLink
from airflow_provider_b24.operators.base import Bitrix24BaseOperator, Bitrix24MethodOperator
from airflow_provider_b24.operators.templated import parse_list, parse_optional_mapping, parse_optional_text
from airflow_provider_b24.rest.calls import Call, shown
from airflow_provider_b24.rest.references import check_positions, find_references, parse_references

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_b24.operators.templated import Templated
    from airflow_provider_b24.rest.replies import Outcome


class Bitrix24Operator(Bitrix24MethodOperator):
    """
    Call one REST method and return its ``result``; links to the card of the record, where the call names one.

    :param method: name of the method, e.g. ``crm.item.get`` (templated).
    :param parameters: its parameters, JSON values (templated). Not ``params``, which is Airflow's own
        argument for the parameters of a DAG run.
    :param repeatable: whether it is safe to run the method twice, so that it may be sent again if the answer
        was lost. By default the method's name decides: only reads are.
    :param bitrix24_conn_id: id of the connection (templated).
    """

    operator_extra_links = (Bitrix24RecordLink(),)

    def __init__(
        self,
        *,
        method: Templated[str],
        parameters: Templated[Mapping[str, Any]] | None = None,
        repeatable: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(method=method, parameters=parameters, **kwargs)
        self.repeatable = repeatable

    def run(self, context: Context) -> Any:
        repeatable = parse_flag(self.repeatable, "repeatable")
        parameters = self.call_parameters()
        result = self.hook.call(self.method, parameters, repeatable=repeatable)
        if path := card_path(self.method, parameters, result):
            Bitrix24RecordLink.persist(context, f"{self.hook.config.url}{path}")
        return result


class Bitrix24BatchOperator(Bitrix24BaseOperator):
    """
    Run any number of calls, 50 to a request.

    Returns one dict per call, in input order: ``{"method", "status", "result"}``, plus ``"error"`` with
    ``code`` and ``description`` where the status is not ``success``. If a call does not succeed, the task
    fails; the statuses are in XCom as ``return_value`` then too.

    :param calls: ``{"method": ..., "params": {...}}`` each (templated). ``params`` may be omitted;
        ``"repeatable": True`` marks a call that is safe to run twice. ``[method, params]`` is accepted too.
    :param halt: skip all remaining calls after the first failure.
    :param references: whether a text such as ``$result[0][ID]`` stands for the result of an earlier call, by
        its position. By default a text is a text; ``rest.references.Ref(0, "ID")`` is always a reference.
    :param bitrix24_conn_id: id of the connection (templated).
    """

    template_fields: Sequence[str] = ("calls", "bitrix24_conn_id")
    template_fields_renderers = {"calls": "json"}  # noqa: RUF012  # Airflow's own way to declare it

    def __init__(
        self,
        *,
        calls: Templated[Sequence[Any]],
        halt: bool = False,
        references: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.calls = calls
        self.halt = halt
        self.references = references

    def run(self, context: Context) -> list[dict[str, Any]]:
        calls = [
            _parse_call(call, f"calls[{index}]") for index, call in enumerate(parse_list(self.calls, "calls"))
        ]
        if parse_switch(self.references, "references"):
            calls = [_with_references(call, index) for index, call in enumerate(calls)]
        else:
            self._warn_of_texts(calls)
        outcomes = self.hook.batch(calls, halt=parse_switch(self.halt, "halt"))
        report = [_to_json(outcome) for outcome in outcomes]
        failed = [(index, outcome) for index, outcome in enumerate(outcomes) if not outcome.ok]
        if failed:
            if self.do_xcom_push:
                context["ti"].xcom_push(key="return_value", value=report)
            raise _batch_error(outcomes, failed)
        return report

    def _warn_of_texts(self, calls: Sequence[Call]) -> None:
        """Log the first text that only looks like a reference."""
        for index, call in enumerate(calls):
            own = set(find_references(call.params))
            found = next(
                (ref for ref in find_references(parse_references(call.params)) if ref not in own), None
            )
            if found is not None:
                self.log.warning(
                    "calls[%d] contains the text %s, which is sent as a text. If it stands for the result of "
                    "calls[%d], pass references=True",
                    index,
                    found,
                    found.position,
                )
                return


class Bitrix24ListOperator(Bitrix24MethodOperator):
    """
    Read all rows of a list method.

    Returns the rows, or with ``output_path`` ``{"path": ..., "rows": 12345}``: XCom is not for many rows.

    :param method: name of the list method, e.g. ``crm.item.list`` (templated).
    :param parameters: its parameters (templated), e.g. ``select`` and ``filter``. Not ``params``, which is
        Airflow's own argument for the parameters of a DAG run.
    :param output_path: file for the rows as JSON lines, any ``ObjectStoragePath`` (templated); compressed
        if the name ends in ``.gz``. It appears only when it is complete. Each run needs a path of its own,
        for example ``/data/{{ run_id }}.jsonl``.
    :param bitrix24_conn_id: id of the connection (templated).
    """

    template_fields: Sequence[str] = ("method", "parameters", "output_path", "bitrix24_conn_id")

    def __init__(
        self,
        *,
        method: Templated[str],
        parameters: Templated[Mapping[str, Any]] | None = None,
        output_path: Templated[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(method=method, parameters=parameters, **kwargs)
        self.output_path = output_path

    def run(self, context: Context) -> Any:
        output_path = parse_optional_text(self.output_path, "output_path")
        rows = self.hook.iterate(self.method, self.call_parameters())
        if output_path is None:
            return list(rows)
        from airflow_provider_b24.hooks.storage import parse_path

        path = parse_path(output_path, "output_path")
        count = write_lines(path, rows)
        self.log.info("Wrote %d rows of %s to %s", count, self.method, path)
        return {"path": str(path), "rows": count}


def _parse_call(call: Any, where: str) -> Call:
    if isinstance(call, Call):
        return call
    if isinstance(call, str) and call.lstrip()[:1] in ("{", "["):  # a template that renders a call
        call = parse_text(call, where)
    if isinstance(call, Mapping) and "method" in call and set(call) <= {"method", "params", "repeatable"}:
        values = call
    elif isinstance(call, Sequence) and not isinstance(call, str | bytes) and len(call) == 2:
        values = {"method": call[0], "params": call[1]}
    else:
        raise Bitrix24InputError(f"{where} must be {{'method': ..., 'params': ...}}, got {shown(call)}")
    try:
        params = parse_optional_mapping(values.get("params"), "params")
        repeatable = parse_flag(values.get("repeatable"), "repeatable")
        options: dict[str, Any] = {} if repeatable is None else {"repeatable": repeatable}
        return Call(values["method"], {} if params is None else params, **options)
    except Bitrix24InputError as error:
        raise Bitrix24InputError(f"{where}: {error}") from None


def _with_references(call: Call, index: int) -> Call:
    params = parse_references(call.params)
    check_positions(list(find_references(params)), index)
    return replace(call, params=params)


def _to_json(outcome: Outcome) -> dict[str, Any]:
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
    One error for the task. It is temporary only if the whole task may run again: every failure is temporary,
    and every call that was executed is safe to repeat.
    """
    index, first = failed[0]
    temporary = all(outcome.error is not None and outcome.error.temporary for _, outcome in failed) and all(
        outcome.status == "skipped" or outcome.call.may_repeat for outcome in outcomes
    )
    were = "was" if len(failed) == 1 else "were"
    return Bitrix24Error(
        f"{len(failed)} of {len(outcomes)} calls {were} not successful. "
        f"First: calls[{index}] ({first.status}): {first.error}",
        temporary=temporary,
        retry_at=first.error.retry_at if first.error is not None else None,
    )
