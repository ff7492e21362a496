"""Step one of an export: every row of a list in pieces, as the portal sent it; a later try resumes it."""

from __future__ import annotations

import hashlib
import itertools
import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_b24.crm.fields import listed
from airflow_provider_b24.errors import Bitrix24Error
from airflow_provider_b24.export.pieces import Piece, Pieces
from airflow_provider_b24.export.progress import ExportProgress
from airflow_provider_b24.export.readable import Readable
from airflow_provider_b24.export.saved_rows import encode_rows, ids_of
from airflow_provider_b24.files.paths import StoragePath
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.encoding import json_params
from airflow_provider_b24.rest.lists import list_method
from airflow_provider_b24.rest.paging import is_read_by_id
from airflow_provider_b24.runs.meter import Meter

PIECE_ROWS = 10_000  # rows that a try which was killed reads again, at most
CHUNK_ROWS = 500  # rows written at once


@dataclass(frozen=True)
class Keeping:
    """
    Where the rows of a list are kept until they are read, and for whom.

    :param path: what the list becomes, or another name for it.
    :param owner: a name shared by the tries of one export; empty: no other try resumes it.
    :param folder: where the pieces are; None: beside the path.
    :param about: what else must be the same for a later try to resume, as JSON.
    """

    path: StoragePath
    owner: str = ""
    folder: StoragePath | None = None
    about: Sequence[Any] = field(default_factory=tuple)


@dataclass
class SavedList:
    """
    A list in pieces.

    :ivar chain: the pieces in order.
    :ivar by_id: whether rows came in strictly ascending order of their ids.
    :ivar seen: the names in the rows, in the order in which they occurred first.
    :ivar ignored: the name of an id that only the reader asked for; empty if the caller did.
    :ivar is_owned: whether another try can resume it.
    :ivar state: what ``prepare`` returned at the first try, and the counts of all tries.
    """

    pieces: Pieces
    chain: list[Piece]
    by_id: bool
    seen: list[str]
    ignored: str
    state: dict[str, Any]
    is_owned: bool

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(piece.rows for piece in self.chain)

    def ids(self, name: str) -> Iterator[int]:
        """Read the ids of the rows back."""
        return ids_of(self.pieces.opened(self.chain), name)


class ListReader:
    """
    Reads one list into pieces.

    :param client: the client of the portal.
    :param method: name of the list method.
    :param params: its parameters.
    :param keeping: where the rows are kept.
    :param log: takes one line about the progress.
    """

    def __init__(
        self,
        client: Client,
        method: str,
        params: Mapping[str, Any],
        keeping: Keeping,
        log: Callable[[str], None],
    ) -> None:
        self._client = client
        self._method = method
        self._params = params
        self._owner = keeping.owner
        self._log = log
        asked = [method, json_params(Call(method, params)), *keeping.about]
        self._fingerprint = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
        self._expects_ids = is_read_by_id(method, params)
        # Only rows in the order of their ids can be joined with those of another try.
        content = self._fingerprint[:12] if self._expects_ids else secrets.token_hex(6)
        self._place = keeping.path, keeping.owner or secrets.token_hex(6), keeping.folder
        self.pieces = self._pieces(content)
        self._meter = Meter(client)

    def _pieces(self, content: str) -> Pieces:
        path, owner, folder = self._place
        return Pieces(path, owner, content, folder)

    def load_result(self) -> Any:
        """Return what ``save_result`` noted for this owner and list; None if nothing."""
        state = self.pieces.load_state() if self._owner else None
        if state is None or state.get("fingerprint") != self._fingerprint:
            return None
        return state.get("result")

    def save_result(self, result: Any) -> None:
        """Note what a later try of this owner is to get instead of reading the list again."""
        self.pieces.save_state({"fingerprint": self._fingerprint, "result": result})

    def read(self, prepare: Callable[[], dict[str, Any]]) -> SavedList:
        """
        Read every row that no piece has yet.

        :param prepare: called by the first try: what is asked of the portal before the first row, as JSON.
        :raises Bitrix24Error: the list cannot be read completely. After a temporary error, what was read is
            kept for the owner's next try.
        """
        state = self._resume() or self._begin(prepare)
        self._meter.resume(state["requests"], state["seconds"], state["timeline"])
        reading = _Reading(self._with_id(), self._expects_ids, dict.fromkeys(state["seen"]))
        chain = self.pieces.chain() if self._expects_ids else []
        try:
            chain = self._read(state, reading, chain)
        except Bitrix24Error as error:
            self.count(state, reading.done)
            if error.temporary and self._owner and reading.by_id:
                self._save(state, reading)
            else:
                self.pieces.clear()
            raise
        state["seen"] = list(reading.seen)
        return SavedList(
            self.pieces, chain, reading.by_id, state["seen"], reading.added, state, bool(self._owner)
        )

    def count(self, state: dict[str, Any], rows: int) -> None:
        """Bring the counts in the state up to date."""
        requests, seconds = self._meter.measure(state["timeline"], rows)
        state.update(requests=requests, seconds=round(seconds, 1))

    def _resume(self) -> dict[str, Any] | None:
        """Return what an earlier try of the same export noted."""
        state = self.pieces.load_state() if self._owner and self._expects_ids else None
        if state is None or state.get("fingerprint") != self._fingerprint or "seen" not in state:
            return None
        chain = self.pieces.chain()
        if chain:
            rows = sum(piece.rows for piece in chain)
            self._log(f"resuming after {rows:,} rows, at id {chain[-1].last}")
        return state

    def _begin(self, prepare: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        self.pieces.clear()
        state = {"fingerprint": self._fingerprint, "requests": 0, "seconds": 0.0, "timeline": [], "seen": []}
        return state | prepare()

    def _save(self, state: dict[str, Any], reading: _Reading) -> None:
        if reading.by_id and self._owner:
            state["seen"] = list(reading.seen)
            self.pieces.save_state(state)

    def _read(self, state: dict[str, Any], reading: _Reading, chain: Sequence[Piece]) -> list[Piece]:
        reading.after = chain[-1].last if chain else 0
        reading.done = sum(piece.rows for piece in chain)
        progress = ExportProgress(self._client.clock.now, self._log, reading.done)
        readable = Readable(state.get("names", {}), state.get("name_fields", {}))
        pages = self._client.pages(self._method, reading.params, after=reading.after or None, exact=True)
        rows = iter(pages)
        self._save(state, reading)
        chunk = reading.take(rows, PIECE_ROWS)
        if (
            chunk
            and reading.by_id
            and not (getattr(pages, "by_id", True) and _ascend(chunk, self._id_name, reading.after))
        ):
            self._give_up_ids(reading)
        while chunk:
            self._write_piece(state, reading, chunk, rows, readable)
            progress.tell(reading.done)
            self.count(state, reading.done)
            chunk = reading.take(rows, PIECE_ROWS)
        return self.pieces.chain_up_to(reading.after)

    def _give_up_ids(self, reading: _Reading) -> None:
        """Go on without ids: the portal does not sort the list by them, so no later try can resume it."""
        if reading.after:
            raise Bitrix24Error(
                "the portal no longer sorts the list by id, so that it cannot be resumed", method=self._method
            )
        self._log("the portal does not sort this list by id: a later try reads it from the beginning")
        self.pieces.clear()
        self.pieces = self._pieces(secrets.token_hex(6))
        reading.by_id = False

    def _write_piece(
        self,
        state: dict[str, Any],
        reading: _Reading,
        chunk: list[Any],
        rows: Iterator[Any],
        readable: Readable,
    ) -> None:
        """
        Write one piece that begins with a chunk of rows.

        A temporary error, for example a limit that makes the task wait, keeps what was read until then.
        """
        failure: Bitrix24Error | None = None
        after, last, count = reading.after, reading.after, 0
        with self.pieces.new() as piece:
            try:
                while chunk:
                    last = self._last(reading, chunk, last)
                    piece.file.write(encode_rows(reading.noted(chunk, readable)))
                    count += len(chunk)
                    chunk = reading.take(rows, PIECE_ROWS - count) if count < PIECE_ROWS else []
            except Bitrix24Error as error:
                if not error.temporary or not count:
                    raise
                failure = error
            if len(reading.seen) > len(state["seen"]):
                self._save(state, reading)
            piece.finish(after, last, count)
            reading.after, reading.done = last, reading.done + count
            if failure is not None:
                raise failure

    def _last(self, reading: _Reading, chunk: Sequence[Any], last: int) -> int:
        """
        Return what a piece that ends with these rows is named by: their last id, or their number.

        :raises Bitrix24Error: the ids of a list that is read by id do not ascend.
        """
        if not reading.by_id:
            return last + len(chunk)
        if not _ascend(chunk, self._id_name, last):
            raise Bitrix24Error("the ids of the list do not ascend", method=self._method, temporary=True)
        return int(chunk[-1][self._id_name])

    @property
    def _id_name(self) -> str:
        return list_method(self._method).key[0]

    def _with_id(self) -> tuple[Mapping[str, Any], str]:
        """Select the id, which pieces are named by; also return its name if it was not selected."""
        name = next((name for name in self._params if str(name).lower() == "select"), "")
        select = listed(self._params.get(name))
        if not self._expects_ids or not select or "*" in select:
            return self._params, ""
        if any(one.upper() == self._id_name.upper() for one in select):
            return self._params, ""
        return {**self._params, name: [*select, self._id_name]}, self._id_name


def _ascend(rows: Sequence[Any], name: str, after: int) -> bool:
    """Whether rows have ids above one another and above another id."""
    try:
        ids = [int(row[name]) for row in rows]
    except (TypeError, ValueError, KeyError):
        return False
    return ids[0] > after and all(map(int.__lt__, ids, itertools.islice(ids, 1, None)))


class _Reading:
    """How far one try is."""

    def __init__(self, asked: tuple[Mapping[str, Any], str], by_id: bool, seen: dict[str, None]) -> None:
        self.params, self.added = asked
        self.by_id = by_id
        self.seen = seen
        self.after = 0
        self.done = 0

    def take(self, rows: Iterator[Any], most: int) -> list[Any]:
        return list(itertools.islice(rows, min(most, CHUNK_ROWS)))

    def noted(self, rows: list[Any], readable: Readable) -> list[Any]:
        """Note the names in rows; return them with names of codes, and without an id nobody asked for."""
        seen, added = self.seen, self.added
        if added or readable:
            rows = [dict(row) if isinstance(row, dict) else row for row in rows]  # the reader compares them
        objects = [row for row in rows if isinstance(row, dict)]
        readable.add(objects)
        for row in objects:
            if added:
                row.pop(added, None)
            if not row.keys() <= seen.keys():
                seen.update(dict.fromkeys(row))
        return rows


@contextmanager
def cleared_after_errors(saved: SavedList) -> Iterator[None]:
    """Delete what was kept if what follows the reading fails for good, or no other try can use it."""
    try:
        yield
    except BaseException as error:
        keeps = saved.by_id and saved.is_owned
        if not keeps or (isinstance(error, Bitrix24Error) and not error.temporary):
            with suppress(Exception):  # the error that matters is the first one
                saved.pieces.clear()
        raise
