"""What a notification says when the DAG's author gave no text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_EVENTS = {
    "failed": "Task failed",
    "up_for_retry": "Task failed and will be retried",
    "success": "Task succeeded",
    "skipped": "Task skipped",
    "running": "Task is running",
}
_LONGEST_REASON = 500  # characters


def default_text(context: Mapping[str, Any]) -> str:
    """
    Describe what happened, from the context that Airflow hands to a callback.

    Knows callbacks of tasks and of DAG runs, deadline alerts, and the SLA misses of Airflow 2. The text is BB
    code, a fact a line: what happened and where, the run, the try, the exception's first line, the log.
    """
    if "deadline" in context:
        return "\n".join(_deadline(context))
    if "blocking_tis" in context:
        return f"[B]SLA missed[/B]: {_dag_id(context)}"
    if "reason" in context:
        return "\n".join(_dag_run(context))
    return "\n".join(_task(context))


def _deadline(context: Mapping[str, Any]) -> Iterator[str]:
    run = context.get("dag_run") or {}
    yield f"[B]Deadline missed[/B]: {run.get('dag_id', 'unknown DAG')}"
    yield f"Run: {run.get('dag_run_id', 'unknown')}"
    yield f"Deadline: {context['deadline'].get('deadline_time', 'unknown')}"


def _dag_run(context: Mapping[str, Any]) -> Iterator[str]:
    event = "DAG run succeeded" if context["reason"] == "success" else "DAG run failed"
    yield f"[B]{event}[/B]: {_dag_id(context)}"
    yield f"Run: {context.get('run_id', 'unknown')}"
    if context["reason"] != "success":
        yield f"Reason: {context['reason']}"


def _task(context: Mapping[str, Any]) -> Iterator[str]:
    ti = context.get("ti")
    if ti is None:
        yield f"[B]Message from Airflow[/B]: {_dag_id(context)}"
        return
    state = str(getattr(ti, "state", None) or "unknown").rpartition(".")[2].lower()
    map_index = getattr(ti, "map_index", -1)
    index = f"[{map_index}]" if isinstance(map_index, int) and map_index >= 0 else ""
    yield f"[B]{_EVENTS.get(state, f'Task is {state}')}[/B]: {ti.dag_id}.{ti.task_id}{index}"
    yield f"Run: {ti.run_id}"
    yield f"Try: {ti.try_number} of {ti.max_tries + 1}"
    if reason := _first_line(context.get("exception")):
        yield reason
    if url := getattr(ti, "log_url", None):
        yield f"[URL={url}]Log[/URL]"


def _dag_id(context: Mapping[str, Any]) -> str:
    return str(getattr(context.get("dag"), "dag_id", "unknown DAG"))


def _first_line(exception: object) -> str:
    """The exception's type and first line; the rest may hold whole statements and payloads."""
    if not exception:
        return ""
    line = next(iter(str(exception).splitlines()), "")
    name = f"{type(exception).__name__}: " if isinstance(exception, BaseException) else ""
    return f"{name}{line}"[:_LONGEST_REASON].rstrip(": ")
