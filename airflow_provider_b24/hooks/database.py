"""The databases that Airflow has connections to, as targets of a load."""

from __future__ import annotations

import re
from typing import Any

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_b24.errors import Bitrix24ConfigError
from airflow_provider_b24.export.targets.connect import LOCK_TIMEOUT, TableTarget
from airflow_provider_b24.hooks.drivers import make_engine
from airflow_provider_b24.rest.redaction import redact

_SECRET_NAME = re.compile(r"pass|secret|token|key|credential", re.IGNORECASE)


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


def table_target(conn_id: str, table: str, lock_timeout: float = LOCK_TIMEOUT) -> TableTarget:
    """
    Return a table in the database of a connection; the database is not reached yet.

    :param conn_id: id of a connection of any type with a ``DbApiHook``.
    :param table: the table's name, perhaps with a schema before it.
    :param lock_timeout: seconds to wait for locks of others.
    :raises Bitrix24ConfigError: there is no such connection, its provider is missing, or it is not one to a
        database.
    """
    try:
        hook: Any = BaseHook.get_hook(conn_id)
    except Exception as error:  # noqa: BLE001 - Airflow raises a different one on each version
        text = redact(next(iter(str(error).splitlines()), type(error).__name__))
        raise Bitrix24ConfigError(
            f"connection {conn_id} cannot be used: {text}",
            advice="Check its id and type, and install the provider of its database.",
        ) from None
    if not hasattr(hook, "placeholder"):
        raise Bitrix24ConfigError(f"connection {conn_id} is not one to a database")
    return TableTarget(lambda: make_engine(hook, conn_id), table, lock_timeout, _secrets(hook, conn_id))


def _secrets(hook: Any, conn_id: str) -> list[str]:
    connection = hook.get_connection(conn_id)
    extra = connection.extra_dejson
    found = [connection.password, *(value for name, value in extra.items() if _SECRET_NAME.search(name))]
    return [secret for secret in found if isinstance(secret, str) and secret]
