"""Lists of the portal as files and as database tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import conf

from airflow_provider_b24.crm.cards import record_path
from airflow_provider_b24.crm.values import is_missing
from airflow_provider_b24.errors import Bitrix24InputError, Bitrix24OperatingLimitError
from airflow_provider_b24.operators.base import Bitrix24MethodOperator
from airflow_provider_b24.operators.lineage import Data, file_data, fill_outlets, lineage, portal_data
from airflow_provider_b24.operators.task_run import push_timeline
from airflow_provider_b24.operators.templated import parse_optional_mapping, parse_optional_text

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook
    from airflow_provider_b24.operators.lineage import Lineage
    from airflow_provider_b24.operators.templated import Templated


class _ListOperator(Bitrix24MethodOperator):
    """What reads a list."""

    def records(self) -> Data:
        """What is read, for lineage."""
        path = record_path(str(self.method), self.call_parameters())
        return portal_data(self.hook.config.url, path)


class Bitrix24ExportOperator(_ListOperator):
    """
    Write every row of a list method to a file: JSON lines, CSV or Parquet.

    Returns ``path`` (with ``rows_per_file``: ``paths``, the first 20, and ``files``), ``rows``, ``columns``
    (their number), ``requests``, ``seconds`` and ``watermark``, the portal's time before the first row was
    read. The file appears whole, or not at all. A retry goes on after the last rows that the try before it
    saved, unless the list is read by offset, for example because ``order`` is given.

    JSON lines are the rows as the portal sent them. CSV and Parquet have columns whose types are promised by
    ``types``, the portal's description or the documentation; a value that breaks its promise fails the task.

    :param method: name of the list method, e.g. ``crm.item.list`` (templated).
    :param parameters: its parameters (templated), e.g. ``entityTypeId``, ``select`` and ``filter``.
    :param output_path: the file, any ``ObjectStoragePath`` (templated). Its name says the format, and that it
        is compressed if ``.gz`` is added. Two tasks or runs need two paths.
    :param format: ``jsonl``, ``csv`` or ``parquet``, if the name does not say it (templated).
    :param rows_per_file: write files of so many rows, ``deals-00001.csv`` and so on.
    :param schema: write ``<output_path>.schema.json``, which describes the columns.
    :param readable: add the names of codes in fields of their own, ``stageIdName`` beside ``stageId``:
        options, statuses and stages, pipelines and users of a CRM list. If the portal has a field of that
        name, the added one is ``stageIdName2``.
    :param types: types of columns that are not to be those of the portal, by name (templated): ``string``,
        ``integer``, ``number``, ``boolean``, ``date``, ``datetime`` or ``json``.
    :param incremental: the field with the time of the last change, e.g. ``updatedTime`` or ``DATE_MODIFY``
        (templated): export only what changed since the last run that succeeded; the first run exports
        everything. The watermark belongs to the list (portal, method, type, filter) and is kept as
        ``bitrix24_watermark__<dag_id>__<task_id>`` in the state store of the task's asset (Airflow 3.3 and
        newer, if the task has exactly one outlet or inlet), else in the Variable of this name. A retry or a
        cleared run begins where it began; a run that fails does not move the watermark.
    :param since: instead of a kept watermark, a time with an offset (templated), a ``datetime`` or ISO 8601
        text. Not the data interval: on Airflow 3 it has no length by default.
    :param overlap: seconds by which reading begins before the watermark. Rows of that time come again in the
        next run: let the newer one win, by id.
    :param ids_path: a file that keeps the ids of all rows from one run to the next (templated), not one for
        each run. If given, ``<output_path>.deleted.jsonl`` has the id of each row that was deleted since
        then, and the summary has ``deleted`` and ``deleted_path``.
    :param max_deleted: how many rows may count as deleted at most: a number, or a share (a float up to 1.0).
        By default half of those there were, or 20 if that is more. More, or all of them unless it is 1.0,
        fails the task, and nothing counts as deleted.
    :param deferrable: free the worker slot while the portal dictates a wait longer than ``max_wait``.
    :param max_wait: seconds; longest wait in the worker slot of a deferrable task.
    :param bitrix24_conn_id: id of the connection (templated).
    """

    template_fields: Sequence[str] = (
        "method",
        "parameters",
        "output_path",
        "format",
        "types",
        "incremental",
        "since",
        "ids_path",
        "bitrix24_conn_id",
    )

    def __init__(
        self,
        *,
        output_path: Templated[str],
        format: Templated[str] | None = None,  # noqa: A002 - the word that users expect
        rows_per_file: int | None = None,
        schema: bool = False,
        readable: bool = False,
        types: Templated[Mapping[str, str]] | None = None,
        incremental: Templated[str] | None = None,
        since: Templated[str | datetime] | None = None,
        overlap: float = 300.0,
        ids_path: Templated[str] | None = None,
        max_deleted: float | int | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        max_wait: float = 60.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.output_path: Any = output_path  # rendered by the time it is used, as the next five
        self.format: Any = format
        self.types: Any = types
        self.incremental: Any = incremental
        self.since: Any = since
        self.ids_path: Any = ids_path
        self._written: tuple[int | None, Sequence[tuple[str, str]]] = (None, ())
        self.overlap = overlap
        self.rows_per_file = rows_per_file
        self.schema = schema
        self.readable = readable
        self.max_deleted = max_deleted
        self.deferrable = deferrable
        self.max_wait = max_wait

    @cached_property
    def hook(self) -> Bitrix24Hook:
        """The hook of the task's connection."""
        from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook

        return Bitrix24Hook(self.bitrix24_conn_id, max_wait=self.max_wait if self.deferrable else None)

    def run(self, context: Context) -> dict[str, Any]:
        from airflow_provider_b24.hooks.scratch import owned

        paths = [parse_optional_text(getattr(self, name), name) for name in ("output_path", "ids_path")]
        with owned(context, *filter(None, paths)) as owner:
            return since_watermark(
                self, context, lambda field, since: self._export(context, field, since, owner)
            )

    def _export(self, context: Context, field: str | None, since: Any, owner: str) -> dict[str, Any]:
        try:
            summary = self.hook.export(
                self.method,
                self.call_parameters(),
                path=parse_optional_text(self.output_path, "output_path"),
                format=parse_optional_text(self.format, "format"),
                rows_per_file=self.rows_per_file,
                schema=self.schema,
                readable=self.readable,
                types=parse_optional_mapping(self.types, "types"),
                incremental=field,
                since=since,
                overlap=self.overlap,
                ids_path=parse_optional_text(self.ids_path, "ids_path"),
                max_deleted=self.max_deleted,
                owner=owner,
            )
        except Bitrix24OperatingLimitError as error:
            if not self.deferrable or error.retry_at is None:
                raise
            self._wait_until(error.retry_at.isoformat())
        self.log.info("%s rows of %s exported", f"{summary['rows']:,}", self.method)
        self._written = (summary["rows"], [tuple(one) for one in summary.pop("fields")])
        fill_outlets(self.outlets, context, summary)
        return push_timeline(self, context, summary)

    def get_openlineage_facets_on_start(self) -> Lineage:
        """Called by the OpenLineage provider, as is the next method."""
        return self._lineage(None, ())

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Lineage:
        return self._lineage(*self._written)

    def _lineage(self, rows: int | None, fields: Sequence[tuple[str, str]]) -> Lineage:
        output = file_data(parse_optional_text(self.output_path, "output_path") or "", rows, fields)
        return lineage([self.records()], [output])

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> Any:
        """
        Go on after a deferred wait.

        :raises AirflowFailException: the trigger sent an unknown event.
        """
        return self.fail_fast(self._resume, context, event)

    def _resume(self, context: Context, event: Any) -> dict[str, Any]:
        if not isinstance(event, Mapping) or event.get("status") != "due":
            raise Bitrix24InputError(f"the trigger sent an unknown event: {event!r:.80}")
        return self.run(context)

    def _wait_until(self, moment: str) -> NoReturn:
        from airflow_provider_b24.triggers.wait import WaitUntilTrigger

        self.log.info(
            "The portal's operating time is used up. The task releases its worker slot and resumes at %s",
            moment,
        )
        self.defer(trigger=WaitUntilTrigger(moment), method_name="execute_complete")


class Bitrix24ToSqlOperator(_ListOperator):
    """
    Bring every row of a list method into a database table: all of them, or none.

    The list is read completely before the database is written. The table is created if it does not exist,
    and gets a column for each new field; ``updatedTime`` becomes ``updated_time``. New rows are inserted, and
    rows that differ are changed, by id. Needs the extra ``sql`` and the database's own provider.

    Returns ``table, rows`` (read), ``written`` (inserted or changed), ``deleted, columns`` (their number),
    ``added_columns`` (their names), ``requests, seconds`` and ``watermark``.

    :param method: name of a list method that is read by id, e.g. ``crm.item.list`` (templated).
    :param parameters: its parameters (templated), e.g. ``entityTypeId``, ``select`` and ``filter``.
    :param conn_id: id of the database's connection, of any type with a ``DbApiHook`` (templated).
    :param table: the table, perhaps with its schema: ``crm.deals`` (templated). Names that are no plain words
        are written in double quotes: ``crm."My deals"``.
    :param readable: add the names of codes in columns of their own, ``stage_id_name`` beside ``stage_id``.
    :param types: types of columns that are not to be those of the portal, by the field's name (templated).
    :param incremental: the field with the time of the last change (templated): load only what changed since
        the last run that succeeded, as ``Bitrix24ExportOperator`` does.
    :param since: instead of a kept watermark, a time with an offset (templated), a ``datetime`` or ISO 8601
        text.
    :param overlap: seconds by which reading begins before the watermark.
    :param delete_missing: delete rows of the table that are not in the list; the ids of all rows are read.
    :param max_deleted: the most rows that ``delete_missing`` may delete, as a number (``int``) or as a share
        from 0.0 to 1.0 (``float``); by default half of them, or 20 if that is more. If there are more, the
        task fails and writes nothing. All rows are deleted only with 1.0.
    :param lock_timeout: seconds to wait for locks that others hold on the table; then the task fails, and may
        be retried.
    :param bitrix24_conn_id: id of the portal's connection (templated).
    """

    template_fields: Sequence[str] = (
        "method",
        "parameters",
        "conn_id",
        "table",
        "types",
        "incremental",
        "since",
        "bitrix24_conn_id",
    )

    def __init__(
        self,
        *,
        conn_id: Templated[str],
        table: Templated[str],
        readable: bool = False,
        types: Templated[Mapping[str, str]] | None = None,
        incremental: Templated[str] | None = None,
        since: Templated[str | datetime] | None = None,
        overlap: float = 300.0,
        delete_missing: bool = False,
        max_deleted: float | int | None = None,
        lock_timeout: float = 60.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.conn_id: Any = conn_id  # rendered by the time it is used, as the next four
        self.table: Any = table
        self.types: Any = types
        self.incremental: Any = incremental
        self.since: Any = since
        self._written: tuple[int | None, Sequence[tuple[str, str]]] = (None, ())
        self.overlap = overlap
        self.readable = readable
        self.delete_missing = delete_missing
        self.max_deleted = max_deleted
        self.lock_timeout = lock_timeout

    def run(self, context: Context) -> dict[str, Any]:
        from airflow_provider_b24.hooks.scratch import owned

        with owned(context) as owner:
            summary = since_watermark(self, context, lambda field, since: self._load(field, since, owner))
        self._written = (summary["written"], [tuple(one) for one in summary.pop("fields")])
        fill_outlets(self.outlets, context, summary)
        return summary

    def get_openlineage_facets_on_start(self) -> Lineage:
        """Called by the OpenLineage provider, as is the next method."""
        return self._lineage(None, ())

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Lineage:
        return self._lineage(*self._written)

    def _lineage(self, rows: int | None, fields: Sequence[tuple[str, str]]) -> Lineage:
        from airflow_provider_b24.hooks.database import table_address

        namespace, name = table_address(self.conn_id, self.table)
        return lineage([self.records()], [Data(namespace, name, rows, fields)])

    def _load(self, field: str | None, since: Any, owner: str) -> dict[str, Any]:
        summary = self.hook.load(
            self.method,
            self.call_parameters(),
            conn_id=self.conn_id,
            table=self.table,
            readable=self.readable,
            types=parse_optional_mapping(self.types, "types"),
            incremental=field,
            since=since,
            overlap=self.overlap,
            delete_missing=self.delete_missing,
            max_deleted=self.max_deleted,
            lock_timeout=self.lock_timeout,
            owner=owner,
        )
        self.log.info("%s rows read, %s written into %s", summary["rows"], summary["written"], self.table)
        return summary


def since_watermark(
    operator: Bitrix24ExportOperator | Bitrix24ToSqlOperator,
    context: Context,
    work: Callable[[str | None, Any], dict[str, Any]],
) -> dict[str, Any]:
    """
    Do an operator's work for what changed since its watermark, and note until when it has read.

    :param work: takes the field with the time of the last change and where reading begins; both may be None.
    """
    field = parse_optional_text(operator.incremental, "incremental")
    if field is None or not is_missing(operator.since):
        return work(field, operator.since)
    from airflow_provider_b24.hooks.watermarks import ListRead, WatermarkStore

    method, parameters = str(operator.method), operator.call_parameters()
    store = WatermarkStore(context, ListRead(operator.hook.config.url, method, parameters, field))
    summary = work(field, store.begin(operator.overlap))
    store.finish(summary["watermark"])
    return summary
