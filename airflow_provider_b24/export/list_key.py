"""The key of a list: what a watermark belongs to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.encoding import json_params

_NOT_ROWS = frozenset({"select", "order", "start"})  # these select no rows


def list_key(portal: str, method: str, params: Mapping[str, Any] | None, incremental: str, task: str) -> str:
    """
    Return the key of a list: another one for each portal, method, field of change, and selection of rows.

    :param portal: the portal's address.
    :param params: parameters of the method. ``select``, ``order`` and pages do not count, nor does the order
        of the names, nor whether a number is text.
    :param incremental: the field with the time of the last change.
    :param task: names the task: two tasks never share a watermark.
    :returns: a hash, since values of a filter may be personal.
    :raises Bitrix24InputError: the parameters cannot be sent.
    """
    sent = json_params(Call(method, params or {}))
    given = {str(name).lower(): value for name, value in sent.items()}
    rows = {name: value for name, value in given.items() if name not in _NOT_ROWS and value not in (None, {})}
    what = [task, address(portal), method.lower(), incremental.replace("_", "").lower(), _plain(rows)]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


def address(portal: str) -> str:
    """Return host, port and path of a portal, which name it."""
    parts = urlsplit(portal)
    return f"{parts.netloc.rpartition('@')[2].lower()}{parts.path.rstrip('/')}"


def _plain(value: Any) -> Any:
    """Return a JSON value as it is compared: numbers as text, since templates render them so."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value if isinstance(value, bool) or value is None else str(value)
