"""One export: the rows of a list in a file, or in several, that appear whole; a later try resumes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.export.columns import Column, all_columns, parse_types
from airflow_provider_b24.export.formats import find_format
from airflow_provider_b24.export.preparing import Wanted, prepare
from airflow_provider_b24.export.publish import publish_lines, publish_table, result_paths, write_schema
from airflow_provider_b24.export.reading import Keeping, ListReader, SavedList, cleared_after_errors
from airflow_provider_b24.export.saved_rows import names_of
from airflow_provider_b24.export.tabulate import NewNameError, Tabulator
from airflow_provider_b24.files.paths import StoragePath, make_folder
from airflow_provider_b24.files.writer import whole_file
from airflow_provider_b24.rest.calls import Call, shown
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.encoding import json_params
from airflow_provider_b24.rest.lists import list_method

MOST_PATHS = 20  # paths in the summary


@dataclass(frozen=True)
class ExportOptions:
    """
    Where and how rows are written.

    JSON lines are the rows as the portal sent them. CSV and Parquet have columns whose types are promised by
    ``types``, the portal's description, or the documentation; everything else is text.

    :param path: the file; compressed if its name ends in ``.gz``.
    :param format: ``jsonl``, ``csv`` or ``parquet``; None: what the name says.
    :param rows_per_file: write files of so many rows, ``deals-00001.csv`` and so on; None: one file.
    :param schema: whether to write ``<path>.schema.json``, which describes the columns.
    :param readable: whether to add the names of codes in fields of their own, ``stageIdName`` beside
        ``stageId``: options, statuses and stages, pipelines and users of a CRM list. Where the portal has a
        field of that name, the added one has a number behind it, ``stageIdName2``.
    :param types: types of columns that are not to be those of the portal, by name: ``string``, ``integer``,
        ``number``, ``boolean``, ``date``, ``datetime`` or ``json``.
    :param owner: a name shared by the tries of one export, so that the next one continues after the last rows
        that were saved; empty: no other try does. Only lists that are read by id resume.
    :param remember: whether a later try of this owner gets the summary of a finished export, instead of
        reading the list again, until ``forget`` is called. The ids of the rows are kept as long.
    :param scratch: the folder in which rows are kept while they are read; None: ``_bitrix24`` beside it.
    :param incremental: the field by whose time the parameters are narrowed, to be checked.
    :raises Bitrix24InputError: one of them is not of its kind.
    """

    path: StoragePath
    format: str | None = None
    rows_per_file: int | None = None
    schema: bool = False
    readable: bool = False
    types: Mapping[str, Any] = field(default_factory=dict)
    owner: str = ""
    remember: bool = False
    scratch: StoragePath | None = None
    incremental: str | None = None

    def __post_init__(self) -> None:
        rows = self.rows_per_file
        if rows is not None and (isinstance(rows, bool) or not isinstance(rows, int) or rows < 1):
            raise Bitrix24InputError(f"rows_per_file must be a positive number, got {shown(rows)}")
        parse_types(self.types)
        find_format(self.path.name, self.format)


def export_list(
    client: Client,
    method: str,
    params: Mapping[str, Any] | None,
    options: ExportOptions,
    log: Callable[[str], None],
) -> dict[str, Any]:
    """
    Export every row of a list method.

    :param client: the client of the portal.
    :param method: name of the list method, e.g. ``crm.item.list``.
    :param params: its parameters.
    :param options: where and how rows are written.
    :param log: takes one line about the progress.
    :returns: ``path`` (or ``paths``, the first 20, and ``files``), ``rows``, ``columns`` (their number),
        ``fields`` (their names and types), ``requests`` and ``seconds`` of all tries that finished normally,
        ``watermark``, the portal's time before the first row was read, and ``timeline``, see
        ``runs.meter.Meter``.
    :raises Bitrix24InputError: bad parameters, or a path that cannot be written.
    :raises Bitrix24Error: the list cannot be read completely, or a value breaks the promise of its column's
        type; nothing is at the path.
    """
    json_params(Call(method, params or {}))
    make_folder(options.path)
    return _Export(client, method, dict(params or {}), options, log).run()


def forget(client: Client, method: str, params: Mapping[str, Any] | None, options: ExportOptions) -> None:
    """Delete what a finished export remembers."""
    _reader(client, method, dict(params or {}), options, print).pieces.clear()


def exported_ids(
    client: Client, method: str, params: Mapping[str, Any] | None, options: ExportOptions
) -> Iterator[int]:
    """Return the ids of the rows of an export that is remembered; none if they were not exported."""
    path = _reader(client, method, dict(params or {}), options, print).pieces.ids_path
    with suppress(FileNotFoundError), path.open("rb") as file:
        yield from map(int, file)


def _reader(
    client: Client,
    method: str,
    params: Mapping[str, Any],
    options: ExportOptions,
    log: Callable[[str], None],
) -> ListReader:
    about = [options.readable, dict(options.types), options.format, options.rows_per_file]
    keeping = Keeping(options.path, options.owner, options.scratch, about)
    return ListReader(client, method, params, keeping, log)


class _Export:
    def __init__(
        self,
        client: Client,
        method: str,
        params: Mapping[str, Any],
        options: ExportOptions,
        log: Callable[[str], None],
    ) -> None:
        self._client = client
        self._method = method
        self._params = params
        self._options = options
        self._log = log
        self._format = find_format(options.path.name, options.format)
        self._reader = _reader(client, method, params, options, log)

    def run(self) -> dict[str, Any]:
        options = self._options
        remembered = self._reader.load_result() if options.remember else None
        if remembered is not None and self._is_there(remembered):
            return dict(remembered)
        wanted = Wanted(self._params, options.types, options.readable, options.incremental)
        saved = self._reader.read(lambda: prepare(self._client, self._method, wanted, self._log))
        with cleared_after_errors(saved):
            try:
                columns, files = self._publish(saved)
            except NewNameError:  # another try of this export wrote that piece
                saved.seen = names_of(saved.pieces.opened(saved.chain))
                columns, files = self._publish(saved)
            self._reader.count(saved.state, saved.rows)
            summary = self._summary(saved, columns, files)
            if options.schema:
                about = {"method": self._method, "rows": saved.rows, "watermark": summary["watermark"]}
                write_schema(options.path, about, columns)
            self._finish(saved, summary)
        return summary

    def _publish(self, saved: SavedList) -> tuple[list[Column], int]:
        """Write the result; return its columns and the number of its files."""
        options = self._options
        promised = [Column(**one) for one in saved.state["promised"]]
        columns = all_columns(promised, saved.seen, parse_types(options.types), saved.ignored)
        pieces = saved.pieces.opened(saved.chain)
        if self._format is None:
            return columns, publish_lines(options.path, pieces, options.rows_per_file, saved.rows)
        key = list_method(self._method).key[:1]
        typed = self._format.is_typed
        tabulator = Tabulator(columns, saved.seen, self._method, "".join(key), is_typed=typed, moments=typed)
        files = publish_table(
            options.path, self._format, pieces, columns, tabulator, options.rows_per_file, saved.rows
        )
        return columns, files

    def _finish(self, saved: SavedList, summary: Mapping[str, Any]) -> None:
        """Delete the pieces; keep what a later try needs if it is to remember this one."""
        options = self._options
        if not (options.remember and options.owner):
            saved.pieces.clear()
            return
        key = list_method(self._method).key
        with whole_file(saved.pieces.ids_path) as file:
            for number in saved.ids(key[0]) if len(key) == 1 else ():
                file.write(b"%d\n" % number)
        self._reader.save_result(summary)
        saved.pieces.delete(saved.chain)

    def _is_there(self, summary: Mapping[str, Any]) -> bool:
        """Whether nobody has removed the files of a finished export."""
        return all(path.exists() for path in result_paths(self._options.path, summary.get("files")))

    def _summary(self, saved: SavedList, columns: Sequence[Column], files: int) -> dict[str, Any]:
        path = self._options.path
        if self._options.rows_per_file is None:
            where: dict[str, Any] = {"path": str(path)}
        else:
            paths = result_paths(path, min(files, MOST_PATHS))
            where = {"paths": [str(one) for one in paths], "files": files}
        counts = {name: saved.state[name] for name in ("requests", "seconds", "watermark", "timeline")}
        fields = [[one.name, one.type] for one in columns]
        return where | {"rows": saved.rows, "columns": len(fields), "fields": fields} | counts
