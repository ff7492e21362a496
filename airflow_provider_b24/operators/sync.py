"""The companies of many contacts, brought to the wanted state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import conf

from airflow_provider_b24.errors import (
    Bitrix24InputError,
    Bitrix24OperatingLimitError,
    Bitrix24SyncError,
)
from airflow_provider_b24.operators.base import Bitrix24BaseOperator
from airflow_provider_b24.operators.progress import TaskProgress

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

LONGEST_SLEEP = 60.0  # seconds; a longer wait that the portal dictates is deferred


class SyncContactCompaniesOperator(Bitrix24BaseOperator):
    """
    Bring the companies of any number of contacts to the wanted state, as fast as the portal's limits allow.

    Returns a summary under 4 KB: ``contacts, unchanged, written, failed, unknown, requests, seconds,
    failures`` (the first 20) and ``report_path``. If more contacts fail than ``max_failures`` the task fails
    after the report is written and the summary is in XCom; contacts that fail do not keep others from being
    written.

    A retry goes on where the try before it stopped: on Airflow 3.3 and newer from a cursor in the task's
    state store, with a ``report_path`` also from the lines it already holds, elsewhere from the difference to
    what is in the portal.

    :param bindings: what is wanted (templated): a mapping of contact id, as text, to items; records
        ``{"contact_id": 82, "items": [...]}``; or flat rows with ``contact_id`` and ``company_id``, as dicts
        or, with ``columns``, as tuples: what an SQL operator returns.
    :param bindings_path: instead of ``bindings``: a ``.jsonl`` or ``.csv`` file (``.gz`` behind it if
        compressed) on any storage Airflow knows; it is streamed (templated).
    :param columns: names of the columns of tuples, or of a CSV file without a header (templated).
    :param mode: ``diff`` reads every contact and writes only differences; ``replace`` writes unread.
    :param allow_empty: whether a contact may end without companies.
    :param check_companies: look up all companies first; contacts that name a missing one fail.
    :param max_failures: how many contacts may fail: a count (int) or a share (float).
    :param report_path: file for one JSON line per contact (templated).
    :param dry_run: decide and report, write nothing.
    :param undo: ``bindings_path`` is the report of an earlier run; restore what was before it.
    :param deferrable: free the worker slot while the portal dictates a wait longer than a minute.
    :param bitrix24_conn_id: id of the connection (templated).
    """

    # Read by Airflow's provider registry: a retry resumes from the task state store of Airflow 3.3.
    __supports_durable_execution: ClassVar[bool] = True

    template_fields: Sequence[str] = (
        "bindings",
        "bindings_path",
        "columns",
        "report_path",
        "bitrix24_conn_id",
    )
    template_fields_renderers = {"bindings": "json"}  # noqa: RUF012  # Airflow's own way to declare it

    def __init__(
        self,
        *,
        bindings: Any = None,
        bindings_path: str | None = None,
        columns: Sequence[str] | None = None,
        mode: str = "diff",
        allow_empty: bool = False,
        check_companies: bool = True,
        max_failures: int | float = 0,
        report_path: str | None = None,
        dry_run: bool = False,
        undo: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.bindings = bindings
        self.bindings_path = bindings_path
        self.columns = columns
        self.mode = mode
        self.allow_empty = allow_empty
        self.check_companies = check_companies
        self.max_failures = max_failures
        self.report_path = report_path
        self.plan_only = dry_run  # BaseOperator has a method dry_run
        self.undo = undo
        self.deferrable = deferrable

    def run(self, context: Context) -> dict[str, Any]:
        return self._go(context, TaskProgress(context))

    def execute_complete(
        self, context: Context, event: Mapping[str, Any] | None = None, cursor: Any = None
    ) -> Any:
        """
        Go on after a deferred wait, at the cursor.

        :raises AirflowFailException: the trigger sent something else than that the time has come.
        """
        return self.fail_fast(self._go_on, context, event, cursor)

    def _go_on(self, context: Context, event: Any, cursor: Any) -> dict[str, Any]:
        if not isinstance(event, Mapping) or event.get("status") != "due":
            raise Bitrix24InputError(f"the trigger sent an unknown event: {event!r:.80}")
        return self._go(context, TaskProgress(context, cursor))

    def _go(self, context: Context, progress: TaskProgress) -> dict[str, Any]:
        if self.deferrable:
            self.hook.max_wait = LONGEST_SLEEP
        try:
            summary = self.hook.sync_contact_companies(
                self._wanted(),
                columns=self.columns,
                mode=self.mode,  # type: ignore[arg-type]  # checked there
                allow_empty=self.allow_empty,
                check_companies=self.check_companies,
                max_failures=self.max_failures,
                report_path=self.report_path,
                dry_run=self.plan_only,
                undo=self.undo,
                progress=progress,
            )
        except Bitrix24SyncError as error:
            context["ti"].xcom_push(key="return_value", value=error.summary)
            raise
        except Bitrix24OperatingLimitError as error:
            if not self.deferrable or error.retry_at is None:
                raise
            self._wait_until(error.retry_at.isoformat(), progress)
        self.log.info("Done: %s", {name: value for name, value in summary.items() if name != "failures"})
        return summary

    def _wait_until(self, moment: str, progress: TaskProgress) -> None:
        from airflow_provider_b24.triggers.wait import WaitUntilTrigger

        self.log.info("The portal's operating time is used up; going on at %s, without a worker slot", moment)
        self.defer(
            trigger=WaitUntilTrigger(moment),
            method_name="execute_complete",
            kwargs={"cursor": progress.load()},
        )

    def _wanted(self) -> Any:
        if self.bindings is None and self.bindings_path is None:
            raise Bitrix24InputError(
                "there are neither bindings nor bindings_path; a task that returns nothing gives None"
            )
        if self.bindings is not None and self.bindings_path is not None:
            raise Bitrix24InputError("give either bindings or bindings_path")
        if self.bindings_path is None:
            if self.undo:
                raise Bitrix24InputError("undo reads a report: give its path as bindings_path")
            return self.bindings
        from airflow_provider_b24.files.rows import storage_path

        return storage_path(self.bindings_path, "bindings_path")
