"""Runs DAGs when something changes in the portal: offline events for an ``AssetWatcher`` (Airflow 3)."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_b24 import DEFAULT_CONN_ID
from airflow_provider_b24.crm.events import OfflineEvent, event_names
from airflow_provider_b24.hooks.offline_queue import OfflineQueue
from airflow_provider_b24.triggers.failures import FailureLog
from airflow_provider_b24.triggers.threads import run_in_thread

if TYPE_CHECKING:
    from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer

POKE_INTERVAL = 10.0  # seconds
CLEAR_AFTER = 60.0  # seconds in which Airflow before 3.3 has stored an event, or never will


class Bitrix24EventTrigger(BaseEventTrigger):
    """
    Fires for each change that the portal has queued as an offline event.

    The payload of its events is ``{"event": "ONCRMCONTACTUPDATE", "id": 82, "time": ..., "user_id": ...,
    "data": ..., "key": ...}``. The portal queues one event for an object that changes several times before it
    is fetched: read the object for its present state.

    Events are reserved in the portal, handed over to Airflow, and removed from the queue after Airflow (3.3
    and newer) has confirmed that it stored them; before 3.3, a minute later. So no event is lost if the
    triggerer is killed. One that was stored but not yet removed at that moment is handed over again, with the
    same ``key``.

    Triggers of one connection share one loop (Airflow 3.3 and newer). Let each event be wanted by one trigger
    only: in another triggerer, each event would go to one of them.

    :param events: names of the events, e.g. ``["onCrmContactUpdate"]``, bound with
        ``airflow bitrix24 events bind``.
    :param bitrix24_conn_id: id of a connection with OAuth, of an administrator of the portal.
    :param poke_interval: seconds between two looks at the queue; of triggers that share a loop, those of the
        first.
    :raises Bitrix24InputError: ``events`` are not names of events.
    """

    _wanted: ClassVar[dict[str, Counter[str]]] = {}  # event names by connection, of this process's triggers

    def __init__(
        self,
        events: Sequence[str],
        bitrix24_conn_id: str = DEFAULT_CONN_ID,
        poke_interval: float = POKE_INTERVAL,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's
        self.events = list(event_names(events))
        self.bitrix24_conn_id = bitrix24_conn_id
        self.poke_interval = poke_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        names = ("events", "bitrix24_conn_id", "poke_interval")
        path = "airflow_provider_b24.triggers.event.Bitrix24EventTrigger"
        return path, {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll for this trigger alone, for Airflow before 3.3."""
        poll = EventPoll(self.bitrix24_conn_id, self.log)
        while True:
            for event in await poll.next_events(self.events):
                yield TriggerEvent(event.payload())  # type: ignore[no-untyped-call]  # Airflow's
            await poll.clear(poll.handed_over_before(time.monotonic() - CLEAR_AFTER))
            await asyncio.sleep(self.poke_interval)

    def shared_stream_key(self) -> tuple[str, str]:
        """Triggers of one connection share a loop."""
        return "bitrix24", self.bitrix24_conn_id

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        """Return what polls for all triggers of a connection, and clears what Airflow has stored."""
        return _producer(kwargs["bitrix24_conn_id"], kwargs["poke_interval"])

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        wanted = self._wanted.setdefault(self.bitrix24_conn_id, Counter())
        wanted.update(self.events)
        try:
            async for event in shared_stream:
                if event.name in self.events:
                    yield TriggerEvent(event.payload())  # type: ignore[no-untyped-call]  # Airflow's
        finally:
            wanted.subtract(self.events)

    @classmethod
    def wanted(cls, conn_id: str) -> list[str]:
        """Return the events that the running triggers of a connection want."""
        return sorted(name for name, count in cls._wanted.get(conn_id, Counter()).items() if count > 0)


class EventPoll:
    """
    Reserves events, and remembers which were handed over until they are cleared.

    :param conn_id: id of the connection.
    :param log: a logger.
    """

    def __init__(self, conn_id: str, log: Any) -> None:
        self._conn_id = conn_id
        self._queue = OfflineQueue(conn_id)
        self._log = log
        self._handed_over: dict[str, tuple[float, OfflineEvent]] = {}
        self._known: set[str] = set()  # names whose reserved events were looked for
        self._failures = FailureLog("The portal's events cannot be fetched")

    async def next_events(self, names: Collection[str]) -> list[OfflineEvent]:
        """
        Return events that were not handed over by this process yet.

        At first, and after a request that failed, also those that are reserved already: a process that was
        killed may have left them. None if the portal does not answer: an ``AssetWatcher`` has nobody whom it
        could tell, and Airflow would start a trigger that fails again at once.
        """
        names = list(names)
        new = [name for name in names if name not in self._known]
        found = await self._try(lambda: self._queue.reserved(new)) if new else []
        if found is not None:
            self._known.update(new)
            fresh = await self._try(lambda: self._queue.reserve(names)) if names else []
            if fresh is not None:
                self._failures.succeeded()
                found += fresh
        if found is None:
            return []
        events = [event for event in found if event.key not in self._handed_over]
        now = time.monotonic()
        self._handed_over |= {event.key: (now, event) for event in events}
        return events

    def handed_over_before(self, moment: float) -> list[OfflineEvent]:
        """Return the events that were handed over before a time and are not cleared."""
        return [event for handed_over, event in self._handed_over.values() if handed_over < moment]

    def holds(self, event: OfflineEvent) -> bool:
        """Whether an event was handed over and is not cleared."""
        return event.key in self._handed_over

    async def clear(self, events: Collection[OfflineEvent]) -> None:
        """Remove events from the portal's queue; if that fails for now, they are tried again later."""
        if events and await self._try(lambda: self._clear(events)):
            for event in events:
                self._handed_over.pop(event.key, None)

    def _clear(self, events: Collection[OfflineEvent]) -> bool:
        self._queue.clear(events)
        return True

    async def _try(self, work: Any) -> Any:
        """Do blocking work; if it fails, log why once and return None."""
        try:
            return await run_in_thread(work, self._conn_id)
        except Exception as error:  # noqa: BLE001 - a watcher ends only with its trigger
            self._known.clear()  # a lost answer may have reserved events
            self._failures.failed(error, self._log)
            return None


def _producer(conn_id: str, poke_interval: float) -> SharedStreamProducer:
    from airflow.triggers.shared_stream import SharedStreamProducer, log

    class Producer(SharedStreamProducer):
        """Airflow's side of ``EventPoll``."""

        def __init__(self) -> None:
            self._poll = EventPoll(conn_id, log)
            self._stored: list[OfflineEvent] = []

        async def open_stream(self) -> AsyncIterator[tuple[Any, Any]]:
            while True:
                for event in await self._poll.next_events(Bitrix24EventTrigger.wanted(conn_id)):
                    yield event, event
                await self._clear()
                await asyncio.sleep(poke_interval)

        async def advance(self, batch: Sequence[AdvanceItem]) -> None:
            # What a trigger could not store stays reserved, and is handed over when it starts again.
            self._stored += [item.broker_payload for item in batch if item.outcome.is_clean]
            await self._clear()

        async def _clear(self) -> None:
            stored, self._stored = self._stored, []
            await self._poll.clear(stored)
            self._stored += [event for event in stored if self._poll.holds(event)]

    return Producer()
