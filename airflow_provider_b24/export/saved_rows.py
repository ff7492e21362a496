"""Rows in pieces: written as the portal sent them, and read back with the digits of their numbers."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, BinaryIO

import msgspec

from airflow_provider_b24.errors import Bitrix24Error
from airflow_provider_b24.export.texts import exact_json

_encode = msgspec.json.Encoder(decimal_format="number").encode_lines
_decode = msgspec.json.Decoder(float_hook=Decimal).decode_lines


def encode_rows(rows: Sequence[Any]) -> bytes:
    """Return rows as JSON lines; half of a surrogate pair, which is no text, is written as an escape."""
    try:
        return _encode(rows)
    except UnicodeEncodeError:
        return b"".join(exact_json(row).encode() + b"\n" for row in rows)


def decode_rows(lines: Sequence[bytes]) -> list[Any]:
    """Return the rows of JSON lines."""
    try:
        return _decode(b"".join(lines))
    except (msgspec.DecodeError, UnicodeDecodeError):  # half of a surrogate pair
        return [json.loads(line, parse_float=Decimal) for line in lines]


def check_objects(rows: Iterable[Any], method: str) -> None:
    """
    Check that rows have fields.

    :raises Bitrix24Error: one has none.
    """
    other = next((row for row in rows if not isinstance(row, Mapping)), None)
    if other is not None:
        raise Bitrix24Error(
            f"a row of the list is {type(other).__name__}, not an object with fields",
            method=method,
            advice="Export this list to JSON lines.",
        )


def lines_of(files: Iterable[BinaryIO]) -> Iterator[bytes]:
    """Yield the lines of files."""
    return itertools.chain.from_iterable(files)


def ids_of(files: Iterable[BinaryIO], name: str) -> Iterator[int]:
    """Yield the ids of rows; none of those that do not have it."""
    only = [("value", Any, msgspec.field(name=name, default=None))]
    decoder = msgspec.json.Decoder(msgspec.defstruct("Row", only))
    for line in lines_of(files):
        try:
            value = decoder.decode(line).value  # type: ignore[attr-defined]  # the struct above
        except (msgspec.DecodeError, UnicodeDecodeError):
            value = json.loads(line).get(name)
        if value is not None:
            yield int(value)


def names_of(files: Iterable[BinaryIO]) -> list[str]:
    """Return all names in rows, in the order in which they occur first."""
    seen: dict[str, None] = {}
    for line in lines_of(files):
        for row in decode_rows([line]):
            if isinstance(row, Mapping):
                seen.update(dict.fromkeys(row))
    return list(seen)
