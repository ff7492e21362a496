"""The databases that Airflow has connections to, as targets of a load."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_b24.errors import Bitrix24ConfigError
from airflow_provider_b24.export.merge import Target
from airflow_provider_b24.export.tables import DIALECTS, STANDARD


def table_address(conn_id: str, table: str) -> tuple[str, str]:
    """Return the namespace and the name of a table, as OpenLineage names it for this database."""
    connection: Any = BaseHook.get_connection(conn_id)
    hook: Any = connection.get_hook()
    info = hook.get_openlineage_database_info(connection)
    if info is None:  # this database's provider does not say
        host = f"{connection.host or ''}:{connection.port}" if connection.port else connection.host or ""
        return f"{connection.conn_type}://{host}", ".".join(filter(None, [connection.schema, table]))
    schema = () if "." in table else (hook.get_openlineage_default_schema(),)
    name = ".".join(filter(None, [info.database, *schema, table]))
    return f"{info.scheme}://{info.authority}" if info.authority else info.scheme, name


@contextmanager
def open_target(conn_id: str, table: str) -> Iterator[Target]:
    """
    Open a connection to a database, and close it at the end.

    :param conn_id: id of a connection of any type with a ``DbApiHook``.
    :param table: the table.
    :raises Bitrix24ConfigError: the connection is not one to a database.
    """
    hook: Any = BaseHook.get_hook(conn_id)
    if not hasattr(hook, "placeholder"):
        raise Bitrix24ConfigError(f"connection {conn_id} is not one to a database")
    dialect = DIALECTS.get(hook.conn_type, STANDARD)
    with closing(hook.get_conn()) as connection:
        yield Target(connection, table, dialect, hook.placeholder)
