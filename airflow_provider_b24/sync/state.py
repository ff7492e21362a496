"""How far a sync has come."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_b24.runs.report_rows import Tally
from airflow_provider_b24.runs.state import RunState


@dataclass
class SyncState(RunState):
    """
    How far a sync has come, in line numbers of the input.

    :ivar position: records up to this line are finished.
    :ivar done: lines above it whose records are finished too; few.
    :ivar touched: records up to this line may have been written.
    :ivar tally: counts of the finished records.
    """

    position: int = 0
    done: list[int] = field(default_factory=list)
    touched: int = 0
    tally: Tally = field(default_factory=Tally)

    def finish(self, lines: Collection[int], open_lines: Collection[int]) -> None:
        """Note the result of a chunk: its finished lines, and those that stay open."""
        if open_lines:
            self.position = max(self.position, min(open_lines) - 1)
            self.done = sorted(line for line in {*self.done, *lines} if line > self.position)
        elif lines:
            self.position = max(self.position, *lines, *self.done)
            self.done = []

    def start_over(self, *, touched: int) -> None:
        """
        Let the next try go through the whole input again.

        :param touched: records up to this line may have been written.
        """
        self.position, self.done, self.touched, self.tally = 0, [], touched, Tally()

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "tally": self.tally.to_json()}

    @classmethod
    def from_json(cls, stored: Any) -> SyncState:
        state = cls(**{**stored, "tally": Tally.from_json(stored["tally"])})
        numbers = (state.position, state.touched, state.requests, *state.done)
        if not all(isinstance(number, int) for number in numbers):
            raise TypeError("a position is a number")
        return state
