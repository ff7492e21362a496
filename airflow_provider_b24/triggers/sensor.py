"""Waiting for a condition in the portal, without a worker slot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_b24.errors import Bitrix24Error
from airflow_provider_b24.hooks.polling import poke
from airflow_provider_b24.triggers.threads import run_in_thread


class Bitrix24SensorTrigger(BaseTrigger):
    """
    Fires once the answer of a REST method is as wanted.

    Its event is ``{"status": "success", "result": ...}``, or ``{"status": "error", "message": ...}`` for an
    error that does not pass.

    :param method: name of the method.
    :param parameters: its parameters, plain JSON values.
    :param until: a Jinja expression over ``result`` and ``total``; None: the result has a value; for a
        list, at least one row.
    :param poke_interval: seconds between two calls.
    :param bitrix24_conn_id: id of the connection.
    """

    def __init__(
        self,
        method: str,
        parameters: Mapping[str, Any] | None,
        until: str | None,
        poke_interval: float,
        bitrix24_conn_id: str,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's
        self.method = method
        self.parameters = parameters
        self.until = until
        self.poke_interval = poke_interval
        self.bitrix24_conn_id = bitrix24_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        names = ("method", "parameters", "until", "poke_interval", "bitrix24_conn_id")
        path = "airflow_provider_b24.triggers.sensor.Bitrix24SensorTrigger"
        return path, {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        while (event := await run_in_thread(self._look, self.bitrix24_conn_id)) is None:
            await asyncio.sleep(self.poke_interval)
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]  # Airflow's

    def _look(self) -> dict[str, Any] | None:
        try:
            reply = poke(self.bitrix24_conn_id, self.method, self.parameters, self.until, self.log)
        except (Bitrix24Error, AirflowNotFoundException) as error:
            return {"status": "error", "message": str(error)}
        return None if reply is None else {"status": "success", "result": reply.result}
