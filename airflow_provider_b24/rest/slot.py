"""One call on its way through a run."""

from __future__ import annotations

from airflow_provider_b24.rest.calls import Call, batch_command
from airflow_provider_b24.rest.errors import Bitrix24InputError
from airflow_provider_b24.rest.replies import Outcome


class Slot:
    """One call in a run's window: what goes out for it, how often it did, and what became of it."""

    __slots__ = ("call", "command", "outcome", "renewals", "settling", "tries")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.outcome: Outcome | None = None
        self.tries = 0
        self.renewals = 0
        self.settling = False
        try:
            self.command = batch_command(call)
        except Bitrix24InputError as error:
            self.command = ""
            self.outcome = Outcome(call, "failure", error=error)

    @property
    def sent(self) -> Call:
        """The call that travels for this slot: itself, or the read that settles what became of it."""
        return self.call.settlement.read if self.settling and self.call.settlement else self.call

    def settle(self, settling: bool) -> None:
        self.settling = settling
        self.command = batch_command(self.sent)
