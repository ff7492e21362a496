"""The rows of a list in a database table: read completely into pieces, then merged in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_b24.crm.fields import listed
from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError
from airflow_provider_b24.export.columns import Column, all_columns, parse_types
from airflow_provider_b24.export.deletions import MaxDeleted, parse_max_deleted, read_ids
from airflow_provider_b24.export.preparing import Wanted, prepare
from airflow_provider_b24.export.reading import Keeping, ListReader, SavedList, cleared_after_errors
from airflow_provider_b24.export.saved_rows import lines_of, names_of
from airflow_provider_b24.export.scratch import on_this_machine
from airflow_provider_b24.export.tabulate import NewNameError, Tabulator
from airflow_provider_b24.export.targets.table import TableResult, TableTarget, check_target, write_table
from airflow_provider_b24.files.paths import StoragePath
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.lists import list_method
from airflow_provider_b24.rest.paging import is_read_by_id


@dataclass(frozen=True)
class LoadOptions:
    """
    What is loaded.

    :param changed: the parameters that narrow the list to what changed; None: the whole list.
    :param readable: whether to add the names of codes.
    :param types: types of columns that are not to be those of the portal.
    :param delete_missing: whether rows are deleted that are not in the whole list.
    :param max_deleted: how many of them at most, see ``deletions.check_max_deleted``.
    :param incremental: the field by whose time the list is narrowed, to be checked.
    :param owner: a name shared by the tries of one load, so that the next one continues after the last rows
        that were saved; empty: no other try does.
    :param scratch: the folder in which rows are kept until they are merged; None: one of this user on this
        machine.
    """

    changed: Mapping[str, Any] | None = None
    readable: bool = False
    types: Mapping[str, Any] = field(default_factory=dict)
    delete_missing: bool = False
    max_deleted: MaxDeleted = None
    incremental: str | None = None
    owner: str = ""
    scratch: StoragePath | None = None

    def __post_init__(self) -> None:
        parse_max_deleted(self.max_deleted)
        parse_types(self.types)


def load_list(
    client: Client,
    method: str,
    params: Mapping[str, Any] | None,
    target: TableTarget,
    options: LoadOptions,
    log: Callable[[str], None],
) -> dict[str, Any]:
    """
    Bring every row of a list method into a table: new rows are inserted, those that differ are changed.

    The table is created if it does not exist, and gets a column for each new field. Rows are read completely
    first, then merged in one transaction: after an error, the table is as it was.

    :param client: the client of the portal.
    :param method: name of a list method whose rows have an id.
    :param params: its parameters.
    :param target: the table.
    :param options: what is loaded.
    :param log: takes one line about the progress.
    :returns: ``table, rows`` (read), ``written`` (inserted or changed), ``deleted, columns`` (their number),
        ``fields`` (their names and types), ``added_columns`` (their names), ``requests, seconds, watermark``.
    :raises Bitrix24InputError: the list is not read by id, or the table has no plain name.
    :raises Bitrix24Error: the list cannot be read completely, or a value breaks the promise of its column's
        type.
    """
    return _Load(client, method, dict(params or {}), target, options, log).run()


class _Load:
    def __init__(
        self,
        client: Client,
        method: str,
        params: Mapping[str, Any],
        target: TableTarget,
        options: LoadOptions,
        log: Callable[[str], None],
    ) -> None:
        self._client = client
        self._method = method
        self._target = target
        self._options = options
        self._log = log
        self._whole = _with_id(method, params)
        self._asked = self._whole if options.changed is None else _with_id(method, options.changed)
        self._key = list_method(method).key[0]
        self._folder = options.scratch or on_this_machine()

    def run(self) -> dict[str, Any]:
        options = self._options
        check_target(self._target, self._key, deletes=self._options.delete_missing)
        if options.owner and options.scratch is None:
            self._log(
                f"rows are kept in {self._folder} on this machine until they are merged: a try elsewhere "
                "reads the list from the beginning, unless [bitrix24] scratch_path names a shared folder"
            )
        wanted = Wanted(self._asked, options.types, options.readable, options.incremental)
        keeping = self._keeping("rows", options.readable, dict(options.types))
        reader = ListReader(self._client, self._method, self._asked, keeping, self._log)
        saved = reader.read(lambda: prepare(self._client, self._method, wanted, self._log))
        with cleared_after_errors(saved):
            ids = self._read_ids(saved) if options.delete_missing else None
            try:
                columns, result = self._merge(saved, ids)
            except NewNameError:  # another try of this load wrote that piece
                saved.seen = names_of(saved.pieces.opened(saved.chain))
                columns, result = self._merge(saved, ids)
        reader.count(saved.state, saved.rows)
        saved.pieces.clear()
        if ids is not None:
            ids.pieces.clear()
        return {
            "table": self._target.table,
            "rows": saved.rows,
            "written": result.written,
            "deleted": result.deleted,
            "columns": len(columns),
            "fields": [[result.names[one.name], one.type] for one in columns],
            "added_columns": result.added_columns,
            "watermark": saved.state["watermark"],
            "requests": saved.state["requests"],
            "seconds": round(saved.state["seconds"], 1),
        }

    def _merge(self, saved: SavedList, ids: SavedList | None) -> tuple[list[Column], TableResult]:
        """Merge the rows into the table; return the columns and what was done."""
        promised = [Column(**one) for one in saved.state["promised"]]
        types = parse_types({self._key: "integer", **self._options.types})
        columns = all_columns(promised, saved.seen, types)
        if all(one.name != self._key for one in columns):
            columns.insert(0, Column(self._key, types[self._key]))

        def rows() -> Iterator[list[tuple[Any, ...]]]:
            tabulator = Tabulator(columns, saved.seen, self._method, self._key)
            for chunk in tabulator.chunks(lines_of(saved.pieces.opened(saved.chain))):
                yield chunk.tuples()
            tabulator.warn()

        def kept() -> Iterator[int]:
            return ids.ids(self._key) if ids else iter(())

        result = write_table(
            self._target,
            columns,
            self._key,
            rows,
            keep_ids=None if ids is None else kept,
            max_deleted=self._options.max_deleted,
            log=self._log,
        )
        return columns, result

    def _read_ids(self, saved: SavedList) -> SavedList:
        """
        Read the ids of the whole list.

        :raises Bitrix24Error: the portal does not sort it by id.
        """
        if saved.rows and not saved.by_id:
            raise Bitrix24Error(
                "the portal does not sort this list by id, so that rows which were deleted cannot be told "
                "from rows that were not read",
                method=self._method,
                advice="Leave out delete_missing for this list.",
            )
        keeping = self._keeping("ids")
        return read_ids(self._client, self._method, self._whole, keeping, self._log)

    def _keeping(self, what: str, *about: Any) -> Keeping:
        digest = hashlib.sha256(self._target.table.encode()).hexdigest()[:12]
        return Keeping(self._folder / f"{what}-{digest}", self._options.owner, self._folder, about)


def _with_id(method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters with the id in ``select``: it is the table's key."""
    if not is_read_by_id(method, params):
        raise Bitrix24InputError("only a list that is read by id has a key for a table", method=method)
    key = list_method(method).key[0]
    name = next((name for name in params if str(name).lower() == "select"), "select")
    select = listed(params.get(name))
    if not select or "*" in select or any(one.upper() == key.upper() for one in select):
        return dict(params)
    return {**params, name: [key, *select]}
