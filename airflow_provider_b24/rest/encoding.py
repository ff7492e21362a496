"""How the parameters of a call are written: as JSON, and as the query text of a command in a batch."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.rest.calls import Call, shown

_LARGEST = 2**63 - 1
_SURROGATE = re.compile("[\ud800-\udfff]")


def json_params(call: Call) -> dict[str, Any]:
    """Return the call's parameters as plain JSON values, for the body of a single request."""
    try:
        return _json_object(call.params, "", call.method)
    except RecursionError:
        raise _too_deep(call) from None


def batch_command(call: Call) -> str:
    """
    Write a call as a command of a batch: ``method?query``, the query as PHP reads it.

    ``None`` becomes an empty value, booleans ``1`` and ``0``. An empty list or mapping cannot be written in
    a query and is refused instead of dropped.

    :raises Bitrix24InputError: the call cannot be part of a batch.
    """
    if not isinstance(call, Call):
        raise Bitrix24InputError(f"a batch consists of Call values, got {shown(call)}")
    if call.method.lower() == "batch":
        raise Bitrix24InputError("a batch cannot hold another batch", method=call.method)
    pairs: list[str] = []
    try:
        for key, value in call.params.items():
            _add_pairs(pairs, _quoted(_key(key, call.method)), value, call.method)
    except RecursionError:
        raise _too_deep(call) from None
    return f"{call.method}?{'&'.join(pairs)}" if pairs else call.method


def batch_params(calls: Sequence[Call], halt: bool = False) -> dict[str, Any]:
    """Return the body of a ``batch`` request; the commands' keys are their positions."""
    return {"halt": int(halt), "cmd": [batch_command(call) for call in calls]}


@lru_cache(maxsize=1024)
def _quoted(text: str) -> str:
    return quote(text, safe="")


def _add_pairs(pairs: list[str], key: str, value: Any, method: str) -> None:
    # Nearly every value is a plain number or text; writing them is half of a bulk run's work.
    kind = type(value)
    if -_LARGEST <= value <= _LARGEST if kind is int else kind is str and value.isascii() and value.isalnum():
        pairs.append(f"{key}={value}")
        return
    if isinstance(value, Mapping):
        children = [(_quoted(_key(name, method)), child) for name, child in value.items()]
    elif isinstance(value, list | tuple):
        children = [(str(index), child) for index, child in enumerate(value)]
    else:
        pairs.append(f"{key}={_query_value(_json_value(value, key, method))}")
        return
    if not children:
        raise Bitrix24InputError(
            f"{key} is empty, and a command of a batch cannot carry an empty {type(value).__name__}: "
            "leave it out, or call the method alone",
            method=method,
        )
    for name, child in children:
        _add_pairs(pairs, f"{key}[{name}]", child, method)


def _query_value(scalar: Any) -> str:
    if scalar is None:
        return ""
    if isinstance(scalar, int):
        return str(int(scalar))
    return quote(str(scalar), safe="")


def _key(name: Any, method: str) -> str:
    if isinstance(name, bool) or not isinstance(name, str | int) or not _can_be_sent(name):
        raise Bitrix24InputError(f"the name of a parameter must be text, got {shown(name)}", method=method)
    return str(name)


def _can_be_sent(scalar: str | int) -> bool:
    """Half a surrogate pair has no UTF-8, and a number above 64 bits would lose digits in the portal."""
    if isinstance(scalar, int):
        return -_LARGEST <= scalar <= _LARGEST
    return scalar.isascii() or not _SURROGATE.search(scalar)


def _json_object(value: Mapping[Any, Any], path: str, method: str) -> dict[str, Any]:
    children = ((_key(key, method), child) for key, child in value.items())
    return {key: _json_value(child, f"{path}[{key}]" if path else key, method) for key, child in children}


def _json_value(value: Any, path: str, method: str) -> Any:
    if value is None or (isinstance(value, str | bool | int) and _can_be_sent(value)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return _json_object(value, path, method)
    if isinstance(value, list | tuple):
        return [_json_value(child, f"{path}[{index}]", method) for index, child in enumerate(value)]
    raise Bitrix24InputError(
        f"{path:.80} cannot be sent: {shown(value)} ({type(value).__name__})", method=method
    )


def _too_deep(call: Call) -> Bitrix24InputError:
    return Bitrix24InputError("params are nested too deeply to be sent", method=call.method)
