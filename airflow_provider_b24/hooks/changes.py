"""One poll of a list for what changed, with a client of its own."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any

from airflow_provider_b24.export.changes import PolledList, Warn, read_changes
from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook
from airflow_provider_b24.hooks.client import build_client


def find_changes(
    conn_id: str,
    method: str,
    params: Mapping[str, Any] | None,
    field: str,
    since: str | None,
    warn: Warn = lambda kind, text: None,
    stored_in: str = "since",
) -> dict[str, Any]:
    """
    Return what changed at or after ``since``, and where the next poll begins; see ``read_changes``.

    :raises Bitrix24InputError: this list cannot be polled by this field; the text says why.
    :raises Bitrix24Error: the list cannot be read completely.
    """
    polled = PolledList(method, dict(params or {}), field)
    client = build_client(Bitrix24Hook(conn_id).config, conn_id, max_wait=30, retry_timeout=30)
    with contextlib.closing(client):
        return read_changes(client, polled, since, time.time(), warn, stored_in)
