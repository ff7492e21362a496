"""The offline events of a portal: reserve them, hand them over, and only then remove them from the queue."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_b24.crm import events
from airflow_provider_b24.errors import Bitrix24ApiError
from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook
from airflow_provider_b24.hooks.client import build_client

if TYPE_CHECKING:
    from airflow_provider_b24.crm.events import OfflineEvent
    from airflow_provider_b24.rest.client import Client

_log = logging.getLogger(__name__)
_REFUSALS = ("ACCESS_DENIED", "WRONG_AUTH_TYPE", "WRONG_LICENSE")
ADVICE = (
    "Offline events need OAuth as an administrator of the portal, and a plan with extended offline events "
    "(feature.get says 'Y' for rest_offline_extended)."
)


class OfflineQueue:
    """
    The queue of an application, for one look at a time; every call may block.

    Whoever uses it repeats calls that failed, so no call waits for long by itself.

    :param conn_id: id of a connection with OAuth.
    """

    def __init__(self, conn_id: str) -> None:
        self._conn_id = conn_id

    def reserve(self, names: Sequence[str]) -> list[OfflineEvent]:
        """
        Reserve the next events of these kinds, the oldest first.

        :raises Bitrix24Error: the portal did not answer, or refuses it.
        """
        with self._client() as client:
            outcomes = client.batch([events.reserve(name) for name in names])
            found: list[OfflineEvent | Bitrix24ApiError] = []
            for outcome in outcomes:
                if outcome.status == "unknown" and outcome.error is not None:
                    raise outcome.error.replace(advice="Events that it reserved are looked for again.")
                if outcome.error is not None:
                    raise outcome.error
                found += events.parse_reserved(outcome.result)
        return _readable(found)

    def reserved(self, names: Sequence[str]) -> list[OfflineEvent]:
        """
        Return the events of these kinds that are reserved, for example by a process that was killed.

        :raises Bitrix24Error: as ``reserve`` does.
        """
        with self._client() as client:
            calls = [events.list_reserved(name) for name in names]
            rows = [row for call in calls for row in client.pages(call.method, call.params)]
        return _readable(events.parse_events(row for row in rows if _is_reserved(row)))

    def clear(self, handed_over: Iterable[OfflineEvent]) -> None:
        """
        Remove events from the queue.

        :raises Bitrix24Error: as ``reserve`` does; the events stay reserved.
        """
        by_process: dict[str, list[str]] = {}
        for event in handed_over:
            by_process.setdefault(event.process_id, []).append(event.message_id)
        with self._client() as client:
            for process_id, message_ids in by_process.items():
                client.perform(events.clear(process_id, message_ids))

    @contextlib.contextmanager
    def _client(self) -> Iterator[Client]:
        client = build_client(Bitrix24Hook(self._conn_id).config, self._conn_id, max_wait=5, retry_timeout=0)
        with contextlib.closing(client):
            try:
                yield client
            except Bitrix24ApiError as error:
                failure = error.replace(advice=ADVICE) if error.code in _REFUSALS else error
            else:
                return
        raise failure


def _is_reserved(row: Any) -> bool:
    return not isinstance(row, Mapping) or bool(row.get("PROCESS_ID"))


def _readable(found: Iterable[OfflineEvent | Bitrix24ApiError]) -> list[OfflineEvent]:
    """Return the events in the order of their rows; rows that are none are logged and left out."""
    readable = []
    for one in found:
        if isinstance(one, Bitrix24ApiError):
            _log.error("An event is left out and stays reserved in the portal: %s", one)
        else:
            readable.append(one)
    return sorted(readable, key=lambda event: int(event.row_id))
