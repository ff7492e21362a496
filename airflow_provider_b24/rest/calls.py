"""A call of a REST method, whether it may be repeated, and how it is written inside a batch."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from airflow_provider_b24.errors import Bitrix24InputError, Bitrix24UnknownOutcomeError

MAX_BATCH = 50  # https://apidocs.bitrix24.com/settings/how-to-call-rest-api/batch.html

_METHOD = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")
_READS = frozenset(
    {"get", "list", "fields", "types", "current", "profile", "scope", "methods", "time", "info"}
)
_CONSUMING_READS = frozenset({"event.offline.get"})  # deletes what it returns
_REPLACES = re.compile(
    r"crm\.(contact\.company|company\.contact|deal\.contact|lead\.contact|quote\.contact)\.items\.(set|delete)"
)


def check_method(method: Any) -> str:
    """
    Return ``method`` if it is a method name and nothing else; a template must not change the address.

    :raises Bitrix24InputError: it is not.
    """
    if not isinstance(method, str) or not _is_name(method):
        raise Bitrix24InputError(
            f"method must be a REST method name such as 'crm.contact.get', got {shown(method)}"
        )
    return method


@lru_cache(maxsize=512)
def _is_name(text: str) -> bool:
    return _METHOD.fullmatch(text) is not None


@lru_cache(maxsize=512)
def is_repeatable(method: str) -> bool:
    """Whether running ``method`` twice leaves the portal as running it once does, with the same answer."""
    name = method.lower()
    if name in _CONSUMING_READS:
        return False
    return name.rpartition(".")[2] in _READS or _REPLACES.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Verification:
    """How to find out whether a write was carried out whose answer was lost."""

    read: Call
    applied: Callable[[Any], bool]

    def shows(self, result: Any) -> bool:
        """
        Whether the result of the read shows that the write took effect.

        :raises Bitrix24UnknownOutcomeError: the result is none.
        """
        try:
            return self.applied(result)
        except (TypeError, ValueError, LookupError, AttributeError):
            pass
        raise Bitrix24UnknownOutcomeError(
            f"what was read after a lost answer, {type(result).__name__}, cannot be understood",
            method=self.read.method,
        )


@dataclass(frozen=True, slots=True)
class Call:
    """
    One call of a REST method.

    :param method: name of the REST method, e.g. ``crm.contact.company.items.set``.
    :param params: its parameters, JSON values; dates and times are sent in ISO 8601.
    :param verification: for a write that must not be repeated blindly: how to look whether it took effect.
    """

    method: str
    params: Mapping[str, Any] = field(default_factory=dict)
    verification: Verification | None = None

    def __post_init__(self) -> None:
        check_method(self.method)
        if not isinstance(self.params, Mapping):
            raise Bitrix24InputError(
                f"params must be a mapping, got {type(self.params).__name__}", method=self.method
            )

    @property
    def repeatable(self) -> bool:
        return is_repeatable(self.method)


@dataclass(frozen=True, slots=True)
class Signed:
    """A request with its credentials; its ``repr`` tells neither path nor body."""

    path: str = field(repr=False)
    body: Mapping[str, Any] = field(repr=False)


def shown(value: Any) -> str:
    """A value for a message; Python itself refuses to show a number of thousands of digits."""
    try:
        return f"{value!r:.80}"
    except (ValueError, RecursionError):
        return f"a {type(value).__name__} that is too large"
