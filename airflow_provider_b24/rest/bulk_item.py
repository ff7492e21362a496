"""Calls on their way through a run, and how they are put together to batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.rest.calls import MAX_BATCH, Call
from airflow_provider_b24.rest.encoding import batch_command
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
        return self.call.verification.read if self.settling and self.call.verification else self.call

    def settle(self, settling: bool) -> None:
        self.settling = settling
        self.command = batch_command(self.sent)


def load(ready: deque[Slot], room_of: Callable[[str], int]) -> list[Slot]:
    """
    Take the next batch out of those that are ready, in input order.

    :param room_of: how many calls of a method may run now.
    """
    rooms: dict[str, int] = {}
    batch_items: list[Slot] = []
    left: list[Slot] = []
    most = MAX_BATCH
    while ready and len(batch_items) < most:
        slot = ready.popleft()
        method = slot.sent.method
        # A batch that keeps getting lost is halved, until the command that breaks it stands alone.
        size = max(1, MAX_BATCH >> max(0, slot.tries - 1))
        room = rooms[method] if method in rooms else room_of(method)
        if room < 1 or len(batch_items) >= size:
            left.append(slot)
            rooms[method] = room
            continue
        batch_items.append(slot)
        rooms[method] = room - 1
        most = min(most, size)
    ready.extendleft(reversed(left))
    return batch_items
