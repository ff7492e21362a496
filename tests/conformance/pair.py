"""One request and the reply that a portal must give, with the source of the claim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Reply = tuple[int, Any]
Send = Callable[[str, Any], Reply]
"""Calls a REST method with parameters; returns the HTTP status and the decoded body."""

ANY = ...
"""Matches any value; a type matches its instances."""


class Missing:
    """Matches a name that a map does not have."""


@dataclass(frozen=True)
class Pair:
    """A request and its expected reply.

    Texts may name the records of a run: ``@contact``, and its companies ``@a``, ``@b`` and ``@c``.

    :param method: REST method.
    :param params: parameters, sent as JSON.
    :param source: documentation page or server source file that states the reply.
    :param result: the expected ``result``: a dict matches part of a map, a list all its elements.
    :param status: HTTP status.
    :param error: the expected ``error``; then no ``result`` is allowed.
    :param text: the expected ``error_description``.
    :param given: items the contact is bound to before the request.
    :param after: expected (company, SORT, IS_PRIMARY) afterwards, in SORT order.
    :param safe: whether it may run against a real portal.
    """

    method: str
    params: Any
    source: str
    result: Any = ANY
    status: int = 200
    error: str | None = None
    text: str | None = None
    given: tuple[tuple[str, int, str], ...] = ()
    after: tuple[tuple[str, int, str], ...] | None = None
    safe: bool = True


def matches(expected: Any, actual: Any) -> bool:
    """Whether a value is as expected; ``True`` and ``1`` differ, as do ``"1"`` and ``1``."""
    if expected is ANY:
        return True
    if isinstance(expected, type):
        return type(actual) is expected
    if isinstance(expected, dict):
        return isinstance(actual, dict) and all(
            name not in actual if value is Missing else name in actual and matches(value, actual[name])
            for name, value in expected.items()
        )
    if isinstance(expected, list):
        same_length = isinstance(actual, list) and len(actual) == len(expected)
        return same_length and all(map(matches, expected, actual))
    return type(actual) is type(expected) and bool(actual == expected)


def fill(value: Any, records: dict[str, int]) -> Any:
    """The value with the names of a run's records replaced by their ids."""
    if isinstance(value, dict):
        return {
            fill(name, records) if name in records else name: fill(v, records) for name, v in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [fill(inner, records) for inner in value]
    if isinstance(value, str):
        if value in records:
            return records[value]
        for name, number in records.items():
            value = value.replace(name, str(number))
    return value
