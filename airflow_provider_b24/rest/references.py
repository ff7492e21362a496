"""
References of one call in a batch to the result of an earlier one: ``Ref(0, "ID")``.

They are asked for, never found in data: a text that looks like one stays a text. The portal resolves a
reference between commands of one request if the result certainly contains what it names; otherwise it would
put in something else without an error. All other references are resolved here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.rest.calls import Call, shown
from airflow_provider_b24.rest.replies import Outcome

Part = Literal["result", "total", "next"]

_DOCUMENTED = re.compile(r"\$(result|total|next)\[(\d{1,9})\]((?:\[[^\[\]\s]+\])*)")
_STEP = re.compile(r"\[([^\[\]]+)\]")
_ITEM_METHOD = re.compile(r"crm\.item\.(add|get|import|update)")


@dataclass(frozen=True, slots=True, init=False)
class Ref:
    """
    What an earlier call of the same batch returned, to be used as a parameter, or as a part of one.

    ``Ref(0)`` is the result of the first call, ``Ref(0, "item", "id")`` what stands in it under these names.

    :param position: the position of the earlier call in the batch, from 0.
    :param path: names of fields, and positions in lists.
    :param of: ``result``; or of a list, ``total`` or ``next``.
    :raises Bitrix24InputError: this is no such reference.
    """

    position: int
    path: tuple[str | int, ...]
    of: Part

    def __init__(self, position: int, *path: str | int, of: Part = "result") -> None:
        if type(position) is not int or position < 0:
            raise Bitrix24InputError(f"a reference names a call by its position, got {shown(position)}")
        for step in path:
            if isinstance(step, bool) or not isinstance(step, str | int) or step == "":
                raise Bitrix24InputError(f"a reference consists of names and positions, got {shown(step)}")
        if of not in get_args(Part):
            raise Bitrix24InputError(f"a reference is to result, total or next, got {shown(of)}")
        for name, value in (("position", position), ("path", path), ("of", of)):
            object.__setattr__(self, name, value)

    def __str__(self) -> str:
        return f"${self.of}[{self.position}]" + "".join(f"[{step}]" for step in self.path)


def parse_references(value: Any) -> Any:
    """
    Return a value in which each text that is a reference as Bitrix24 documents it is one: ``$result[0][ID]``.

    A text of which only a part looks like that stays a text.
    """

    def parsed(text: Any) -> Any:
        match = _DOCUMENTED.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            return text
        return Ref(int(match[2]), *_STEP.findall(match[3]), of=cast("Part", match[1]))

    return replaced(value, parsed)


def find_references(value: Any) -> Iterator[Ref]:
    """Yield every reference inside a value."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, Mapping):
        for child in value.values():
            yield from find_references(child)
    elif _is_list(value):
        for child in value:
            yield from find_references(child)


def replaced(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return a copy of a value with every scalar in it changed."""
    if isinstance(value, Mapping):
        return {name: replaced(child, change) for name, child in value.items()}
    if _is_list(value):
        return [replaced(child, change) for child in value]
    return change(value)


def check_positions(refs: Sequence[Ref], index: int) -> None:
    """
    Check that the references of the call at this position are to earlier calls.

    :raises Bitrix24InputError: one is not; the error names the call.
    """
    for ref in refs:
        if ref.position >= index:
            raise Bitrix24InputError(
                f"calls[{index}] contains {ref}, but a reference must be to the result of an earlier call, "
                "counted from 0"
            )


def resolves_on_portal(ref: Ref, call: Call) -> bool:
    """
    Whether the portal resolves a reference to this call as it is meant, provided that the call succeeds.

    Where a path leads nowhere, or to null, the portal puts in what it found last, e.g. the whole record, of
    which PHP makes the id 1. So this is left to the portal only where the result is known: the id of an
    ``add``.
    """
    if ref.of != "result":
        return False
    name = call.method.lower()
    if not ref.path:
        return name.endswith(".add")
    return ref.path == ("item", "id") and _ITEM_METHOD.fullmatch(name) is not None


def resolve(call: Call, outcomes: Sequence[Outcome]) -> Call:
    """
    Return the call with values in place of references to calls that were executed; others are left.

    :param outcomes: by position, of the calls executed so far.
    :raises Bitrix24InputError: a result does not contain what a reference names.
    """

    def value_of(value: Any) -> Any:
        if not isinstance(value, Ref) or value.position >= len(outcomes):
            return value
        return _value(value, outcomes[value.position], call.method)

    return Call(call.method, replaced(call.params, value_of), call.verification, call.repeatable)


def _value(ref: Ref, outcome: Outcome, method: str) -> Any:
    value = getattr(outcome, ref.of)
    for step in ref.path:
        try:
            value = value[str(step)] if isinstance(value, Mapping) else _element(value, step)
        except (LookupError, ValueError, TypeError):
            value = None
        if value is None:
            break
    if value is None:
        raise Bitrix24InputError(
            f"the result of calls[{ref.position}] contains no {ref!s:.80}", method=method
        )
    return value


def _element(value: Any, step: str | int) -> Any:
    if not isinstance(value, list):
        raise TypeError
    position = int(step)
    if position < 0:
        raise LookupError
    return value[position]


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview)
