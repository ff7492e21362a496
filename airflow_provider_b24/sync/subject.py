"""What the engine asks of a subject: of one kind of records, such as the companies of contacts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from airflow_provider_b24.errors import Bitrix24Error
from airflow_provider_b24.rest.calls import Call

S = TypeVar("S")  # the state of one record; two states are the same if they are equal
NumberedRow = tuple[int, Any]  # line number and row


@dataclass(frozen=True, slots=True)
class Wanted(Generic[S]):
    """
    The state that a record is to have.

    :param line_number: of the input; those of later records are higher.
    :param exact: the state was read from the portal: nothing in it is left to a rule.
    :param planned_from: the state for which it was planned, if it was.
    """

    line_number: int
    key: int
    state: S
    exact: bool = False
    planned_from: S | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that cannot be used, and why."""

    line_number: int
    key: int | None
    reason: str


class Reading(NamedTuple, Generic[S]):
    """
    The answer to reading one record.

    :ivar ended_run: the error is not this record's own but ended all reading, e.g. the portal was down.
    """

    state: S | None = None
    error: Bitrix24Error | None = None
    ended_run: bool = False


class Rows(Protocol[S]):
    """
    How rows become wanted states, and states become rows. Parsers raise ``Bitrix24InputError``.

    :ivar key_name: of the record's key in rows of the input and of the report, e.g. ``contact_id``.
    :ivar group_advice: what to do about a record that appears more than once.
    """

    key_name: str
    group_advice: str

    def record(self, key: Any, value: Any) -> Mapping[str, Any]:
        """Return an entry of a mapping as a row."""

    def arrange(self, rows: list[NumberedRow]) -> list[NumberedRow]:
        """Put the rows of one record next to one another."""

    def check_columns(self, names: Iterable[Any]) -> None:
        """Refuse a file whose columns are not known."""

    def parse(
        self, rows: Iterable[NumberedRow], on_warning: Callable[[int, int, str], None]
    ) -> Iterator[Wanted[S] | Rejected]:
        """Read rows and drop none; ``on_warning`` is called with key, line number and a sentence."""

    def parse_key(self, value: Any) -> int:
        """Read a record's key."""

    def parse_wanted(self, stored: Any) -> S:
        """Read the wanted state of a report row."""

    def parse_state(self, stored: Any) -> S | None:
        """Read a state as a report row or the portal has it; None if it is none."""

    def to_json(self, state: S) -> Any:
        """Return a state as a report row has it."""


class Subject(Rows[S], Protocol[S]):
    """
    How records are read, compared, written and confirmed.

    :ivar name: in report rows, e.g. ``contact.company``.
    :ivar noun: what a record is called in messages, e.g. ``contact``.
    :ivar fingerprint: of the subject's options: the state of a run with others is not used.
    :ivar changed_since: the sentence about a record that has changed since it was planned.
    """

    name: str
    noun: str
    fingerprint: str
    changed_since: str

    def collect(self, wanted: Wanted[S]) -> None:
        """Note what is to be looked up for a record before it is written."""

    def look_up(self) -> None:
        """Look up what was collected; raises ``Bitrix24Error`` if the portal does not answer."""

    def refusal(self, wanted: Wanted[S]) -> str | None:
        """Return why a record must not be written, by what was looked up; None if it may."""

    def read(self, keys: Sequence[int]) -> Iterator[Reading[S]]:
        """Read a chunk of records; yields one answer for each, in this order."""

    def difference(self, wanted: S, current: S) -> S | None:
        """Return the state to write, with nothing left to a rule; None if the record has it already."""

    def cannot_write(self, state: S) -> str | None:
        """Return why a state that was read cannot be written back, or None."""

    def write(self, key: int, target: S) -> Call:
        """Return the call that gives a record this state."""

    def confirm(self, call: Call, result: Any) -> None:
        """Raise a ``Bitrix24Error`` if the answer does not confirm the write."""

    def needs_read_back(self, target: S, current: S | None) -> bool:
        """Whether the portal may store something else than it was sent; ``current`` was before the write."""

    def repairs(self, key: int, target: S) -> list[Call]:
        """Return the calls that store such a state nevertheless, one after the other."""
