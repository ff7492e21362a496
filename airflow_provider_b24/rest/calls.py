"""A call of a REST method, and whether it may be repeated."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from airflow_provider_b24.errors import Bitrix24InputError, Bitrix24UnknownOutcomeError

MAX_BATCH = 50  # https://apidocs.bitrix24.com/settings/how-to-call-rest-api/batch.html

_METHOD = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")
# A method is a read if its last word begins with a reading verb or is one of these nouns, if another word is
# `get` (calendar.event.get.nearest), or if it lists constants (crm.enum.*).
_READING_VERBS = ("get", "list", "find", "search", "count")
_READING_NOUNS = frozenset(
    {
        *("access", "admin", "availabletoadd", "countries", "current", "events", "fields", "groups"),
        *("history", "info", "instances", "isactionallowed", "items", "languages", "methods", "name"),
        *("profile", "reports", "scope", "settings", "status", "statuslist", "time", "types"),
    }
)
_CONSUMING_READS = frozenset({"event.offline.get"})  # deletes what it returns
_CALL_KEYS = frozenset({"method", "params", "repeatable"})
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
    if consumes(name):
        return False
    if _REPLACES.fullmatch(name) is not None:
        return True
    *others, last = name.split(".")
    if last.startswith(_READING_VERBS) or last in _READING_NOUNS:
        return True
    return "get" in others or others[:2] == ["crm", "enum"]


def is_read(method: str) -> bool:
    """Whether a method only reads, as far as its name shows; ``batch`` may hold anything."""
    name = method.lower()
    return is_repeatable(name) and _REPLACES.fullmatch(name) is None


def consumes(method: str) -> bool:
    """Whether this is a read that deletes what it returns."""
    return method.lower() in _CONSUMING_READS


@dataclass(frozen=True, slots=True)
class Verification:
    """
    How to find out whether a write was applied when the answer to it was lost.

    :param read: reads the record.
    :param applied: takes the result of the read, and returns the result that the lost answer must have had,
        such as True or the id of a new record; None or False if the write was not applied.
    """

    read: Call
    applied: Callable[[Any], Any]

    def shows(self, result: Any) -> Any:
        """
        Return the result that the lost answer must have had; None or False if the write was not applied.

        :raises Bitrix24UnknownOutcomeError: the result cannot be understood.
        """
        try:
            return self.applied(result)
        except (TypeError, ValueError, LookupError, AttributeError):
            pass
        raise Bitrix24UnknownOutcomeError(
            f"the answer to the write was lost, and reading the record returned {type(result).__name__}",
            method=self.read.method,
        )


@dataclass(frozen=True, slots=True)
class Call:
    """
    One call of a REST method.

    :param method: name of the REST method, e.g. ``crm.contact.company.items.set``.
    :param params: its parameters, JSON values; dates and times are sent in ISO 8601.
    :param verification: for a write that must not be repeated blindly: how to find out if it was applied.
    :param repeatable: whether it is safe to run the call twice; None decides by the method's name.
    :raises Bitrix24InputError: the method or the type of the parameters is wrong.
    """

    method: str
    params: Mapping[str, Any] = field(default_factory=dict)
    verification: Verification | None = None
    repeatable: bool | None = None

    def __post_init__(self) -> None:
        check_method(self.method)
        if not isinstance(self.params, Mapping):
            raise Bitrix24InputError(
                f"params must be a mapping, got {type(self.params).__name__}", method=self.method
            )
        if self.repeatable not in (None, True, False):
            raise Bitrix24InputError(
                f"repeatable must be True, False or None, got {shown(self.repeatable)}", method=self.method
            )

    @property
    def may_repeat(self) -> bool:
        """Whether the call is sent again when the answer to it was lost."""
        return is_repeatable(self.method) if self.repeatable is None else self.repeatable


def as_call(value: Any, where: str) -> Call:
    """
    Return a call as it is, or read one from ``{"method": ..., "params": {...}, "repeatable": ...}``.

    :param where: what the value is called in an error.
    :raises Bitrix24InputError: it is neither.
    """
    if isinstance(value, Call):
        return value
    if not isinstance(value, Mapping) or "method" not in value or not set(value) <= _CALL_KEYS:
        raise Bitrix24InputError(
            f"{where} must be a Call or {{'method': ..., 'params': {{...}}}}, got {shown(value)}"
        )
    params = value.get("params")
    try:
        return Call(value["method"], {} if params is None else params, repeatable=value.get("repeatable"))
    except Bitrix24InputError as error:
        raise Bitrix24InputError(f"{where}: {error}") from None


@dataclass(frozen=True, slots=True)
class Signed:
    """
    A request with its credentials; its ``repr`` shows neither path nor body.

    :param secrets: texts that an error about this request must not quote.
    """

    method: str
    path: str = field(repr=False)
    body: Mapping[str, Any] = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


def shown(value: Any) -> str:
    """Return a value as text for a message, at most 80 characters long."""
    try:
        return f"{value!r:.80}"
    except (ValueError, RecursionError):  # Python refuses to print a number of thousands of digits
        return f"a {type(value).__name__} that is too large"
