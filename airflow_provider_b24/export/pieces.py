"""
Finished pieces of an export beside its path: what a later try finds and does not read again.

A piece's name says which ids it covers. Pieces are joined by these ids, each beginning where the one before
ended, so that two tries which overlap leave no row out and none twice. The try that ends first deletes the
pieces of both: the other one fails, and a later try reads the list again.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, NamedTuple

from airflow_provider_b24.errors import Bitrix24Error
from airflow_provider_b24.files.paths import StoragePath, explained, listed, make_folder
from airflow_provider_b24.files.writer import whole_file


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
    The pieces of one export.

    :param path: the path of the export.
    :param owner: whose they are: tries of one task share it, nobody else does.
    :param content: short text for what is exported: only pieces with the same content are joined.
    """

    def __init__(self, path: StoragePath, owner: str, content: str) -> None:
        self._path = path
        self._prefix = f"{path.name}.{owner}."
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

    def chain(self) -> list[Piece]:
        """Return the finished pieces that reach farthest, each beginning where the one before ended."""
        ending_at: dict[int, Piece] = {}
        for piece in sorted(self._found()):
            if piece.after == 0 or piece.after in ending_at:
                ending_at[piece.last] = piece
        chain: list[Piece] = []
        position = max(ending_at, default=0)
        while position:
            chain.insert(0, ending_at[position])
            position = chain[0].after
        return chain

    def chain_up_to(self, last: int) -> list[Piece]:
        """
        Return the chain of a try that has read its list up to an id.

        :raises Bitrix24Error: the chain ends before it, because another try has deleted pieces.
        """
        chain = self.chain()
        if (chain[-1].last if chain else 0) < last:
            raise _lost(self._path)
        return chain

    @contextmanager
    def new(self) -> Iterator[NewPiece]:
        """
        Open a new piece. It is kept if ``finish`` was called, even if an error of the portal follows.

        :raises Bitrix24Error: another try has deleted it.
        """
        make_folder(self._path)
        scratch = self._path.with_name(f"{self._prefix}{secrets.token_hex(6)}.tmp")
        piece = NewPiece()
        failure: Bitrix24Error | None = None
        kept = False
        with explained(f"{self._path} cannot be written"):
            try:
                with scratch.open("wb") as piece.file:
                    try:
                        yield piece
                    except Bitrix24Error as error:
                        failure = error
                if piece.span is not None:
                    after, last, rows = piece.span
                    with still_there(self._path):
                        scratch.replace(scratch.with_name(f"{self._piece_prefix}{after}-{last}.{rows}.piece"))
                    kept = True
            finally:
                if not kept:
                    with suppress(Exception):  # what matters is the error before it
                        scratch.unlink()
        if failure is not None:
            raise failure

    def clear(self) -> None:
        """Delete all that an export of this owner left, but for its result."""
        for path in listed(self._path.parent):
            if path.name.startswith(self._prefix):
                with suppress(FileNotFoundError):
                    path.unlink()

    @property
    def _state_path(self) -> StoragePath:
        return self._path.with_name(f"{self._prefix}state.json")

    def _found(self) -> Sequence[Piece]:
        found = []
        for path in listed(self._path.parent):
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


@contextmanager
def still_there(path: StoragePath) -> Iterator[None]:
    """
    Use a file that another try of the same export may have deleted.

    :param path: the path of the export.
    :raises Bitrix24Error: it has.
    """
    try:
        yield
    except FileNotFoundError:
        raise _lost(path) from None


def _lost(path: StoragePath) -> Bitrix24Error:
    return Bitrix24Error(
        f"the rows saved beside {path} are gone: another try of this export has ended or begun",
        temporary=True,
        advice="Try again: the list is read from the beginning.",
    )
