"""
Offline events: changes that the portal queues until an application fetches them.

https://apidocs.bitrix24.com/api-reference/events/offline-events.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from airflow_provider_b24.crm.values import whole_number
from airflow_provider_b24.errors import Bitrix24ApiError, Bitrix24InputError
from airflow_provider_b24.rest.calls import Call, shown

MOST_RESERVED = 50  # rows of one kind that one request reserves
# Objects that hold the id of the record: in most events, and in those of tasks after and before the change.
_FIELDS = ("FIELDS", "FIELDS_AFTER", "FIELDS_BEFORE")
_QUEUE = "event.offline.get"
_NAME = re.compile(r"ON[A-Z0-9_]+")


class OfflineEvent(NamedTuple):
    """
    A reserved row of the queue: one object has changed, once or more often.

    :ivar name: of the event, e.g. ``ONCRMCONTACTUPDATE``.
    :ivar row_id: id of the row; a change after it was reserved gets another row.
    :ivar message_id: the row's key, a hash of the event's name and data.
    :ivar process_id: under which it is reserved.
    :ivar time: of the latest change, ISO 8601 as the portal writes it.
    :ivar data: as the portal sends it, e.g. ``{"FIELDS": {"ID": "82"}}``; ``False`` if it sends none.
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
        return {
            "event": self.name,
            "id": record_id(self.data),
            "time": self.time,
            "user_id": self.user_id,
            "data": self.data,
            "key": self.key,
        }


def record_id(data: Any) -> int | None:
    """
    Return the id of the record that an event is about; None if the event names none, as those of calls do.

    :param data: the event's data. The id is in ``FIELDS.ID``, in ``FIELDS_AFTER.ID`` or ``FIELDS_BEFORE.ID``
        (tasks), or in ``ID`` (users), in upper or lower case.
    """
    members = _upper(data)
    for place in (*(_upper(members.get(name)) for name in _FIELDS), members):
        number = whole_number(place.get("ID"))
        if number is not None and number > 0:
            return number
    return None


def _upper(value: Any) -> dict[str, Any]:
    """Return the members of an object by their names in upper case; none if it is no object."""
    return {str(name).upper(): member for name, member in value.items()} if isinstance(value, Mapping) else {}


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
    return Call(_QUEUE, params)


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


def parse_reserved(result: Any) -> Iterator[OfflineEvent | Bitrix24ApiError]:
    """
    Yield the events of an answer to ``reserve``; an error for a row that is not one.

    :raises Bitrix24ApiError: it is not such an answer.
    """
    rows = result.get("events", "") if isinstance(result, Mapping) else ""
    if rows is None or rows is False:  # how PHP may write that there are none
        rows = []
    if isinstance(rows, Mapping):  # a list whose keys have gaps
        rows = list(rows.values())
    if not isinstance(rows, list):
        raise Bitrix24ApiError("the answer contains no list of events", method=_QUEUE)
    return parse_events(rows, result.get("process_id"))


def parse_events(rows: Iterable[Any], process_id: Any = None) -> Iterator[OfflineEvent | Bitrix24ApiError]:
    """
    Yield the rows of the queue as events; an error for each row that is not one.

    One row that cannot be read must not hold back the others, which are reserved already.

    :param process_id: None: the rows name it.
    """
    for row in rows:
        try:
            yield _event(row, process_id)
        except Bitrix24ApiError as error:
            yield error


def _event(row: Any, process_id: Any) -> OfflineEvent:
    if not isinstance(row, Mapping):
        raise Bitrix24ApiError(f"a row of the queue is not an event: {shown(row)}", method=_QUEUE)
    number = whole_number(row.get("ID"))
    process = process_id or row.get("PROCESS_ID")
    for name, value in (
        ("ID", number),
        *((name, row.get(name)) for name in ("EVENT_NAME", "MESSAGE_ID")),
        ("PROCESS_ID", process),
    ):
        if not value or not isinstance(value, str | int):
            raise Bitrix24ApiError(
                f"row {shown(row.get('ID'))} of the queue is not an event: it has no {name}", method=_QUEUE
            )
    user = whole_number(_upper(row.get("EVENT_ADDITIONAL")).get("USER_ID"))
    return OfflineEvent(
        name=str(row["EVENT_NAME"]).upper(),
        row_id=str(number),
        message_id=str(row["MESSAGE_ID"]),
        process_id=str(process),
        time=str(row.get("TIMESTAMP_X") or ""),
        data=row.get("EVENT_DATA"),
        user_id=user if user is not None and user > 0 else None,
    )
