"""
References of one command in a batch to the result of an earlier one: ``$result[0][ID]``.

The portal resolves them between commands of one request; here they are resolved across requests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.replies import Outcome

_REFERENCE = re.compile(r"\$(result|total|next)\[(\d+)\]((?:\[[^\[\]]+\])*)")
_STEP = re.compile(r"\[([^\[\]]+)\]")


def referred(params: Any) -> set[int]:
    """Return the positions of the commands to whose results these parameters refer."""
    return {int(match[2]) for text in _texts(params) for match in _REFERENCE.finditer(text)}


def resolve(call: Call, outcomes: Sequence[Outcome]) -> Call:
    """
    Return the call with the values of all commands that were executed in place of references to them.

    A reference alone becomes the value itself, one inside a text becomes part of the text.

    :param outcomes: by position, of the commands executed so far.
    :raises Bitrix24InputError: a result does not contain what a reference names.
    """
    if not any(position < len(outcomes) for position in referred(call.params)):
        return call
    params = _resolved(call.params, outcomes, call.method)
    return Call(call.method, params, call.verification, call.repeatable)


def _resolved(value: Any, outcomes: Sequence[Outcome], method: str) -> Any:
    if isinstance(value, str):
        whole = _REFERENCE.fullmatch(value)
        if whole is not None:
            return _value(whole, outcomes, method)
        return _REFERENCE.sub(lambda match: _text(_value(match, outcomes, method)), value)
    if isinstance(value, Mapping):
        return {name: _resolved(child, outcomes, method) for name, child in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_resolved(child, outcomes, method) for child in value]
    return value


def _value(match: re.Match[str], outcomes: Sequence[Outcome], method: str) -> Any:
    position = int(match[2])
    if position >= len(outcomes):
        return match[0]
    value = getattr(outcomes[position], match[1])
    for step in _STEP.findall(match[3]):
        try:
            value = value[step] if isinstance(value, Mapping) else value[int(step)]
        except (LookupError, ValueError, TypeError):
            value = None
        if value is None:
            raise Bitrix24InputError(f"the result contains no {match[0]:.80}", method=method) from None
    return value


def _text(value: Any) -> str:
    return "" if value is None or isinstance(value, Mapping | list) else str(value)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for child in value.values():
            yield from _texts(child)
    elif isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        for child in value:
            yield from _texts(child)
