"""What the portal knows about one of its REST methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_provider_b24.sandbox.model.calls import Call, Caller
from airflow_provider_b24.sandbox.model.errors import bad_request
from airflow_provider_b24.sandbox.model.state import State


@dataclass(frozen=True, slots=True)
class Method:
    """A REST method: the function behind it, the scope it needs (None: any), whether webhooks may call it."""

    run: Callable[[State, Call], Any]
    scope: str | None = "crm"
    webhook: bool = True
    crm_gate: bool = True

    def check_crm_access(self, caller: Caller) -> None:
        """Refuse users without CRM access; crm.item.* methods have errors of their own."""
        if self.scope == "crm" and self.crm_gate and not caller.user.crm_access:
            raise bad_request("Access denied.")
