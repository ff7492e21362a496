"""
Finished pieces of a list that is being read: what a later try finds and does not read again.

A piece holds rows as the portal sent them, one a line. Its name says which ids it covers. Pieces are joined
by these ids, each beginning where the one before ended, so that two tries which overlap leave no row out and
none twice. The try that ends first deletes the pieces of both: the other one fails, and a later try reads the
list again.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, NamedTuple

from airflow_provider_b24.errors import Bitrix24Error
from airflow_provider_b24.export.scratch import beside, remove_owned
from airflow_provider_b24.files.paths import StoragePath, explained, listed
from airflow_provider_b24.files.writer import open_new, whole_file


class Piece(NamedTuple):
    """
    One finished piece.

    :ivar after: the last id before it, 0 at the beginning.
    :ivar last: its last id.
    """

    after: int
    last: int
    rows: int
    path: StoragePath


class Pieces:
    """
    The pieces of one list.

    :param path: what the list becomes, or another name for it: lists of one owner are told apart by it.
    :param owner: whose they are: tries of one task share it, nobody else does.
    :param content: short text for what is read: only pieces with the same content are joined.
    :param folder: where they are; by default a folder beside the path.
    """

    def __init__(
        self, path: StoragePath, owner: str, content: str, folder: StoragePath | None = None
    ) -> None:
        self._path = path
        self.folder = folder or beside(path)
        digest = hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()[:10]
        self._prefix = f"{owner}.{path.name[:32]}.{digest}."
        self._piece_prefix = f"{self._prefix}{content}."
        self._pattern = re.compile(re.escape(self._piece_prefix) + r"(\d+)-(\d+)\.(\d+)\.piece")

    def load_state(self) -> dict[str, Any] | None:
        """Return what an earlier try noted, or None."""
        try:
            with self._state_path.open("rb") as file:
                state = json.loads(file.read())
        except FileNotFoundError:
            return None
        except ValueError:  # whoever wrote it was stopped
            return None
        return state if isinstance(state, dict) else None

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Note what a later try must know."""
        with whole_file(self._state_path) as file:
            file.write(json.dumps(state).encode())

    @property
    def ids_path(self) -> StoragePath:
        """Where the ids of a finished list are kept, one a line."""
        return self.folder / f"{self._prefix}ids"

    def chain(self) -> list[Piece]:
        """Return the finished pieces that reach farthest, each beginning where the one before ended."""
        ending_at: dict[int, Piece] = {}
        for piece in sorted(self._found()):
            if piece.after == 0 or piece.after in ending_at:
                ending_at[piece.last] = piece
        chain: list[Piece] = []
        position = max(ending_at, default=0)
        while position:
            chain.append(ending_at[position])
            position = chain[-1].after
        return chain[::-1]

    def chain_up_to(self, last: int) -> list[Piece]:
        """
        Return the chain of a try that has read its list up to an id.

        :raises Bitrix24Error: the chain ends before it, because another try has deleted pieces.
        """
        chain = self.chain()
        if (chain[-1].last if chain else 0) < last:
            raise self.lost()
        return chain

    @contextmanager
    def new(self) -> Iterator[NewPiece]:
        """
        Open a new piece. It is kept if ``finish`` was called, even if an error of the portal follows.

        :raises Bitrix24Error: another try has deleted it.
        """
        scratch = self.folder / f"{self._prefix}{secrets.token_hex(6)}.tmp"
        piece = NewPiece()
        failure: Bitrix24Error | None = None
        kept = False
        with explained(f"{self.folder} cannot be written"):
            try:
                with open_new(scratch) as piece.file:
                    try:
                        yield piece
                    except Bitrix24Error as error:
                        failure = error
                if piece.span is not None:
                    after, last, rows = piece.span
                    with self.still_there():
                        scratch.replace(self.folder / f"{self._piece_prefix}{after}-{last}.{rows}.piece")
                    kept = True
            finally:
                if not kept:
                    with suppress(Exception):  # what matters is the error before it
                        scratch.unlink()
        if failure is not None:
            raise failure

    def opened(self, chain: Sequence[Piece]) -> Iterator[BinaryIO]:
        """
        Open pieces one after another.

        :raises Bitrix24Error: another try has deleted one.
        """
        for piece in chain:
            with self.still_there():
                file = piece.path.open("rb")
            with file:
                yield file

    @contextmanager
    def still_there(self) -> Iterator[None]:
        """
        Use a file that another try may have deleted.

        :raises Bitrix24Error: it has.
        """
        try:
            yield
        except FileNotFoundError:
            raise self.lost() from None

    def lost(self) -> Bitrix24Error:
        """Return the error for pieces that another try has deleted."""
        return Bitrix24Error(
            f"the rows saved for {self._path} are gone: another try of this export has ended or begun",
            temporary=True,
            advice="Try again: the list is read from the beginning.",
        )

    def delete(self, chain: Sequence[Piece]) -> None:
        """Delete pieces that are no longer needed; what else was kept stays."""
        for piece in chain:
            with suppress(FileNotFoundError):
                piece.path.unlink()

    def clear(self) -> None:
        """Delete all that was kept for this list and owner."""
        remove_owned(self.folder, self._prefix)

    @property
    def _state_path(self) -> StoragePath:
        return self.folder / f"{self._prefix}state.json"

    def _found(self) -> Sequence[Piece]:
        found = []
        for path in listed(self.folder):
            match = self._pattern.fullmatch(path.name)
            if match:
                found.append(Piece(int(match[1]), int(match[2]), int(match[3]), path))
        return found


class NewPiece:
    """
    A piece that is being written.

    :ivar file: where its rows go.
    :ivar span: set when it is complete: the id before it, its last id, and its number of rows.
    """

    def __init__(self) -> None:
        self.file: BinaryIO
        self.span: tuple[int, int, int] | None = None

    def finish(self, after: int, last: int, rows: int) -> None:
        """Keep the piece once it is closed."""
        self.span = after, last, rows
