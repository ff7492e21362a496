"""Runs DAGs when records change: a list that is polled, for an ``AssetWatcher`` (Airflow 3)."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from collections.abc import AsyncIterator, Mapping
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_b24 import DEFAULT_CONN_ID
from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.hooks.changes import find_changes
from airflow_provider_b24.hooks.variables import get_variable, set_variable
from airflow_provider_b24.rest.calls import check_method, shown
from airflow_provider_b24.triggers.failures import FailureLog
from airflow_provider_b24.triggers.threads import run_in_thread

POKE_INTERVAL = 60.0  # seconds
RESOLUTION = 1.0  # seconds: what the portal's times can tell apart


class Bitrix24ChangesTrigger(BaseEventTrigger):
    """
    Fires when records of a list have changed; works with a webhook, where offline events need an application.

    The payload of its events is ``{"method": ..., "field": ..., "since": ..., "until": ..., "count": 3,
    "ids": [82, 83, 84]}``: what changed in this span of the portal's time, and the first 1,000 ids. Spans
    follow one another without gap or overlap, so each change is in one span. Deleted records are not found.

    The end of the last span is kept in a Variable, ``bitrix24_changes__<hash>``, so that nothing is lost
    while the triggerer is down. A triggerer that is killed after Airflow stored an event may send the same
    span again. Without the Variable, it begins now.

    A list that cannot be polled is an error in the triggerer's log, from the first poll on: rows without an
    id or without the field, a field that holds dates without a time, a method that is no list. The watcher
    does not end; it resumes when the reason is gone.

    :param method: name of a list method, e.g. ``crm.item.list``.
    :param parameters: its parameters, plain JSON values.
    :param field: the field with the time of the last change, e.g. ``updatedTime`` or ``DATE_MODIFY``, spelled
        as in the rows or as in the filter.
    :param bitrix24_conn_id: id of the connection.
    :param poke_interval: seconds between two polls. The portal's times are whole seconds, so less than one
        counts as one.
    :raises Bitrix24InputError: one of these cannot be used.
    """

    def __init__(
        self,
        method: str,
        parameters: Mapping[str, Any] | None = None,
        field: str = "updatedTime",
        bitrix24_conn_id: str = DEFAULT_CONN_ID,
        poke_interval: float = POKE_INTERVAL,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's
        self.method = check_method(method)
        self.parameters = _check_parameters(parameters)
        self.field = _check_field(field)
        self.bitrix24_conn_id = bitrix24_conn_id
        self.poke_interval = _check_interval(poke_interval)
        self._unsaved: str | None = None  # the end of the last span, if the Variable could not be written
        self._warned: set[str] = set()
        self._polls = FailureLog(f"Changes of {method} cannot be polled")
        self._saves = FailureLog(f"The end of the last poll of {method} cannot be stored")

    def serialize(self) -> tuple[str, dict[str, Any]]:
        names = ("method", "parameters", "field", "bitrix24_conn_id", "poke_interval")
        path = "airflow_provider_b24.triggers.changes.Bitrix24ChangesTrigger"
        return path, {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        while True:
            found = await self._poll()
            if found is not None:
                if found["count"]:
                    yield TriggerEvent(found)  # type: ignore[no-untyped-call]  # Airflow's
                await self._save(found)
            await asyncio.sleep(max(self.poke_interval, RESOLUTION))

    async def _poll(self) -> dict[str, Any] | None:
        """Return what changed since the last poll; None if that cannot be found now."""
        try:
            found = await run_in_thread(self._find, self.bitrix24_conn_id)
        except Exception as error:  # noqa: BLE001 - a watcher ends only with its trigger
            self._polls.failed(error, self.log)
            return None
        self._polls.succeeded()
        return found

    def _find(self) -> dict[str, Any]:
        since = self._unsaved or get_variable(self._variable)
        return find_changes(
            *(self.bitrix24_conn_id, self.method, self.parameters, self.field, since),
            warn=self._warn,
            stored_in=f"the Variable {self._variable}",
        )

    def _warn(self, kind: str, text: str) -> None:
        if kind not in self._warned:
            self.log.warning("%s", text)
        self._warned.add(kind)

    async def _save(self, found: Mapping[str, Any]) -> None:
        """Store where the next span begins; if that fails, it is remembered until it succeeds."""
        if found["until"] == found["since"] and self._unsaved is None:
            return
        self._unsaved = found["until"]
        description = f"Changes of {self.method} until then were sent to Airflow"
        try:
            await run_in_thread(
                lambda: set_variable(self._variable, found["until"], description), self.bitrix24_conn_id
            )
        except Exception as error:  # noqa: BLE001 - as above; the change must not be reported again
            self._saves.failed(error, self.log)
        else:
            self._saves.succeeded()
            self._unsaved = None

    @property
    def _variable(self) -> str:
        what = json.dumps([self.bitrix24_conn_id, self.method, self.parameters, self.field], sort_keys=True)
        return f"bitrix24_changes__{hashlib.sha256(what.encode()).hexdigest()[:16]}"


def _check_parameters(parameters: Any) -> Mapping[str, Any] | None:
    if parameters is not None and not isinstance(parameters, Mapping):
        raise Bitrix24InputError(f"parameters must be a mapping, got {shown(parameters)}")
    return parameters


def _check_field(field: Any) -> str:
    if not isinstance(field, str) or not field.strip():
        raise Bitrix24InputError(f"field must be the name of a field, got {shown(field)}")
    return field.strip()


def _check_interval(seconds: Any) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
        raise Bitrix24InputError(f"poke_interval must be a number of seconds above 0, got {shown(seconds)}")
    return seconds
