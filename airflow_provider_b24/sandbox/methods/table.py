"""The portal's table of REST methods."""

from __future__ import annotations

from typing import Any

from airflow_provider_b24.sandbox.methods import (
    bindings,
    company_contact,
    directories,
    events,
    items,
    lists,
    messenger,
    records,
    system,
)
from airflow_provider_b24.sandbox.methods.method import Method
from airflow_provider_b24.sandbox.model import errors
from airflow_provider_b24.sandbox.model.calls import Call
from airflow_provider_b24.sandbox.model.errors import RestError
from airflow_provider_b24.sandbox.model.state import State


def _is_dispatched(state: State, call: Call) -> Any:
    raise RestError(*errors.SERVER_ERROR)


def method_table() -> dict[str, Method]:
    """A new table of all methods by name, to which a portal may add its own."""
    table: dict[str, Method] = {
        "batch": Method(_is_dispatched, scope=None),
        **bindings.METHODS,
        **company_contact.METHODS,
        **records.METHODS,
        **items.METHODS,
        **lists.METHODS,
        **directories.METHODS,
        **system.METHODS,
        **messenger.METHODS,
        **events.METHODS,
    }
    table["method.get"] = system.method_get(table)
    table["methods"] = system.methods(table)
    return table
