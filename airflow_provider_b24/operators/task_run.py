"""The run of a task: its identity, its state between tries, and what it leaves for the report tab."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_b24.runs.identity import RunIdentity

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_b24.operators.base import Bitrix24BaseOperator

REPORT_KEY = "bitrix24_report"  # in XCom, for the report tab
_KEY = "bitrix24_sync"


def run_identity(context: Context) -> RunIdentity:
    """
    Return the identity of a task's run.

    A retry keeps ``max_tries``; clearing a task that has ended raises it to the number of its tries so far
    plus its retries. That is how the two are distinguished.
    """
    ti: Any = context["ti"]
    index = getattr(ti, "map_index", -1)
    mapped = isinstance(index, int) and index >= 0
    task = f"task {ti.task_id}" + (f"[{index}]" if mapped else "")
    tries, max_tries = int(getattr(ti, "try_number", 1)), int(getattr(ti, "max_tries", 0))
    return RunIdentity(
        run_id=f"{task} of DAG {ti.dag_id}, run {ti.run_id}",
        generation=str(max_tries),
        try_number=tries,
        mapped_run=f"{ti.dag_id}|{ti.run_id}|{ti.task_id}" if mapped else "",
        retries_left=tries <= max_tries,
    )


class TaskStateStore:
    """
    The task's own state store (Airflow 3.3 and newer), which survives retries and clearing.

    Below 3.3 there is none: the state lives as long as the process, or is carried over by a deferral.

    :param context: of the running task.
    :param state: what a deferral carried over.
    :ivar latest: what this process saved last, for a deferral to carry over.
    """

    def __init__(self, context: Context, state: dict[str, Any] | None = None) -> None:
        self.run = run_identity(context)
        self.latest = state
        self._store: Any = context.get("task_state_store")

    def load(self) -> dict[str, Any] | None:
        stored: dict[str, Any] | None = self.latest if self._store is None else self._store.get(_KEY)
        return stored

    def save(self, state: dict[str, Any]) -> None:
        self.latest = state
        if self._store is not None:
            self._store.set(_KEY, state)

    def finish(self, state: dict[str, Any]) -> None:
        self.latest = None
        if self._store is not None:
            self._store.set(_KEY, state)


def push_timeline(
    operator: Bitrix24BaseOperator, context: Context, summary: Mapping[str, Any]
) -> dict[str, Any]:
    """
    Push the timeline of a summary to an XCom of its own, so that the summary stays small.

    :returns: the rest of the summary.
    """
    rest = dict(summary)
    timeline = rest.pop("timeline")
    if operator.do_xcom_push:
        ti: Any = context["ti"]
        ti.xcom_push(key=REPORT_KEY, value={"portal": operator.hook.config.url, "timeline": timeline})
    return rest
