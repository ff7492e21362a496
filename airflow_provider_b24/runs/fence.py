"""
Keeps a try that was replaced from writing.

Each try writes its id wherever it leaves something for others: into the state store, and into the names of
the journal's folders. A try that finds a higher id there has been replaced: its worker was suspended or cut
off, and the next try is already running.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any, NamedTuple, Self

from airflow_provider_b24.errors import Bitrix24Error

TAKEN_OVER = "another try of this task has taken over; this one stops and writes nothing more"


class SupersededError(Bitrix24Error):
    """Another try of the same task has taken over; this one must not write any more."""

    default_temporary = True

    def __init__(self, description: str = TAKEN_OVER, **facts: Any) -> None:
        super().__init__(description, **facts)


class TryId(NamedTuple):
    """
    Identifies one try of a run; later tries have higher ids.

    :ivar start: milliseconds since the epoch, above those of all known tries with the same number.
    :ivar token: distinguishes two tries that know nothing of one another.
    """

    number: int = 0
    start: int = 0
    token: str = ""

    def __str__(self) -> str:
        return f"{self.number:05d}-{self.start:015d}-{self.token}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what ``str`` wrote."""
        number, start, token = text.split("-")
        return cls(int(number), int(start), token)


class Fence:
    """
    The id of this try, which may write as long as no try with a higher one has started.

    :param now: seconds since the epoch.
    """

    def __init__(self, try_number: int, now: float) -> None:
        self.try_id = TryId(try_number, int(now * 1000), secrets.token_hex(4))

    def take_over(self, known: Iterable[TryId]) -> None:
        """
        Make this try the latest of those that have left something.

        :raises SupersededError: a later try is already running.
        """
        for other in known:
            if other.number > self.try_id.number:
                raise SupersededError
            if other.number == self.try_id.number:
                self.try_id = self.try_id._replace(start=max(self.try_id.start, other.start + 1))

    def check(self, latest: TryId) -> None:
        """
        Make sure that no later try has started.

        :raises SupersededError: it has.
        """
        if latest > self.try_id:
            raise SupersededError
