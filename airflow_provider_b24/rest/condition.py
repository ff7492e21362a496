"""Whether an answer is the one that somebody waits for."""

from __future__ import annotations

from typing import Any

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.rest.presence import has_row
from airflow_provider_b24.rest.replies import Reply


def check_expression(until: Any) -> None:
    """
    Check the syntax of a condition; None is one.

    :raises Bitrix24InputError: it is neither None nor a Jinja expression.
    """
    if until is not None:
        _compile(until)


def holds(until: Any, reply: Reply, method: str = "") -> bool:
    """
    Whether a condition holds for a reply.

    :param until: a Jinja expression over ``result`` and ``total``, e.g. ``result.item.stageId == 'WON'``.
        None: the result has a value; for a list, at least one row (see ``rest.presence``).
    :param method: the REST method that was called.
    :raises Bitrix24InputError: the expression is wrong, or does not fit the result.
    """
    if until is None:
        return has_row(reply.result, method, reply.total)
    expression = _compile(until)
    try:
        return bool(expression(result=reply.result, total=reply.total))
    except Exception as error:  # noqa: BLE001 - whatever a user's expression raises
        reason = f"{type(error).__name__}: {error}"
    raise Bitrix24InputError(f"until={until!r:.200} cannot be evaluated: {reason:.200}")


def _compile(until: Any) -> Any:
    # Imported late: jinja2's compiler must not slow down parsing a DAG.
    from jinja2 import StrictUndefined, TemplateSyntaxError
    from jinja2.sandbox import SandboxedEnvironment

    if not isinstance(until, str):
        raise Bitrix24InputError(
            f"until must be a Jinja expression such as 'total >= 10', got {type(until).__name__}"
        )
    try:
        # Strict: a misspelled field is an error now and not a task that waits for days.
        return SandboxedEnvironment(undefined=StrictUndefined).compile_expression(
            until, undefined_to_none=False
        )
    except TemplateSyntaxError as error:
        raise Bitrix24InputError(f"until={until!r:.200} is not a Jinja expression: {error.message}") from None
