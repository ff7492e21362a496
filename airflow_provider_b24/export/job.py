"""One export: the rows of a list in a file, or in several, that appear whole; a later try resumes it."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import itertools
import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError
from airflow_provider_b24.export.columns import (
    Column,
    Converter,
    find_columns,
    left_out,
    parse_fields,
    parse_types,
    selected,
)
from airflow_provider_b24.export.formats import find_format
from airflow_provider_b24.export.metadata import read_metadata
from airflow_provider_b24.export.pieces import Piece, Pieces
from airflow_provider_b24.export.progress import ExportProgress
from airflow_provider_b24.export.publish import publish, result_paths, write_schema
from airflow_provider_b24.export.readable import Readable, name_columns, read_names
from airflow_provider_b24.files.paths import StoragePath, make_folder
from airflow_provider_b24.rest.calls import Call, shown
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.encoding import json_params
from airflow_provider_b24.rest.lists import list_method
from airflow_provider_b24.rest.paging import is_read_by_id
from airflow_provider_b24.rest.timeline import Meter

PIECE_ROWS = 10_000  # rows that a try which was killed reads again, at most
CHUNK_ROWS = 500  # rows converted and written at once
MOST_PATHS = 20  # paths in the summary


@dataclass(frozen=True)
class ExportOptions:
    """
    Where and how rows are written.

    Numbers are written as numbers and flags as booleans, whatever the list method writes; times keep the
    portal's offset in JSON and CSV, and are UTC in Parquet.

    :param path: the file; compressed if its name ends in ``.gz``.
    :param format: ``jsonl``, ``csv`` or ``parquet``; None: what the name says.
    :param rows_per_file: write files of so many rows, ``deals-00001.csv`` and so on; None: one file.
    :param schema: whether to write ``<path>.schema.json``, which describes the columns.
    :param readable: whether to add the names of codes in fields of their own, ``stageIdName`` beside
        ``stageId``: options, statuses and stages, pipelines and users of a CRM list.
    :param types: types of columns that are not to be those of the portal, by name: ``string``, ``integer``,
        ``number``, ``boolean``, ``date``, ``datetime`` or ``json``.
    :param owner: a name shared by the tries of one export, so that the next one continues after the last rows
        that were saved; empty: no other try does. Only lists that are read by id resume.
    :param remember: whether a later try of this owner gets the summary of a finished export, instead of
        reading the list again, until ``forget`` is called.
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
        ``fields`` (their names and types), ``requests`` and ``seconds`` of all tries that ended in order,
        ``watermark``, the portal's time before the first row was read, and ``timeline``, see
        ``rest.timeline.Meter``.
    :raises Bitrix24InputError: bad parameters, or a path that cannot be written.
    :raises Bitrix24Error: the list cannot be read completely; nothing is at the path.
    """
    json_params(Call(method, params or {}))
    make_folder(options.path)
    return _Export(client, method, dict(params or {}), options, log).run()


def forget(options: ExportOptions) -> None:
    """Delete what a finished export remembers."""
    Pieces(options.path, options.owner, "").clear()


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
        self._by_id = is_read_by_id(method, params)
        # Only rows in the order of their ids can be joined with those of another try.
        content = self._fingerprint()[:12] if self._by_id else secrets.token_hex(6)
        self._pieces = Pieces(options.path, options.owner or secrets.token_hex(6), content)
        self._readable = Readable({})
        self._meter = Meter(client)

    def run(self) -> dict[str, Any]:
        state = self._resume() or self._begin()
        if "summary" in state:
            return dict(state["summary"])
        self._meter.resume(state["requests"], state["seconds"], state["timeline"])
        self._readable = Readable(state["names"])
        try:
            chain = self._read(state)
        except Bitrix24Error as error:
            self._count(state)
            if error.temporary:
                self._pieces.save_state(state)
            else:
                self._pieces.clear()
            raise
        columns = _columns_of(state)
        options = self._options
        paths = publish(options.path, self._format, chain, columns, options.rows_per_file is not None)
        self._count(state)
        summary = self._summary(state, paths, sum(piece.rows for piece in chain))
        if options.schema:
            about = {"method": self._method, "rows": summary["rows"], "watermark": summary["watermark"]}
            write_schema(options.path, about, columns)
        self._pieces.clear()
        if options.remember and options.owner:
            self._pieces.save_state({"fingerprint": state["fingerprint"], "summary": summary})
        return summary

    def _resume(self) -> dict[str, Any] | None:
        """Return what an earlier try of the same export noted."""
        state = self._pieces.load_state() if self._options.owner and self._by_id else None
        if state is not None and state.get("fingerprint") == self._fingerprint():
            if "summary" in state:
                return state if self._is_there(state["summary"]) else None
            chain = self._pieces.chain()
            if chain:
                rows = sum(piece.rows for piece in chain)
                self._log(f"resuming after {rows:,} rows, at id {chain[-1].last}")
            return state
        return None

    def _is_there(self, summary: Mapping[str, Any]) -> bool:
        """Whether nobody has removed the files of a finished export."""
        return all(path.exists() for path in result_paths(self._options.path, summary.get("files")))

    def _begin(self) -> dict[str, Any]:
        self._pieces.clear()
        metadata = read_metadata(self._client, self._method, self._params)
        known = parse_fields(metadata.fields)
        names = self._read_names(metadata.fields) if self._options.readable else {}
        return {
            "fingerprint": self._fingerprint(),
            "watermark": metadata.time,
            "known": [asdict(one) for one in (*known.values(), *name_columns(names, known))],
            "left_out": left_out(metadata.fields, self._params),
            "names": names,
            "requests": 0,
            "seconds": 0.0,
            "timeline": [],
        }

    def _read_names(self, fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        select = selected(self._params)
        chosen = {name: one for name, one in fields.items() if not select or "*" in select or name in select}
        return read_names(self._client, self._method, self._params, chosen, self._log)

    def _read(self, state: dict[str, Any]) -> list[Piece]:
        """Read the rows that no piece has yet, and write them into pieces; return all pieces."""
        chain = self._pieces.chain()
        after = chain[-1].last if chain else 0
        done = sum(piece.rows for piece in chain)
        progress = ExportProgress(self._client.clock.now, self._log, done)
        params, added = self._with_id()
        rows = self._client.pages(self._method, params, after=after or None)
        while chunk := self._take(rows):
            if "columns" not in state:
                state["columns"] = self._find_columns(chunk, state, added)
                self._pieces.save_state(state)
            after, count = self._write_piece(itertools.chain(chunk, rows), after, added, _columns_of(state))
            done += count
            progress.tell(done)
            self._count(state, done)
        state.setdefault("columns", self._find_columns([], state, added))
        return self._pieces.chain_up_to(after)

    def _write_piece(
        self, rows: Iterator[dict[str, Any]], after: int, added: str, columns: Sequence[Column]
    ) -> tuple[int, int]:
        """
        Write one piece; return its last id and its number of rows.

        A temporary error, for example a limit that makes the task wait, keeps what was read until then.
        """
        converter = Converter(columns)
        failure: Bitrix24Error | None = None
        last, count = after, 0
        with self._pieces.new() as piece, self._compressed(piece.file) as file:
            with contextlib.closing(self._format.writer(file, columns)) as writer:
                try:
                    while count < self._limit and (chunk := self._take(rows, self._limit - count)):
                        count += len(chunk)
                        last = int(chunk[-1][self._id_name]) if self._by_id else after + count
                        if added:
                            for row in chunk:
                                del row[added]
                        converter.convert(chunk)
                        writer.write(chunk)
                except Bitrix24Error as error:
                    if not error.temporary or not count or self._options.rows_per_file is not None:
                        raise
                    failure = error
            piece.finish(after, last, count)
            if failure is not None:
                raise failure
        return last, count

    def _take(self, rows: Iterator[dict[str, Any]], most: int = CHUNK_ROWS) -> list[dict[str, Any]]:
        chunk = list(itertools.islice(rows, min(most, CHUNK_ROWS, self._limit)))
        self._readable.add(chunk)
        return chunk

    @property
    def _limit(self) -> int:
        return self._options.rows_per_file or PIECE_ROWS

    @property
    def _id_name(self) -> str:
        return list_method(self._method).key[0]

    def _with_id(self) -> tuple[Mapping[str, Any], str]:
        """Select the id, which pieces are named by; also return its name if it was not selected."""
        name = next((name for name in self._params if str(name).lower() == "select"), "")
        select = self._params.get(name)
        if not self._by_id or not isinstance(select, list | tuple) or not select or "*" in select:
            return self._params, ""
        if any(str(one).upper() == self._id_name.upper() for one in select):
            return self._params, ""
        return {**self._params, name: [*select, self._id_name]}, self._id_name

    def _find_columns(
        self, rows: Sequence[Mapping[str, Any]], state: Mapping[str, Any], added: str
    ) -> list[dict[str, Any]]:
        known = {column["name"]: Column(**column) for column in state["known"]}
        types = parse_types(self._options.types)
        if not rows:  # the portal's description is all there is
            wanted = [str(one) for one in selected(self._params) or () if one in known] or list(known)
            empty: dict[str, Any] = dict.fromkeys(wanted)
            self._readable.add([empty])
            rows = [empty]
        found = find_columns(rows, known, types, state.get("left_out", ()))
        return [asdict(one) for one in found if one.name != added]

    @contextmanager
    def _compressed(self, file: BinaryIO) -> Iterator[BinaryIO]:
        """Compress a piece that is to become a file itself; joined pieces are compressed together."""
        if self._options.rows_per_file is None or not self._options.path.name.endswith(".gz"):
            yield file
            return
        with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as zipped:
            yield zipped  # type: ignore[misc]  # it takes bytes, which is all that is used

    def _count(self, state: dict[str, Any], rows: int | None = None) -> None:
        """Bring the counts up to date."""
        rows = sum(piece.rows for piece in self._pieces.chain()) if rows is None else rows
        requests, seconds = self._meter.measure(state["timeline"], rows)
        state.update(requests=requests, seconds=round(seconds, 1))

    def _summary(self, state: Mapping[str, Any], paths: Sequence[StoragePath], rows: int) -> dict[str, Any]:
        if self._options.rows_per_file is None:
            where: dict[str, Any] = {"path": str(paths[0])}
        else:
            where = {"paths": [str(path) for path in paths[:MOST_PATHS]], "files": len(paths)}
        counts = {name: state[name] for name in ("requests", "seconds", "watermark", "timeline")}
        fields = [[column["name"], column["type"]] for column in state["columns"]]
        return where | {"rows": rows, "columns": len(fields), "fields": fields} | counts

    def _fingerprint(self) -> str:
        options = self._options
        asked = [
            self._method,
            json_params(Call(self._method, self._params)),
            dict(options.types),
            options.readable,
        ]
        what = json.dumps([*asked, options.path.name, options.format, options.rows_per_file])
        return hashlib.sha256(what.encode()).hexdigest()


def _columns_of(state: Mapping[str, Any]) -> list[Column]:
    return [Column(**column) for column in state["columns"]]
