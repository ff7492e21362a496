"""Rows that were deleted since they were exported: the ids of then compared with the ids of now."""

from __future__ import annotations

import heapq
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, BinaryIO

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError
from airflow_provider_b24.export.reading import Keeping, ListReader, SavedList
from airflow_provider_b24.export.scratch import placed
from airflow_provider_b24.files.paths import StoragePath
from airflow_provider_b24.files.writer import json_line
from airflow_provider_b24.rest.calls import shown
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.lists import list_method
from airflow_provider_b24.rest.paging import is_read_by_id

FEW = 20  # rows that may be deleted by default, however few there were
_HEADER = b"# ids of an export "

MaxDeleted = float | int | None


def check_max_deleted(deleted: int, before: int, max_deleted: MaxDeleted, now: int | None = None) -> None:
    """
    Check that not too many rows are about to count as deleted.

    :param deleted: how many rows are about to be deleted.
    :param before: how many there were.
    :param max_deleted: how many may be: a number, a share (a float up to 1.0), or None for half of what there
        was, or 20 if that is more.
    :param now: how many rows the list has, if that is known. Only 1.0 lets an answer without any row
        delete everything.
    :raises Bitrix24InputError: ``max_deleted`` is neither.
    :raises Bitrix24Error: they are too many; nothing may be deleted.
    """
    parse_max_deleted(max_deleted)
    if not deleted:
        return
    is_empty = deleted >= before if now is None else now == 0
    if is_empty and not (isinstance(max_deleted, float) and max_deleted == 1.0):
        raise Bitrix24Error(
            f"all {before:,} rows are no longer in the list: nothing was deleted",
            advice="Check the filter, and that the connection's user may still read these records. "
            "If they are really gone, run once with max_deleted=1.0.",
        )
    if max_deleted is None:
        most: float = max(before / 2, FEW)
    else:
        most = max_deleted * before if isinstance(max_deleted, float) else max_deleted
    if deleted > most:
        raise Bitrix24Error(
            f"{deleted:,} of {before:,} rows are no longer in the list, more than the {int(most):,} that "
            "max_deleted allows: nothing was deleted",
            advice="Check the filter, and that the connection's user may still read these records. "
            f"If they are really gone, run once with max_deleted={deleted}.",
        )


def parse_max_deleted(value: Any) -> MaxDeleted:
    """
    Return how many rows may be deleted at most.

    :raises Bitrix24InputError: it is neither a number nor a share.
    """
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    if isinstance(value, float) and 0.0 <= value <= 1.0:
        return value
    raise Bitrix24InputError(
        f"max_deleted must be a number of rows, or a share between 0.0 and 1.0, got {shown(value)}"
    )


def find_deleted(
    client: Client,
    method: str,
    params: Mapping[str, Any] | None,
    ids_path: StoragePath,
    deleted_path: StoragePath,
    log: Callable[[str], None],
    exported: Iterable[int] = (),
    owner: str = "",
    max_deleted: MaxDeleted = None,
    scratch: StoragePath | None = None,
) -> int:
    """
    Write the ids of rows that are no longer in a list; return their number.

    All lists of ids are sorted, so memory does not grow with them. A later try resumes reading those of now.

    :param client: the client of the portal.
    :param method: name of a list method that is read by id.
    :param params: its parameters, without a condition on the time of the last change.
    :param ids_path: the ids of the last time, one a line, not compressed; afterwards those of now.
    :param deleted_path: JSON lines with the id of each deleted row.
    :param log: takes one line about the progress.
    :param exported: ids that were exported just now, ascending: one of a row that is already deleted again is
        in no other list.
    :param owner: shared by the tries of one export: what an earlier one found, a later one keeps.
    :param max_deleted: see ``check_max_deleted``.
    :param scratch: the folder of the pieces; None: ``_bitrix24`` beside ``ids_path``.
    :raises Bitrix24Error: the list is not read by id, cannot be read completely, or misses too many rows; the
        files are as they were.
    """
    given = {name: value for name, value in (params or {}).items() if str(name).lower() != "select"}
    if not is_read_by_id(method, given):
        raise Bitrix24InputError("deletions are found only in lists that are read by id", method=method)
    parse_max_deleted(max_deleted)
    field = list_method(method).key[0]
    last_owner = _owner_of(ids_path)
    is_later_try = bool(owner) and last_owner == owner
    found = [int(row[field]) for row in _read_rows(deleted_path)] if is_later_try else []
    now = read_ids(client, method, given, Keeping(ids_path, owner, scratch), log)
    try:
        count = 0
        with ExitStack() as files:
            # Left in the reverse order: the ids of now count only once the deleted ones are written.
            kept = files.enter_context(placed(ids_path))
            deleted = files.enter_context(placed(deleted_path))
            kept.write(_HEADER + owner.encode() + b"\n")
            then = _Counted(
                one for one, _ in itertools.groupby(heapq.merge(_read_ids(ids_path), exported, found))
            )
            for gone in missing(then, _written(now.ids(field), kept)):
                deleted.write(json_line({field: gone}))
                count += 1
            check_max_deleted(count, then.count, max_deleted, now.rows)
    except Bitrix24Error as error:
        if not error.temporary:
            now.pieces.clear()
        raise
    now.pieces.clear()
    return count


def read_ids(
    client: Client,
    method: str,
    params: Mapping[str, Any],
    keeping: Keeping,
    log: Callable[[str], None],
) -> SavedList:
    """
    Read the ids of a whole list into pieces.

    :raises Bitrix24Error: the portal does not sort the list by id, so that no row can be told to be deleted.
    """
    field = list_method(method).key[0]
    reader = ListReader(client, method, {**params, "select": [field]}, keeping, log)
    saved = reader.read(dict)
    if saved.rows and not saved.by_id:
        saved.pieces.clear()
        raise Bitrix24Error(
            "the portal does not sort this list by id, so that rows which were deleted cannot be told from "
            "rows that were not read",
            method=method,
            advice="Leave out ids_path and delete_missing for this list.",
        )
    return saved


class _Counted:
    """Numbers, and how many of them were taken."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._numbers = iter(numbers)
        self.count = 0

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        number = next(self._numbers)
        self.count += 1
        return number


def missing(old: Iterator[int], new: Iterable[int]) -> Iterator[int]:
    """
    Yield what is in the first and not in the second; both ascend, and the second is read whole.

    :raises Bitrix24Error: the second does not ascend.
    """
    one = next(old, None)
    last: int | None = None
    for other in new:
        if last is not None and other <= last:
            raise Bitrix24Error(f"the ids of the list do not ascend: {other} follows {last}")
        last = other
        while one is not None and one < other:
            yield one
            one = next(old, None)
        if one == other:
            one = next(old, None)
    if one is not None:
        yield one
        yield from old


def _written(numbers: Iterator[int], file: BinaryIO) -> Iterator[int]:
    for number in numbers:
        file.write(b"%d\n" % number)
        yield number


def _owner_of(path: StoragePath) -> str | None:
    """
    Return whose export wrote a file of ids; None if there is no file.

    :raises Bitrix24InputError: it is another file.
    """
    try:
        with path.open("rb") as file:
            header = file.readline().rstrip(b"\n")
    except FileNotFoundError:
        return None
    if not header.startswith(_HEADER):
        raise Bitrix24InputError(f"{path} is not a file of ids that an export wrote")
    return str(header.removeprefix(_HEADER), "utf-8", "replace")


def _read_ids(path: StoragePath) -> Iterator[int]:
    if _owner_of(path) is None:
        return
    with path.open("rb") as file:
        file.readline()
        yield from map(int, file)


def _read_rows(path: StoragePath) -> list[dict[str, Any]]:
    try:
        with path.open("rb") as file:
            return [json.loads(line) for line in file]
    except FileNotFoundError:
        return []
