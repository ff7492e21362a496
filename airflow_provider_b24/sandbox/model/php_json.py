"""JSON as PHP decodes and encodes it."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from airflow_provider_b24.sandbox.model import php

LONG_NUMBER = re.compile(rb"\d{19}")
QUOTE_OR_BACKSLASH = re.compile(r'\\(["\\])')
MAX_DEPTH = 512


def decode(body: bytes) -> Any:
    """``json_decode($body, true)``; raises ``ValueError`` for what PHP refuses.

    That is anything but UTF-8, a byte order mark, NaN and Infinity, half a surrogate pair, and more than 512
    levels. Integers beyond 64 bits become floats.
    """
    text = body.decode("utf-8")
    decoder = LONG_NUMBERS_DECODER if LONG_NUMBER.search(body) else DECODER
    try:
        value = decoder.decode(text)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if text.count("[") + text.count("{") >= MAX_DEPTH and _depth(value) >= MAX_DEPTH:
        raise ValueError("nested too deeply")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _parse_int(digits: str) -> int | float:
    number = int(digits)
    return number if -php.INT_MAX - 1 <= number <= php.INT_MAX else float(number)


DECODER = json.JSONDecoder(parse_constant=_refuse)
LONG_NUMBERS_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_int=_parse_int)
ENCODER = json.JSONEncoder(separators=(",", ":"), check_circular=False)


def _depth(value: Any) -> int:
    deepest, level = 0, [value]
    while level := [one for one in level if php.is_array(one)]:
        deepest += 1
        level = [inner for one in level for inner in php.values(one)]
    return deepest


def to_array(value: Any) -> Any:
    """Decoded JSON with the keys that PHP makes of an object's names, at every level."""
    if isinstance(value, dict):
        return {php.key(name): to_array(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [to_array(inner) for inner in value]
    return value


def encode(value: Any) -> bytes:
    r"""``json_encode`` with Bitrix24's flags: ``\/``, ``\uXXXX``, also for quotes, ``<``, ``>`` and ``&``."""
    text = ENCODER.encode(value)
    if '\\"' in text:
        text = QUOTE_OR_BACKSLASH.sub(lambda match: "\\u0022" if match[1] == '"' else match[0], text)
    for character, escaped in ESCAPES:
        if character in text:
            text = text.replace(character, escaped)
    return text.encode("ascii")


# These stand only inside strings, where they mean themselves.
ESCAPES = (("/", "\\/"), ("'", "\\u0027"), ("<", "\\u003C"), (">", "\\u003E"), ("&", "\\u0026"))
