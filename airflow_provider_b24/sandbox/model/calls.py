"""Who calls which method with what, and what comes back: the values every room of the sandbox shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_b24.sandbox.model import php
from airflow_provider_b24.sandbox.model.errors import bad_request

if TYPE_CHECKING:
    from airflow_provider_b24.sandbox.model.state import State


@dataclass(slots=True)
class User:
    """A portal user and his CRM rights."""

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
    """The outcome of authorization: a user behind a webhook or an application."""

    user: User
    scope: frozenset[str]
    key: str = field(repr=False)
    """What limits are counted by: one key per webhook or application."""
    client_id: str | None = None
    """The application's id; None for a webhook."""


@dataclass(slots=True)
class Call:
    """One REST call after decoding; ``start`` is the page offset the server takes out of the parameters."""

    method: str
    params: dict[php.Key, Any]
    caller: Caller
    start: int | None = None

    @property
    def id(self) -> int:
        """``ID`` or ``id`` cast to an int, 0 when there is none."""
        return php.to_int(self.params["ID"] if "ID" in self.params else self.params.get("id"))

    def array(self, name: str) -> php.Array | None:
        """A parameter that must be an array, under any of the spellings the CRM accepts."""
        for spelling in (name.upper(), name, name.capitalize(), f"ar{name.capitalize()}"):
            if spelling in self.params:
                value = self.params[spelling]
                return value if php.is_array(value) else None
        return None


@dataclass(slots=True)
class Answer:
    """A method's result; lists carry ``total`` and, when there are more pages, ``next``."""

    result: Any
    total: int | None = None
    next: int | None = None


@dataclass(frozen=True, slots=True)
class Method:
    """A REST method: what runs it, the scope it needs (None: any), and whether webhooks may call it."""

    run: Callable[[State, Call], Any]
    scope: str | None = "crm"
    webhook: bool = True
    crm_gate: bool = True

    def check_crm_access(self, caller: Caller) -> None:
        """The door of the older CRM methods; crm.item.* answer in words of their own."""
        if self.scope == "crm" and self.crm_gate and not caller.user.crm_access:
            raise bad_request("Access denied.")
