"""A table of a database as the target of a load, and how a session with the database is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from airflow_provider_b24.errors import Bitrix24Error
from airflow_provider_b24.export.targets.failures import table_error
from airflow_provider_b24.export.targets.sessions import Session, open_session

LOCK_TIMEOUT = 60.0  # seconds


@dataclass(frozen=True)
class TableTarget:
    """
    A table in a database, whether it exists or not.

    :param connect: returns a SQLAlchemy engine that keeps no connection open.
    :param table: the table's name, perhaps with a schema before it.
    :param lock_timeout: seconds to wait for locks of others.
    :param secrets: texts that no message may show, such as the connection's password.
    """

    connect: Callable[[], Engine]
    table: str
    lock_timeout: float = LOCK_TIMEOUT
    secrets: Sequence[str] = ()


@contextmanager
def opened(target: TableTarget) -> Iterator[Session]:
    """
    Open a session with a target's database, and close it at the end.

    :raises Bitrix24TableError: the database cannot be reached, or does not accept the connection.
    """
    try:
        engine = target.connect()
        connection = engine.connect()
    except Bitrix24Error:
        raise
    except Exception as error:  # noqa: BLE001 - each driver and each hook has its own
        raise table_error(error, target.table, target.secrets, "cannot connect") from None
    try:
        yield open_session(connection, target.lock_timeout)
    finally:
        try:
            connection.close()
        except (SQLAlchemyError, OSError):
            connection.invalidate()  # the error before this one is the one to be seen
        engine.dispose()
