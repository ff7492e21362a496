"""
The rows of a list in a database table, all or nothing.

The rows are complete before a connection is opened. They go into a temporary table, which locks nothing, and
from there into the table by a few statements in one short transaction.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24TableError
from airflow_provider_b24.export.columns import Column
from airflow_provider_b24.export.targets.check import check_target
from airflow_provider_b24.export.targets.connect import TableTarget, opened
from airflow_provider_b24.export.targets.failures import CHANGED, Kind, find_kind, table_error
from airflow_provider_b24.export.targets.merging import (
    Ids,
    Load,
    Rows,
    TableChangedError,
    TableResult,
    run_load,
)
from airflow_provider_b24.export.targets.names import parse_table_name

__all__ = ["TableResult", "TableTarget", "check_target", "write_table"]

_MOST_TRIES = 5


def write_table(
    target: TableTarget,
    columns: Sequence[Column],
    key: str,
    rows: Rows,
    *,
    keep_ids: Ids | None = None,
    max_deleted: float | None = None,
    log: Callable[[str], None],
) -> TableResult:
    """
    Write rows into a table: new ones are inserted, and those that differ are changed, in one transaction.

    The table is created if it does not exist, and gets a column for each new field. In MySQL, where that
    cannot be undone, it happens when all rows were checked and before the first is written.

    :param target: the table.
    :param columns: the columns of the rows.
    :param key: the name of the field that identifies a row.
    :param rows: returns an iterator over lists of rows, tuples in the order of the columns; called again if
        the load begins again.
    :param keep_ids: returns the ids of the whole list, ascending; rows with other ids are deleted.
    :param max_deleted: how many rows may be deleted, see ``check_max_deleted``.
    :param log: takes one line about the progress.
    :raises Bitrix24TableError: the table does not take these rows; it is as it was.
    """
    source = _Source()
    load = Load(
        parse_table_name(target.table),
        columns,
        key,
        lambda: source.watch(rows()),
        (lambda: source.watch(keep_ids())) if keep_ids else None,
        max_deleted,
        log,
    )
    for left in reversed(range(_MOST_TRIES)):
        failure: Exception
        try:
            with opened(target) as session:
                return run_load(session, load)
        except TableChangedError as error:
            failure, kind = error, CHANGED
        except (SQLAlchemyError, OSError, ValueError, TypeError) as error:
            if isinstance(error, Bitrix24Error) or error is source.error:
                raise
            failure, kind = error, find_kind(error)
        if not kind.repeats or not left:
            break
        _wait(kind, target.table, _MOST_TRIES - left, log)
    raise _final_error(failure, kind, target)


def _wait(kind: Kind, table: str, tries: int, log: Callable[[str], None]) -> None:
    log(f"table {table}: {kind.what}; the load begins again")
    time.sleep(random.uniform(0.05, 0.1) * 2**tries)  # noqa: S311 - not a secret


def _final_error(failure: Exception, kind: Kind, target: TableTarget) -> Bitrix24TableError:
    if isinstance(failure, TableChangedError):
        return Bitrix24TableError(f"table {target.table}: {kind.what}", table=target.table, temporary=True)
    return table_error(failure, target.table, target.secrets)


class _Source:
    """Remembers an error of what rows are read from, to tell it from those of the database."""

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def watch(self, items: Iterator[Any]) -> Iterator[Any]:
        """Yield what an iterator yields."""
        try:
            yield from items
        except Exception as error:
            self.error = error
            raise
