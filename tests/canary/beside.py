"""What works beside tasks: the triggers of the triggerer, and the notifier that it awaits."""

import asyncio
import contextlib
import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from airflow_provider_b24.notifications.bitrix24 import Bitrix24Notifier

NO_INTERVAL: Any = "none"  # what cannot be slept for ends a trigger's loop after its first look
SECONDS = 60


def uses_of(conn_id: str) -> dict[str, Callable[[], Any]]:
    """Return what the triggerer does with a connection; each returns what it hands to Airflow."""
    uses: dict[str, Callable[[], Any]] = {"awaited notifier": functools.partial(notify, conn_id)}
    for trigger in make_triggers(conn_id):
        uses[type(trigger).__name__] = functools.partial(run_trigger, trigger)
    return uses


def make_triggers(conn_id: str, interval: float = NO_INTERVAL) -> list[Any]:
    """Return one trigger of each kind, the sensor's first; Airflow 2 knows no other."""
    from airflow_provider_b24.triggers.sensor import Bitrix24SensorTrigger

    contact = ("crm.item.get", {"entityTypeId": 3, "id": 82})
    triggers: list[Any] = [Bitrix24SensorTrigger(*contact, None, interval, conn_id)]
    with contextlib.suppress(ImportError):
        from airflow_provider_b24.triggers.changes import Bitrix24ChangesTrigger
        from airflow_provider_b24.triggers.event import Bitrix24EventTrigger

        contacts = ("crm.item.list", {"entityTypeId": 3})
        triggers += [
            _changes(Bitrix24ChangesTrigger(*contacts, bitrix24_conn_id=conn_id), interval),
            Bitrix24EventTrigger(["onCrmContactUpdate"], conn_id, interval),
        ]
    return triggers


def _changes(trigger: Any, interval: float) -> Any:
    """Set an interval that the trigger's own check refuses."""
    trigger.poke_interval = interval
    return trigger


def run_trigger(trigger: Any) -> Any:
    """Let a trigger look once. Return it as Airflow stores it, and the event that it fired."""

    async def first_event() -> Any:
        with contextlib.suppress(TypeError):
            async for event in trigger.run():
                return event.payload
        return None

    async def look() -> Any:
        return await asyncio.wait_for(first_event(), SECONDS)

    return trigger.serialize(), asyncio.run(look())


def notify(conn_id: str) -> None:
    """Tell of a failure, as Airflow's triggerer does."""
    ti = SimpleNamespace(dag_id="canaries", run_id="direct", task_id="told", try_number=1, max_tries=0)
    notifier = Bitrix24Notifier(dialog_id="chat42", bitrix24_conn_id=conn_id)
    asyncio.run(notifier.async_notify({"ti": ti}))
