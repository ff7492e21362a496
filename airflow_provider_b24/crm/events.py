"""
Offline events: changes that the portal queues until an application fetches them.

https://apidocs.bitrix24.com/api-reference/events/offline-events.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from airflow_provider_b24.errors import Bitrix24ApiError, Bitrix24InputError
from airflow_provider_b24.rest.calls import Call

MOST_RESERVED = 50  # rows of one kind that one request reserves
_NAME = re.compile(r"ON[A-Z0-9_]+")


class OfflineEvent(NamedTuple):
    """
    A reserved row of the queue: one object has changed, once or more often.

    :ivar name: of the event, e.g. ``ONCRMCONTACTUPDATE``.
    :ivar row_id: id of the row; a change after it was reserved gets another row.
    :ivar message_id: the row's key, a hash of the event's name and data.
    :ivar process_id: under which it is reserved.
    :ivar time: of the latest change, ISO 8601 as the portal writes it.
    :ivar data: as the portal sends it, e.g. ``{"FIELDS": {"ID": "82"}}``.
    :ivar user_id: who changed it; None if nobody did, or the portal does not say.
    """

    name: str
    row_id: str
    message_id: str
    process_id: str
    time: str
    data: Any
    user_id: int | None

    @property
    def key(self) -> str:
        """What tells this row from all others."""
        return f"{self.message_id}-{self.row_id}"

    def payload(self) -> dict[str, Any]:
        """
        Return what a DAG gets: ``event, id`` (of the record, None if unknown), ``time, user_id, data, key``.

        ``key`` is the same if the event is handed over again.
        """
        fields = self.data.get("FIELDS") if isinstance(self.data, Mapping) else None
        record_id = str(fields.get("ID")) if isinstance(fields, Mapping) else ""
        return {
            "event": self.name,
            "id": int(record_id) if record_id.isdecimal() else None,
            "time": self.time,
            "user_id": self.user_id,
            "data": self.data,
            "key": self.key,
        }


def event_name(name: Any) -> str:
    """
    Return the name of an event in upper case, as the queue holds it.

    :raises Bitrix24InputError: it is not a name such as ``onCrmContactUpdate``.
    """
    text = name.strip().upper() if isinstance(name, str) else ""
    if not _NAME.fullmatch(text):
        raise Bitrix24InputError(f"event must be a name such as 'onCrmContactUpdate', got {name!r:.80}")
    return text


def event_names(names: Any) -> tuple[str, ...]:
    """
    Return the names of events in upper case, sorted, each once.

    :raises Bitrix24InputError: there is none, or one is not a name.
    """
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise Bitrix24InputError(f"events must be a list of names, got {names!r:.80}")
    found = tuple(sorted({event_name(name) for name in names}))
    if not found:
        raise Bitrix24InputError("events must name at least one event, e.g. 'onCrmContactUpdate'")
    return found


def reserve(name: str) -> Call:
    """
    Reserve the oldest events of one kind (``event.offline.get``).

    The client must not repeat it on its own: what a lost answer held stays reserved, so that a second answer
    lacks it. Whoever reserves looks for it with ``list_reserved``.
    """
    params = {"filter": {"=EVENT_NAME": name}, "order": {"ID": "ASC"}, "limit": MOST_RESERVED, "clear": 0}
    return Call("event.offline.get", params)


def list_reserved(name: str) -> Call:
    """List the events of one kind that are reserved (``event.offline.list``)."""
    return Call("event.offline.list", {"filter": {"=EVENT_NAME": name, ">PROCESS_ID": "0"}})


def clear(process_id: str, message_ids: Iterable[str]) -> Call:
    """Remove reserved events from the queue (``event.offline.clear``)."""
    params = {"process_id": process_id, "message_id": list(message_ids)}
    return Call("event.offline.clear", params, repeatable=True)


def bind(name: str) -> Call:
    """Let the portal queue the events of one kind (``event.bind``)."""
    return Call("event.bind", {"event": name, "event_type": "offline"})


def unbind(name: str) -> Call:
    """Stop queuing the events of one kind (``event.unbind``)."""
    return Call("event.unbind", {"event": name, "event_type": "offline"})


def parse_reserved(result: Any) -> list[OfflineEvent]:
    """
    Return the events of an answer to ``reserve``.

    :raises Bitrix24ApiError: it is not such an answer.
    """
    if not isinstance(result, Mapping) or not isinstance(result.get("events"), list):
        raise Bitrix24ApiError("the answer contains no list of events", method="event.offline.get")
    return [parse_event(row, result.get("process_id")) for row in result["events"]]


def parse_event(row: Any, process_id: Any = None) -> OfflineEvent:
    """
    Return one row of the queue.

    :param process_id: None: the row names it.
    :raises Bitrix24ApiError: it is not such a row.
    """
    try:
        more = row.get("EVENT_ADDITIONAL")
        user = str(more.get("user_id")) if isinstance(more, Mapping) else ""
        return OfflineEvent(
            name=str(row["EVENT_NAME"]).upper(),
            row_id=str(row["ID"]),
            message_id=str(row["MESSAGE_ID"]),
            process_id=str(process_id or row["PROCESS_ID"]),
            time=str(row["TIMESTAMP_X"]),
            data=row.get("EVENT_DATA"),
            user_id=int(user) if user.isdecimal() and user != "0" else None,
        )
    except (AttributeError, LookupError, TypeError):
        text = "the answer contains a row that is not an event"
        raise Bitrix24ApiError(text, method="event.offline.get") from None
