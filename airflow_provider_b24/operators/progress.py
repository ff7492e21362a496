"""What a sync or an export leaves with its task: its state between tries, and how it went over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_b24.operators.base import Bitrix24BaseOperator

REPORT_KEY = "bitrix24_report"  # in XCom, for the report tab
_KEY = "bitrix24_sync"


def push_timeline(
    operator: Bitrix24BaseOperator, context: Context, summary: dict[str, Any]
) -> dict[str, Any]:
    """
    Move the timeline of a summary to an XCom of its own, so that the summary stays small.

    :returns: the rest of the summary.
    """
    timeline = summary.pop("timeline")
    if operator.do_xcom_push:
        ti: Any = context["ti"]
        ti.xcom_push(key=REPORT_KEY, value={"portal": operator.hook.config.url, "timeline": timeline})
    return summary


class TaskProgress:
    """
    The task's own state store (Airflow 3.3 and newer), which survives retries and clearing.

    Below 3.3 there is none: the state lives as long as the process, or as a deferral carries it.

    A retry keeps ``max_tries``; clearing a task that has ended raises it to the number of its tries so far
    plus its retries. That is how the two are told apart.

    :param context: of the running task.
    :param state: what a deferral carried over.
    """

    def __init__(self, context: Context, state: dict[str, Any] | None = None) -> None:
        ti: Any = context["ti"]
        index = getattr(ti, "map_index", -1)
        mapped = isinstance(index, int) and index >= 0
        task = f"task {ti.task_id}" + (f"[{index}]" if mapped else "")
        self.try_number = tries = int(getattr(ti, "try_number", 1))
        max_tries = int(getattr(ti, "max_tries", 0))
        self.run = f"{task} of DAG {ti.dag_id}, run {ti.run_id}"
        self.group = f"{ti.dag_id}|{ti.run_id}|{ti.task_id}" if mapped else ""
        self.attempt = str(max_tries)
        self.retries_left = tries <= max_tries
        self._store: Any = context.get("task_state_store")
        self._latest = state

    def load(self) -> dict[str, Any] | None:
        if self._store is None:
            return self._latest
        return self._store.get(_KEY)  # type: ignore[no-any-return]  # what save put there

    def save(self, state: dict[str, Any]) -> None:
        self._latest = state
        if self._store is not None:
            self._store.set(_KEY, state)

    def finish(self, state: dict[str, Any]) -> None:
        self._latest = None
        if self._store is not None:
            self._store.set(_KEY, state)

    @property
    def latest(self) -> dict[str, Any] | None:
        """What this process saved last, for a deferral to carry over."""
        return self._latest
