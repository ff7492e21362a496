"""Rows that were deleted since they were exported: the ids of then compared with the ids of now."""

from __future__ import annotations

import hashlib
import heapq
import itertools
import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, BinaryIO

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError
from airflow_provider_b24.export.formats import find_format
from airflow_provider_b24.export.job import ExportOptions, export_list, forget
from airflow_provider_b24.export.publish import read_ids
from airflow_provider_b24.files.paths import StoragePath
from airflow_provider_b24.files.writer import json_line, whole_file
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.lists import list_method
from airflow_provider_b24.rest.paging import is_read_by_id

_HEADER = b"# ids of an export "


def find_deleted(
    client: Client,
    method: str,
    params: Mapping[str, Any] | None,
    ids_path: StoragePath,
    deleted_path: StoragePath,
    log: Callable[[str], None],
    exported: Iterable[int] = (),
    owner: str = "",
) -> int:
    """
    Write the ids of rows that are no longer in a list; return their number.

    All lists of ids are sorted, so memory does not grow with them. The ids of now are an export of their own
    beside ``ids_path``, so a later try resumes it.

    :param client: the client of the portal.
    :param method: name of a list method that is read by id.
    :param params: its parameters, without a condition on the time of the last change.
    :param ids_path: the ids of the last time, one a line, not compressed; afterwards those of now.
    :param deleted_path: JSON lines with the id of each deleted row.
    :param log: takes one line about the progress.
    :param exported: ids of rows that were exported just now. One that was created since the last time and is
        deleted by now is in no other list.
    :param owner: shared by the tries of one export: what an earlier one found, a later one keeps.
    :raises Bitrix24InputError: the list is not read by id, or a file cannot be read or written.
    :raises Bitrix24Error: the list cannot be read completely; the files are as they were.
    """
    given = {name: value for name, value in (params or {}).items() if str(name).lower() != "select"}
    if not is_read_by_id(method, given):
        raise Bitrix24InputError("deletions are found only in lists that are read by id", method=method)
    field = list_method(method).key[0]
    last_owner = _owner_of(ids_path)
    is_later_try = bool(owner) and last_owner == owner
    found = [int(row[field]) for row in _read_rows(deleted_path)] if is_later_try else []
    count = 0
    with (
        _ids_of_now(client, method, {**given, "select": [field]}, ids_path, log, owner) as now,
        ExitStack() as files,
    ):
        # Left in the reverse order: the ids of now count only once the deleted ones are written.
        kept = files.enter_context(whole_file(ids_path))
        deleted = files.enter_context(whole_file(deleted_path))
        kept.write(_HEADER + owner.encode() + b"\n")
        then = heapq.merge(_read_ids(ids_path), exported, found)
        for gone in missing((one for one, _ in itertools.groupby(then)), _written(now, kept)):
            deleted.write(json_line({field: gone}))
            count += 1
    return count


def exported_ids(method: str, options: ExportOptions, summary: Mapping[str, Any]) -> Iterator[int]:
    """
    Read the ids of an export's rows back from its files; none if they were not exported.

    :param summary: what ``export_list`` returned.
    """
    format_ = find_format(options.path.name, options.format)
    return read_ids(options.path, format_, list_method(method).key[0], summary.get("files"))


def check_max_deleted(deleted: int, before: int, max_deleted: float | None) -> None:
    """
    Check that not more rows are about to be deleted than is allowed.

    :param deleted: the number of rows to delete.
    :param before: the number of rows there are.
    :param max_deleted: the most rows, as a number (``int``) or as a share from 0.0 to 1.0 (``float``); None:
        half of them, or 20 if that is more. All rows are deleted only with 1.0.
    :raises Bitrix24InputError: it is not such a number.
    :raises Bitrix24Error: they are too many.
    """
    limit = parse_max_deleted(max_deleted, before)
    if deleted == 0 or (deleted <= limit and (deleted < before or max_deleted == 1.0)):
        return
    allowed = f"{limit:,}" if deleted > limit else "fewer than all"
    raise Bitrix24Error(
        f"{deleted:,} of {before:,} rows would be deleted, but at most {allowed} may be. Nothing was deleted",
        advice="Check the filter and what the connection's user may read: rows without permission are left "
        "out of a list. If so many are to be deleted, raise max_deleted; 1.0 allows all.",
    )


def parse_max_deleted(max_deleted: float | None, before: int) -> int:
    """Return the most rows that may be deleted, see ``check_max_deleted``."""
    if max_deleted is None:
        return max(before // 2, 20)
    is_number = isinstance(max_deleted, int | float) and not isinstance(max_deleted, bool)
    is_share = isinstance(max_deleted, float)
    if not is_number or max_deleted < 0 or (is_share and not max_deleted <= 1.0):
        raise Bitrix24InputError(
            f"max_deleted must be a number of rows or a share from 0.0 to 1.0, got {max_deleted!r:.40}"
        )
    return max_deleted if isinstance(max_deleted, int) else int(before * max_deleted)


def missing(old: Iterator[int], new: Iterable[int]) -> Iterator[int]:
    """Yield what is in the first and not in the second; both are sorted, and the second is read whole."""
    one = next(old, None)
    for other in new:
        while one is not None and one < other:
            yield one
            one = next(old, None)
        if one == other:
            one = next(old, None)
    if one is not None:
        yield one
        yield from old


@contextmanager
def _ids_of_now(
    client: Client,
    method: str,
    params: Mapping[str, Any],
    ids_path: StoragePath,
    log: Callable[[str], None],
    owner: str,
) -> Iterator[Iterator[int]]:
    """Read the ids of a list; those of an owner stay until they are no longer needed."""
    mark = hashlib.sha256(owner.encode()).hexdigest()[:12] if owner else secrets.token_hex(6)
    path = ids_path.with_name(f".{ids_path.name}.{mark}.jsonl")
    options = ExportOptions(path, owner=owner, remember=True)
    summary = export_list(client, method, params, options, log)
    is_done = not owner
    try:
        yield exported_ids(method, options, summary)
        is_done = True
    finally:
        if is_done:
            forget(options)
            path.unlink()


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
