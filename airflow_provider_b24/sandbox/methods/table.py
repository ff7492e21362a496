"""The portal's table of REST methods."""

from __future__ import annotations

from typing import Any

from airflow_provider_b24.sandbox.methods import contact_company, events, items, messenger, records, system
from airflow_provider_b24.sandbox.model import errors
from airflow_provider_b24.sandbox.model.calls import Call, Method
from airflow_provider_b24.sandbox.model.errors import RestError
from airflow_provider_b24.sandbox.model.state import State


def _is_dispatched(state: State, call: Call) -> Any:
    raise RestError(*errors.SERVER_ERROR)


METHODS: dict[str, Method] = {
    "batch": Method(_is_dispatched, scope=None),
    **contact_company.METHODS,
    **records.METHODS,
    **items.METHODS,
    **system.METHODS,
    **messenger.METHODS,
    **events.METHODS,
}
METHODS["method.get"] = system.method_get(METHODS)
METHODS["methods"] = system.methods(METHODS)
