"""The offline queue: events that wait until an application fetches them."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass
class OfflineEvent:
    """A row of the queue: one per event and object, and one more for what happens while it is reserved."""

    id: int
    name: str
    data: Any
    moment: str
    message_id: str
    user_id: int = 0
    process_id: str = ""
    error: int = 0

    def row(self) -> dict[str, Any]:
        """The row as event.offline.get returns it."""
        return {
            "ID": str(self.id),
            "TIMESTAMP_X": self.moment,
            "EVENT_NAME": self.name,
            "EVENT_DATA": self.data,
            "EVENT_ADDITIONAL": {"user_id": str(self.user_id)} if self.user_id else False,
            "MESSAGE_ID": self.message_id,
        }


@dataclass(frozen=True, slots=True)
class Handler:
    """What event.bind registered: an address or the offline queue, and the user it is authorized as.

    ``user_id`` 0 stands for the user whose action raises the event.
    """

    event: str
    url: str = ""
    offline: bool = False
    user_id: int = 0


class OfflineQueue:
    """Events that wait to be fetched, and the handlers that were registered."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.handlers: list[Handler] = []
        self._clock = clock
        self._lock = threading.Lock()
        self._rows: dict[int, OfflineEvent] = {}
        self._waiting: dict[str, OfflineEvent] = {}
        self._pushed = 0

    def push(self, name: str, data: Any = None, user_id: int = 0) -> str:
        """
        Queue an event such as ``ONCRMCONTACTUPDATE`` with ``{"FIELDS": {"ID": 82}}``.

        The same event again updates the row, unless a process has reserved it. ``False`` is what the portal
        sends if it cannot read the data that it stored.
        """
        data = {} if data is None else data
        text = json.dumps([name.upper(), data], sort_keys=True)
        message_id = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        moment = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="seconds")
        with self._lock:
            if (waiting := self._waiting.get(message_id)) is not None:
                waiting.moment, waiting.user_id = moment, user_id
                return message_id
            self._pushed += 1
            row = OfflineEvent(self._pushed, name.upper(), data, moment, message_id, user_id)
            self._rows[row.id] = self._waiting[message_id] = row
        return message_id

    def announce(self, kind: str, verb: str, record_id: int, user_id: int) -> None:
        """Queue a change of a CRM record if an offline handler is registered for it."""
        name = f"ONCRM{kind}{verb}".upper()
        if any(handler.offline and handler.event == name for handler in self.handlers):
            self.push(name, {"FIELDS": {"ID": str(record_id)}}, user_id)

    def reserved(self, process_id: str = "", failed: bool = False) -> list[OfflineEvent]:
        """Events reserved by a process (without an id: by none), oldest first."""
        return [row for row in self.all() if row.process_id == process_id and bool(row.error) == failed]

    def all(self) -> list[OfflineEvent]:
        """Every event, oldest first."""
        with self._lock:
            return sorted(self._rows.values(), key=lambda row: row.id)

    def reserve(self, rows: list[OfflineEvent], process_id: str) -> None:
        """Reserve these events for a process."""
        with self._lock:
            for row in rows:
                row.process_id = process_id
                self._waiting.pop(row.message_id, None)

    def fail(self, rows: list[OfflineEvent]) -> None:
        """Return reserved events to the queue, marked as failed."""
        for row in rows:
            row.process_id, row.error = "", 1

    def remove(self, rows: list[OfflineEvent]) -> None:
        """Remove these events."""
        with self._lock:
            for row in rows:
                self._rows.pop(row.id, None)
                if self._waiting.get(row.message_id) is row:
                    del self._waiting[row.message_id]
