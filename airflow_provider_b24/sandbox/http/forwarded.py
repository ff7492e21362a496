"""Attributes of one object that live in a part of it."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Generic, TypeVar, overload

Value = TypeVar("Value")


class Forwarded(Generic[Value]):
    """An attribute whose value is the attribute of the same name of a part, such as ``"access.apps"``."""

    def __init__(self, part: str) -> None:
        self._part = attrgetter(part)
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Forwarded[Value]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> Value: ...

    def __get__(self, instance: object | None, owner: type) -> Value | Forwarded[Value]:
        if instance is None:
            return self
        value: Value = getattr(self._part(instance), self._name)
        return value

    def __set__(self, instance: Any, value: Value) -> None:
        setattr(self._part(instance), self._name, value)
