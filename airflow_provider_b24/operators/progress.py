"""Where a task keeps the cursor of a sync between tries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

_KEY = "bitrix24_sync"


class TaskProgress:
    """
    A cursor in the task's own state store, which survives retries and clearing; there is none below Airflow
    3.3, and then the cursor lives as long as the process, or as a deferral carries it.

    :param context: of the running task.
    :param cursor: what a deferral carried over.
    """

    def __init__(self, context: Context, cursor: dict[str, Any] | None = None) -> None:
        ti: Any = context["ti"]
        self.run = f"{ti.dag_id}|{ti.run_id}|{ti.task_id}|{getattr(ti, 'map_index', -1)}"
        self._store: Any = context.get("task_state_store")
        self._latest = cursor

    def load(self) -> dict[str, Any] | None:
        if self._latest is None and self._store is not None:
            self._latest = self._store.get(_KEY)
        return self._latest

    def save(self, cursor: dict[str, Any]) -> None:
        self._latest = cursor
        if self._store is not None:
            self._store.set(_KEY, cursor)

    def clear(self) -> None:
        self._latest = None
        if self._store is not None:
            self._store.delete(_KEY)
