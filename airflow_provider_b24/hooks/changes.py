"""What changed in a list since the last look, in spans of the portal's time that follow one another."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_b24.errors import Bitrix24ApiError
from airflow_provider_b24.export.incremental import changed_since
from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook
from airflow_provider_b24.hooks.client import build_client
from airflow_provider_b24.rest.lists import list_method

LAG = 10.0  # seconds in which the portal has stored a change that it dates now
MOST_IDS = 1000


def find_changes(
    conn_id: str, method: str, params: Mapping[str, Any] | None, field: str, since: str | None
) -> dict[str, Any]:
    """
    Return what changed at or after ``since`` and before ``until``, ten seconds before the portal's present.

    :param since: ``until`` of the last look; None: nothing is read, the next look begins now.
    :returns: ``method, field, since, until, count``, and the first 1,000 ``ids``.
    :raises Bitrix24Error: the list cannot be read completely.
    """
    client = build_client(Bitrix24Hook(conn_id).config, conn_id, max_wait=30, retry_timeout=30)
    with contextlib.closing(client):
        until = _parse(client.call("server.time").result)
        if until is None:
            raise Bitrix24ApiError("the answer is not a time", method="server.time")
        until -= timedelta(seconds=LAG)
        text = until.isoformat(timespec="seconds")
        found: dict[str, Any] = {"method": method, "field": field, "since": since, "until": text}
        found |= {"count": 0, "ids": []}
        if since is None:
            return found
        key = list_method(method).key[0]
        wanted = changed_since(method, params, field, since, overlap=0.0)
        if "select" not in map(str.lower, wanted):
            wanted["select"] = [key, field]
        for row in client.pages(method, wanted):
            changed = _parse(row.get(field))
            if changed is None or changed < until.replace(
                microsecond=0
            ):  # later ones belong to the next span
                found["count"] += 1
                if len(found["ids"]) < MOST_IDS:
                    found["ids"].append(int(row[key]))
    return found


def _parse(value: Any) -> datetime | None:
    """Return a time with its offset; None if it is not one."""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo is not None else None
