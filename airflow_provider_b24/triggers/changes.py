"""Runs DAGs when records change: a list that is polled, for an ``AssetWatcher`` (Airflow 3)."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_b24 import DEFAULT_CONN_ID
from airflow_provider_b24.errors import Bitrix24Error
from airflow_provider_b24.hooks.changes import find_changes
from airflow_provider_b24.hooks.variables import get_variable, set_variable
from airflow_provider_b24.triggers.threads import run_in_thread

POKE_INTERVAL = 60.0  # seconds


class Bitrix24ChangesTrigger(BaseEventTrigger):
    """
    Fires when records of a list have changed; works with a webhook, where offline events need an application.

    The payload of its events is ``{"method": ..., "field": ..., "since": ..., "until": ..., "count": 3,
    "ids": [82, 83, 84]}``: what changed in this span of the portal's time, and the first 1,000 ids. Spans
    follow one another without gap or overlap. Deleted records are not found.

    The end of the last span is kept in a Variable, ``bitrix24_changes__<hash>``, so that nothing is lost
    while the triggerer is down. A triggerer that is killed after Airflow stored an event may send the same
    span again. Without the Variable, it begins now.

    :param method: name of a list method, e.g. ``crm.item.list``.
    :param parameters: its parameters, plain JSON values.
    :param field: the field with the time of the last change, e.g. ``updatedTime`` or ``DATE_MODIFY``.
    :param bitrix24_conn_id: id of the connection.
    :param poke_interval: seconds between two looks.
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
        self.method = method
        self.parameters = parameters
        self.field = field
        self.bitrix24_conn_id = bitrix24_conn_id
        self.poke_interval = poke_interval
        self._failure = ""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        names = ("method", "parameters", "field", "bitrix24_conn_id", "poke_interval")
        path = "airflow_provider_b24.triggers.changes.Bitrix24ChangesTrigger"
        return path, {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        while True:
            found = await run_in_thread(self._look, self.bitrix24_conn_id)
            if found is not None:
                if found["count"]:
                    yield TriggerEvent(found)  # type: ignore[no-untyped-call]  # Airflow's
                await run_in_thread(partial(self._save, found["until"]), self.bitrix24_conn_id)
            await asyncio.sleep(self.poke_interval)

    def _look(self) -> dict[str, Any] | None:
        """Return what changed since the last look; None if that cannot be told now."""
        try:
            since = get_variable(self._variable)
            found = find_changes(self.bitrix24_conn_id, self.method, self.parameters, self.field, since)
        except (Bitrix24Error, AirflowNotFoundException) as error:
            # An AssetWatcher has nobody whom it could tell, and Airflow starts a trigger that fails at once.
            if str(error) != self._failure:
                self.log.error("Changes cannot be looked for; trying again: %s", error)
            self._failure = str(error)
            return None
        self._failure = ""
        return found

    def _save(self, until: str) -> None:
        set_variable(self._variable, until, f"Changes of {self.method} until then were handed over")

    @property
    def _variable(self) -> str:
        what = json.dumps([self.bitrix24_conn_id, self.method, self.parameters, self.field], sort_keys=True)
        return f"bitrix24_changes__{hashlib.sha256(what.encode()).hexdigest()[:16]}"
