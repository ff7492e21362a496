"""The values that people have, as the plain values that JSON has: texts, numbers, flags, lists, and names."""

from __future__ import annotations

import datetime
import math
import numbers
import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.rest.calls import shown
from airflow_provider_b24.rest.query import float_text
from airflow_provider_b24.rest.references import Ref

LARGEST = 2**63 - 1
_SURROGATE = re.compile("[\ud800-\udfff]")


def named(params: Mapping[Any, Any], method: str) -> Iterable[tuple[str, Any]]:
    """Return names and values; of names that are the same as text, such as 1 and "1", the last one counts."""
    named = [(_key(name, method), value) for name, value in params.items()]
    if all(type(name) is str for name in params):
        return named
    return dict(named).items()


def _key(name: Any, method: str) -> str:
    if type(name) is str and name.isascii():
        return name
    key = name if isinstance(name, str) else None if isinstance(name, bool) else _whole(name)
    if key is not None and can_be_sent(key):
        return str.__str__(key) if isinstance(key, str) else str(key)
    raise Bitrix24InputError(f"the name of a parameter must be text, got {shown(name)}", method=method)


def can_be_sent(scalar: str | int) -> bool:
    """Half a surrogate pair has no UTF-8, and the portal would lose digits of a number above 64 bits."""
    if isinstance(scalar, int):
        return -LARGEST <= scalar <= LARGEST
    return scalar.isascii() or not _SURROGATE.search(scalar)


def is_list(value: Any) -> bool:
    """Whether this is any kind of list, also a lazy one."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview)


def plain_array(value: Any) -> Any:
    """Return the plain form of an array or a scalar of numpy or pandas; None for everything else."""
    if isinstance(value, str | int | float | Mapping | list | tuple | None):
        return None
    convert = getattr(value, "tolist", None)
    return convert() if callable(convert) else None


def plain_scalar(value: Any, path: str, method: str) -> Any:
    """
    Return a value as JSON can carry it; numbers are recognized by what they are, not by their class.

    A number that is whole becomes an integer, another one a float if PHP keeps its digits, else text.
    """
    if value is None or (isinstance(value, str | bool | int) and can_be_sent(value)):
        return value
    if _is_nan(value):
        raise Bitrix24InputError(
            f"{path:.80} is {shown(value)}, which is not a value: use None, or leave the parameter out",
            method=method,
        )
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    whole = _whole(value)
    if whole is not None and can_be_sent(whole):
        return whole
    if isinstance(value, Decimal) and value.is_finite() and abs(value) <= LARGEST:
        short = float_text(float(value))
        return float(value) if short is not None and Decimal(short) == value else format(value, "f")
    if isinstance(value, numbers.Real) and whole is None and math.isfinite(value):
        return float(value)
    if isinstance(value, Ref):
        raise Bitrix24InputError(
            f"{path:.80} refers to the result of another call ({value}), which only an ordered batch can do",
            method=method,
        )
    raise Bitrix24InputError(
        f"{path:.80} cannot be sent: {shown(value)} ({type(value).__name__})", method=method
    )


def _whole(value: Any) -> int | None:
    """Return an integer of any class, or another number that is whole, as int; None for everything else."""
    if isinstance(value, float | Decimal):
        if not math.isfinite(value) or not -LARGEST <= value <= LARGEST:
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
