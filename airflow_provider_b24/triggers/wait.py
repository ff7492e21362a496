"""Waiting without a worker slot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pendulum
from airflow.triggers.base import BaseTrigger, TriggerEvent


class WaitUntilTrigger(BaseTrigger):
    """
    Fires when a time is reached: the portal's ``retry_at``.

    :param moment: the time, as ISO 8601 text with an offset.
    """

    def __init__(self, moment: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's
        self.moment = moment

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "airflow_provider_b24.triggers.wait.WaitUntilTrigger", {"moment": self.moment}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        moment = pendulum.parse(self.moment)
        while (left := (moment - pendulum.now("UTC")).total_seconds()) > 0:  # type: ignore[operator]  # a DateTime
            await asyncio.sleep(min(left, 60.0))
        event = {"status": "due", "moment": self.moment}
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]  # Airflow's
