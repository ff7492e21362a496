"""How the parameters of a call are written: as JSON, and as the query text of a command in a batch."""

from __future__ import annotations

import datetime
import math
import numbers
import operator
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.rest.calls import Call, shown

_LARGEST = 2**63 - 1
_SURROGATE = re.compile("[\ud800-\udfff]")
_IN_FILTER = re.compile(r"(?:^|\[)(?:ar)?filter\]?\[", re.IGNORECASE)


def json_params(call: Call) -> dict[str, Any]:
    """
    Return the call's parameters as plain JSON values, for the body of a single request.

    :raises Bitrix24InputError: a value cannot be sent, or an empty list in a filter would match everything.
    """
    try:
        return _json_object(call.params, "", call.method)
    except RecursionError:
        raise _too_deep(call) from None


def batch_command(call: Call) -> str:
    """
    Write a call as a command of a batch: ``method?query``, the query as PHP reads it.

    ``None`` becomes an empty value, booleans ``1`` and ``0``. An empty list or mapping cannot be written in
    a query and is rejected instead of dropped.

    :raises Bitrix24InputError: the call cannot be part of a batch.
    """
    if not isinstance(call, Call):
        raise Bitrix24InputError(f"a batch consists of Call values, got {shown(call)}")
    if call.method.lower() == "batch":
        raise Bitrix24InputError("a batch cannot contain another batch", method=call.method)
    pairs: list[str] = []
    try:
        for key, value in call.params.items():
            _add_pairs(pairs, _quoted(_key(key, call.method)), value, call.method)
    except RecursionError:
        raise _too_deep(call) from None
    return f"{call.method}?{'&'.join(pairs)}" if pairs else call.method


@lru_cache(maxsize=1024)
def _quoted(text: str) -> str:
    return quote(text, safe="")


def _add_pairs(pairs: list[str], key: str, value: Any, method: str) -> None:
    # Nearly every value is a plain number or text; writing them is half of a bulk run's work.
    kind = type(value)
    if -_LARGEST <= value <= _LARGEST if kind is int else kind is str and value.isascii() and value.isalnum():
        pairs.append(f"{key}={value}")
        return
    if (array := _array(value)) is not None:
        value = array
    if isinstance(value, Mapping):
        children = [(_quoted(_key(name, method)), child) for name, child in value.items()]
    elif _is_list(value):
        children = [(str(index), child) for index, child in enumerate(value)]
    else:
        pairs.append(f"{key}={_query_value(_scalar(value, key, method))}")
        return
    if not children:
        _check_empty(key, method)
        raise Bitrix24InputError(
            f"{key:.80} is empty, and a batch command cannot carry an empty {type(value).__name__}: "
            "leave it out, or call the method on its own",
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
    key = name if isinstance(name, str) else None if isinstance(name, bool) else _whole(name)
    if key is not None and _can_be_sent(key):
        return str(key)
    raise Bitrix24InputError(f"the name of a parameter must be text, got {shown(name)}", method=method)


def _can_be_sent(scalar: str | int) -> bool:
    """Half a surrogate pair has no UTF-8, and the portal would lose digits of a number above 64 bits."""
    if isinstance(scalar, int):
        return -_LARGEST <= scalar <= _LARGEST
    return scalar.isascii() or not _SURROGATE.search(scalar)


def _json_object(value: Mapping[Any, Any], path: str, method: str) -> dict[str, Any]:
    if path and not value:
        _check_empty(path, method)
    children = ((_key(key, method), child) for key, child in value.items())
    return {key: _json_value(child, f"{path}[{key}]" if path else key, method) for key, child in children}


def _json_value(value: Any, path: str, method: str) -> Any:
    if (array := _array(value)) is not None:
        value = array
    if isinstance(value, Mapping):
        return _json_object(value, path, method)
    if _is_list(value):
        children = [_json_value(child, f"{path}[{index}]", method) for index, child in enumerate(value)]
        if not children:
            _check_empty(path, method)
        return children
    return _scalar(value, path, method)


def _check_empty(path: str, method: str) -> None:
    if _IN_FILTER.search(path):
        raise Bitrix24InputError(
            f'{path:.80} is empty: an empty list in a filter means "no condition" to the portal, so '
            "everything would match. Skip the call when there is nothing to look for",
            method=method,
        )


def _is_list(value: Any) -> bool:
    """Whether this is any kind of list, also a lazy one."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview)


def _array(value: Any) -> Any:
    """Return the plain form of an array or a scalar of numpy or pandas; None for everything else."""
    if isinstance(value, str | int | float | Mapping | list | tuple | None):
        return None
    convert = getattr(value, "tolist", None)
    return convert() if callable(convert) else None


def _scalar(value: Any, path: str, method: str) -> Any:
    """
    Return a value as JSON can carry it; numbers are recognized by what they are, not by their class.

    A number that is whole becomes an integer, another one a float if that loses no digit, else text.
    """
    if value is None or (isinstance(value, str | bool | int) and _can_be_sent(value)):
        return value
    if _is_nan(value):
        raise Bitrix24InputError(
            f"{path:.80} is {shown(value)}, which is not a value: use None, or leave the parameter out",
            method=method,
        )
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    whole = _whole(value)
    if whole is not None and _can_be_sent(whole):
        return whole
    if isinstance(value, Decimal) and value.is_finite() and abs(value) <= _LARGEST:
        return float(value) if Decimal(repr(float(value))) == value else format(value, "f")
    if isinstance(value, numbers.Real) and whole is None and math.isfinite(value):
        return float(value)
    raise Bitrix24InputError(
        f"{path:.80} cannot be sent: {shown(value)} ({type(value).__name__})", method=method
    )


def _whole(value: Any) -> int | None:
    """Return an integer of any class, or another number that is whole, as int; None for everything else."""
    if isinstance(value, float | Decimal):
        if not math.isfinite(value) or not -_LARGEST <= value <= _LARGEST:
            return None
        return int(value) if value == int(value) else None
    try:
        return operator.index(value)
    except TypeError:
        return None


def _is_nan(value: Any) -> bool:
    """Whether this is NaN, or NaT of pandas, which are not equal to themselves, or NA, which cannot tell."""
    if isinstance(value, Decimal):
        return value.is_nan()
    try:
        return bool(value != value)
    except (TypeError, ValueError):
        return True


def _too_deep(call: Call) -> Bitrix24InputError:
    return Bitrix24InputError("params are nested too deeply to be sent", method=call.method)
