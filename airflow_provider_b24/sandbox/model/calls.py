"""Who calls which method with which parameters, and what the method returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_b24.sandbox.model import php

PAGE = 50


@dataclass(slots=True)
class User:
    """A portal user and the user's CRM permissions."""

    id: int
    name: str = "Alex"
    last_name: str = "Morgan"
    admin: bool = True
    can_read: bool = True
    can_update: bool = True
    crm_access: bool = True
    active: bool = True


@dataclass(frozen=True, slots=True)
class Caller:
    """An authorized caller: a user behind a webhook or an application."""

    user: User
    scope: frozenset[str]
    key: str = field(repr=False)
    """What limits are counted by: one key per webhook or application."""
    client_id: str | None = None
    """The application's id; None for a webhook."""
    token: str = field(default="", repr=False)
    """An application's access token."""
    path: str = field(default="", repr=False)
    """A webhook's user and code, ``1/code/``."""


@dataclass(slots=True)
class Call:
    """One decoded REST call; ``start`` is the page offset, which the server removes from the parameters."""

    method: str
    params: dict[php.Key, Any]
    caller: Caller
    start: int | None = None

    @property
    def id(self) -> int:
        """``ID`` or ``id`` cast to an int, 0 if there is none."""
        return php.to_int(self.params["ID"] if "ID" in self.params else self.params.get("id"))

    def parameter(self, name: str) -> Any:
        """A parameter under any of the spellings that the CRM accepts, or None."""
        for spelling in (name, name.upper(), name.capitalize(), f"ar{name.capitalize()}"):
            if spelling in self.params:
                return self.params[spelling]
        return None

    def array(self, name: str) -> php.Array | None:
        """A parameter that must be an array; None if it is missing or not an array."""
        value = self.parameter(name)
        return value if php.is_array(value) else None

    def any_case(self, name: str) -> Any:
        """A parameter of a method that ignores the case of parameter names, or None."""
        return next((value for key, value in self.params.items() if str(key).upper() == name), None)


@dataclass(slots=True)
class Answer:
    """A method's result; lists carry ``total`` and, when there are more pages, ``next``."""

    result: Any
    total: int | None = None
    next: int | None = None

    @classmethod
    def page(cls, rows: Sequence[Any], start: int | None) -> Answer:
        """One page of 50 rows beginning at ``start``."""
        first = max(0, start or 0)
        end = first + PAGE
        return cls(rows[first:end], total=len(rows), next=end if end < len(rows) else None)
