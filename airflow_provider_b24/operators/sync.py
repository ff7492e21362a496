"""The companies of any number of contacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.providers.common.compat.sdk import conf

from airflow_provider_b24.crm.values import is_missing
from airflow_provider_b24.errors import (
    Bitrix24InputError,
    Bitrix24OperatingLimitError,
    Bitrix24SyncError,
)
from airflow_provider_b24.operators.base import Bitrix24BaseOperator
from airflow_provider_b24.operators.lineage import file_data, fill_outlets, lineage, portal_data
from airflow_provider_b24.operators.task_run import TaskStateStore, push_timeline
from airflow_provider_b24.operators.templated import parse_list, parse_optional_text
from airflow_provider_b24.sync.subjects.options import BINDING_SYNC

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook
    from airflow_provider_b24.operators.lineage import Lineage
    from airflow_provider_b24.operators.templated import Templated


class SyncContactCompaniesOperator(Bitrix24BaseOperator):
    """
    Bring the companies of any number of contacts to the wanted state, as fast as the portal's limits allow.

    Returns a summary under 4 KB: ``contacts, unchanged, written, failed, unknown, requests, seconds,
    failures`` (the first 20) and ``report_path``. If more contacts fail than ``max_failures`` the task fails
    after the report is written and the summary is in XCom; contacts that fail do not keep others from being
    written.

    A retry resumes where the previous try stopped: on Airflow 3.3 and newer from the task's state store,
    with a ``report_path`` also from the records beside it, elsewhere from the difference to the portal.
    A task that is cleared always starts from the difference.

    :param bindings: what is wanted (templated): a mapping of contact id, as text, to items; records
        ``{"contact_id": 82, "items": [...]}``; or flat rows with ``contact_id`` and ``company_id``, as dicts
        or, with ``columns``, as tuples: what an SQL operator returns.
    :param bindings_path: instead of ``bindings``: a ``.jsonl`` or ``.csv`` file (with ``.gz`` added if
        compressed) on any storage Airflow knows; it is streamed (templated).
    :param columns: names of the columns of tuples, or of a CSV file without a header (templated).
    :param mode: ``diff`` reads every contact and writes only differences; ``replace`` writes unread.
    :param allow_empty: whether a contact may end without companies.
    :param check_companies: look up all companies first; contacts that name a missing one fail.
    :param max_failures: how many contacts may fail: a count (int) or a share (float).
    :param report_path: file for one JSON line per contact (templated). Each run needs its own, for example
        ``/reports/{{ run_id }}.jsonl``, and each instance of a mapped task too: ``{{ ti.map_index }}``.
    :param dry_run: plan and report, write nothing.
    :param undo: ``bindings_path`` is the report of an earlier run; restore what was before it.
    :param apply_plan: ``bindings_path`` is the report of a dry run; write what it planned. Contacts that have
        changed since are skipped, and counted as ``skipped`` in the summary.
    :param delimiter: between the fields of a CSV file; by default recognized from its first line.
    :param encoding: of the file's text, for example ``cp1251``; by default UTF-8.
    :param ignore_extra_columns: skip unknown columns instead of refusing them.
    :param allow_no_rows: whether a file may hold no row.
    :param deferrable: free the worker slot while the portal dictates a wait longer than ``max_wait``.
    :param max_wait: seconds; longest wait in the worker slot of a deferrable task.
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
        bindings_path: Templated[str] | None = None,
        columns: Templated[Sequence[str]] | None = None,
        mode: str = "diff",
        allow_empty: bool = False,
        check_companies: bool = True,
        max_failures: int | float = 0,
        report_path: Templated[str] | None = None,
        dry_run: bool = False,
        undo: bool = False,
        apply_plan: bool = False,
        delimiter: str | None = None,
        encoding: str | None = None,
        ignore_extra_columns: bool = False,
        allow_no_rows: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        max_wait: float = 60.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        given = locals()  # every option by its name, so that it is written out only in the signature
        self.bindings = bindings
        self.bindings_path: Any = bindings_path  # rendered by the time it is used, as the next two
        self.columns: Any = columns
        self.report_path: Any = report_path
        self._written: int | None = None
        self.deferrable = deferrable
        self.max_wait = max_wait
        self.options = {name: given[name] for name in BINDING_SYNC if name != "columns"}  # it is templated

    @cached_property
    def hook(self) -> Bitrix24Hook:
        """The hook of the task's connection."""
        from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook

        return Bitrix24Hook(self.bitrix24_conn_id, max_wait=self.max_wait if self.deferrable else None)

    def run(self, context: Context) -> dict[str, Any]:
        return self._sync(context, TaskStateStore(context))

    def execute_complete(
        self, context: Context, event: Mapping[str, Any] | None = None, state: Any = None
    ) -> Any:
        """
        Resume after a deferred wait.

        :raises AirflowFailException: the trigger sent an unknown event.
        """
        return self.fail_fast(self._resume, context, event, state)

    def _resume(self, context: Context, event: Any, state: Any) -> dict[str, Any]:
        if not isinstance(event, Mapping) or event.get("status") != "due":
            raise Bitrix24InputError(f"the trigger sent an unknown event: {event!r:.80}")
        return self._sync(context, TaskStateStore(context, state))

    def _sync(self, context: Context, store: TaskStateStore) -> dict[str, Any]:
        try:
            summary = self.hook.sync_contact_companies(
                self._wanted(),
                columns=None if is_missing(self.columns) else parse_list(self.columns, "columns"),
                report_path=parse_optional_text(self.report_path, "report_path"),
                progress=store,
                **self.options,
            )
        except Bitrix24SyncError as error:
            summary = self._finish(context, error.summary)
            if self.do_xcom_push:
                context["ti"].xcom_push(key="return_value", value=summary)
            raise
        except Bitrix24OperatingLimitError as error:
            if not self.deferrable or error.retry_at is None:
                raise
            self._wait_until(error.retry_at.isoformat(), store)
        return self._finish(context, summary)

    def get_openlineage_facets_on_start(self) -> Lineage:
        """Called by the OpenLineage provider, as is the next method."""
        return self._lineage()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Lineage:
        return self._lineage(self._written)

    def _lineage(self, written: int | None = None) -> Lineage:
        path = parse_optional_text(self.bindings_path, "bindings_path")
        report = parse_optional_text(self.report_path, "report_path")
        written = 0 if self.options["dry_run"] else written
        contacts = portal_data(self.hook.config.url, "crm/contact", written)
        outputs = [contacts] + ([] if report is None else [file_data(report)])
        return lineage([] if path is None else [file_data(path)], outputs)

    def _finish(self, context: Context, summary: Mapping[str, Any]) -> dict[str, Any]:
        """Leave what others ask for: lineage, outlets, the report tab."""
        self._written = summary["written"]
        fill_outlets(self.outlets, context, summary)
        return push_timeline(self, context, summary)

    def _wait_until(self, moment: str, store: TaskStateStore) -> NoReturn:
        from airflow_provider_b24.triggers.wait import WaitUntilTrigger

        self.log.info(
            "The portal's operating time is used up. The task releases its worker slot and resumes at %s",
            moment,
        )
        self.defer(
            trigger=WaitUntilTrigger(moment),
            method_name="execute_complete",
            kwargs={"state": store.latest},
        )

    def _wanted(self) -> Any:
        path = parse_optional_text(self.bindings_path, "bindings_path")
        bindings = None if is_missing(self.bindings) else self.bindings
        if bindings is None and path is None:
            raise Bitrix24InputError(
                "either bindings or bindings_path is required; a task that returns nothing gives None"
            )
        if bindings is not None and path is not None:
            raise Bitrix24InputError("bindings and bindings_path are mutually exclusive")
        if path is None:
            for name in ("undo", "apply_plan"):
                if self.options[name]:
                    raise Bitrix24InputError(f"{name} reads a report: give its path as bindings_path")
            return bindings
        from airflow_provider_b24.hooks.storage import parse_path

        return parse_path(path, "bindings_path")
