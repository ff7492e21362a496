"""PHP's type conversions, which the portal applies to everything it receives.

A PHP array is an ordered map. Here it is a ``list`` if it came as a JSON list, else a ``dict`` whose
canonical decimal keys are ints, as in PHP.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Any, TypeGuard
from urllib.parse import unquote_plus

INT_MAX = 2**63 - 1
MAX_INPUT_VARS = 1000
MAX_INPUT_LEVELS = 64
NUMBER_AT_START = re.compile(r"[ \t\n\r\v\f]*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)")
INTEGER_KEY = re.compile(r"-?[1-9]\d{0,17}|0")

Key = int | str
Array = list[Any] | dict[Key, Any]


def to_int(value: Any) -> int:
    """``(int)$value``: leading digits of a string, truncation of a float, 1 for a non-empty array."""
    if isinstance(value, str):
        return _int_of_text(value)
    if isinstance(value, int):
        return _saturated(int(value))
    if isinstance(value, float):
        return int(value) if math.isfinite(value) and abs(value) < INT_MAX else 0
    return 1 if value else 0


def _int_of_text(text: str) -> int:
    if text.isdecimal() and text.isascii() and len(text) < 19:
        return int(text)
    match = NUMBER_AT_START.match(text)
    if match is None:
        return 0
    number = match[1]
    if number.lstrip("+-").isdigit():
        return _saturated(int(number))
    return to_int(float(number))


def to_float(value: Any) -> float:
    """``(float)$value``: the number at the beginning of a string, else 0."""
    if isinstance(value, str):
        match = NUMBER_AT_START.match(value)
        return float(match[1]) if match else 0.0
    return float(value) if isinstance(value, (int, float)) else float(bool(value))


def _saturated(number: int) -> int:
    return max(-INT_MAX - 1, min(INT_MAX, number))


def is_truthy(value: Any) -> bool:
    """``(bool)$value``: "", "0", 0, null, false and an empty array are false; even ``"false"`` is true."""
    return bool(value) and value != "0"


def to_text(value: Any) -> str:
    """``(string)$value``, as in string interpolation."""
    if isinstance(value, bool):
        return "1" if value else ""
    if value is None:
        return ""
    if isinstance(value, float):
        return _float_text(value)
    return "Array" if is_array(value) else str(value)


def _float_text(value: float) -> str:
    """14 digits, as the setting ``precision`` has it by default: ``0.3``, ``1.0E+25``, ``-1.5E-7``."""
    mantissa, _, exponent = f"{value:.14G}".partition("E")
    if not exponent:
        return mantissa
    return f"{mantissa}{'' if '.' in mantissa else '.0'}E{int(exponent):+d}"


def is_array(value: Any) -> TypeGuard[Array]:
    """``is_array($value)``: JSON objects count too."""
    return isinstance(value, (list, dict))


def item(value: Any, key: Key) -> Any:
    """``$value[$key] ?? null``."""
    if isinstance(value, dict):
        return value.get(key)
    if isinstance(value, list) and isinstance(key, int) and 0 <= key < len(value):
        return value[key]
    return None


def values(value: Any) -> list[Any]:
    """``(array)$value``: the elements of an array, or the value itself as the only one."""
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else [value]


def pairs(array: Array) -> list[tuple[Key, Any]]:
    """Keys and values of a list or map, in order."""
    return list(array.items()) if isinstance(array, dict) else list(enumerate(array))


def key(text: str) -> Key:
    """An array key as PHP stores it: ``"7"`` becomes 7, ``"07"`` remains text."""
    return int(text) if INTEGER_KEY.fullmatch(text) else text


def to_json(value: Any) -> Any:
    """What ``json_encode`` makes of arrays: a list if the keys are 0..n-1 in order, else an object."""
    if isinstance(value, dict):
        inner = {name: to_json(element) for name, element in value.items()}
        return list(inner.values()) if list(inner) == list(range(len(inner))) else inner
    if isinstance(value, list):
        return [to_json(element) for element in value]
    return value


def parse_str(query: str) -> dict[Key, Any]:
    """``parse_str``: names with brackets become nested arrays, the last value wins, ``[]`` appends.

    What comes after the 1,000th value, and what is nested deeper than 64 levels, is dropped.
    """
    parsed: dict[Key, Any] = {}
    for pair in [pair for pair in query.split("&") if pair][:MAX_INPUT_VARS]:
        name, _, value = pair.partition("=")
        path = name_path(name)
        if path:
            _store(parsed, path, unquote_plus(value) if "%" in value or "+" in value else value)
    return parsed


EMPTY_INDEXES = frozenset({"", *" \t\n\r\v\f"})
"""``[ ]`` appends, as ``[]`` does."""


@lru_cache(maxsize=8192)
def name_path(raw: str) -> tuple[Key | None, ...]:
    """``items[0][COMPANY_ID]`` -> ("items", 0, "COMPANY_ID"); None is ``[]``, () is no name."""
    decoded = unquote_plus(raw).partition("\0")[0]
    head, bracket, rest = decoded.lstrip(" ").partition("[")
    name = head.replace(" ", "_").replace(".", "_")
    if not name:
        return ()
    if bracket and "]" not in rest:
        return (f"{name}_{rest}",)
    indexes = _indexes(rest) if bracket else []
    return (key(name), *indexes) if len(indexes) <= MAX_INPUT_LEVELS else ()


def _indexes(rest: str) -> list[Key | None]:
    found: list[Key | None] = []
    while "]" in rest:
        index, _, after = rest.partition("]")
        found.append(None if index in EMPTY_INDEXES else key(index))
        if not after.startswith("["):
            break
        rest = after[1:]
    return found


def _store(array: dict[Key, Any], path: tuple[Key | None, ...], value: str) -> None:
    for step in path[:-1]:
        name = _next_index(array) if step is None else step
        inner = array.get(name)
        if not isinstance(inner, dict):
            inner = array[name] = {}
        array = inner
    last = path[-1]
    array[_next_index(array) if last is None else last] = value


def _next_index(array: dict[Key, Any]) -> int:
    return max((name for name in array if isinstance(name, int)), default=-1) + 1
