"""
How far a sync has come, kept between the tries of a task, and whether a try is still the current one.

Each try writes its number and its start into the store (a fencing token). A try that finds a higher one there
has been replaced: its worker was frozen or cut off, and the next try runs already.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Protocol

from airflow_provider_b24.errors import Bitrix24Error
from airflow_provider_b24.sync.lines import Tally

log = logging.getLogger(__name__)

TAKEN_OVER = "another try of this task has taken over; this one stops and writes nothing more"


class SupersededError(Bitrix24Error):
    """Another try of the same task has taken over; this one must not write any more."""

    default_temporary = True


class Progress(Protocol):
    """
    Where the state of a sync is kept between tries; one small JSON object.

    :ivar run: names the task's run, for people; all its tries have the same. Empty: nothing is resumed.
    :ivar attempt: stays over retries and deferrals, and changes when the task is cleared: then the sync
        starts from the difference to the portal.
    :ivar group: the run without its map index, if the task is mapped; else empty.
    :ivar try_number: of this try, counted over retries and clearing; the same after a deferral.
    :ivar retries_left: whether another try will follow if this one fails.
    """

    @property
    def run(self) -> str: ...
    @property
    def attempt(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def try_number(self) -> int: ...
    @property
    def retries_left(self) -> bool: ...

    def load(self) -> dict[str, Any] | None:
        """Return what was saved last, if anything."""

    def save(self, state: dict[str, Any]) -> None:
        """Keep a small JSON object."""

    def finish(self, state: dict[str, Any]) -> None:
        """Keep no more than this: the run is over. A try that runs again all the same can tell by it."""


class NoProgress:
    """Nothing is kept; a run starts at the beginning."""

    run = attempt = group = ""
    try_number = 0
    retries_left = False

    def load(self) -> dict[str, Any] | None:
        return None

    def save(self, state: dict[str, Any]) -> None:
        pass

    def finish(self, state: dict[str, Any]) -> None:
        pass


@dataclass
class Cursor:
    """
    How far a sync has come, in lines of the input.

    :ivar line: contacts up to this line are finished.
    :ivar done: lines above it whose contacts are finished too; few.
    :ivar touched: contacts up to this line may have been written.
    :ivar tally: counts of the finished contacts.
    :ivar requests: sent by the tries before this one.
    :ivar seconds: that they took.
    :ivar timeline: how it went over time, see ``rest.timeline``.
    """

    line: int = 0
    done: list[int] = field(default_factory=list)
    touched: int = 0
    tally: Tally = field(default_factory=Tally)
    requests: int = 0
    seconds: float = 0.0
    timeline: list[list[float]] = field(default_factory=list)

    def finish(self, lines: Collection[int], open_lines: Collection[int]) -> None:
        """Note the result of a chunk: its finished lines, and those that stay open."""
        if open_lines:
            self.line = max(self.line, min(open_lines) - 1)
            self.done = sorted(line for line in {*self.done, *lines} if line > self.line)
        elif lines:
            self.line = max(self.line, *lines, *self.done)
            self.done = []

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, small."""
        return {**vars(self), "tally": self.tally.to_json()}

    @classmethod
    def from_json(cls, stored: Any) -> Cursor:
        """Read what ``to_json`` wrote; the state of another version of this package counts as none."""
        try:
            cursor = cls(**{**stored, "tally": Tally.from_json(stored["tally"])})
            numbers = (cursor.line, cursor.touched, cursor.requests, *cursor.done)
            return cursor if all(isinstance(number, int) for number in numbers) else cls()
        except (TypeError, ValueError, LookupError, AttributeError):
            return cls()


class Checkpoint:
    """
    The store of one try. A store that is away does not end the sync: what it misses is saved later.

    :param progress: the store.
    :param key: what the run is given; the state of another input is not used.
    :param measure: puts the requests and seconds so far into a cursor.
    :param only_record: nothing else tells what was written and which try is the current one (no report, and
        nothing is read): then a store that is away does end the sync.
    :ivar was_finished: whether an earlier try has finished the run, and nobody noticed.
    """

    def __init__(
        self,
        progress: Progress,
        key: str,
        measure: Callable[[Cursor], None],
        *,
        only_record: bool = False,
    ) -> None:
        self._progress = progress
        self._only_record = only_record
        self._key = key
        self._measure = measure
        self._fence = (progress.try_number, 0, secrets.token_hex(4))
        self._saved = False
        self.was_finished = False
        self._warned = False
        self.cursor = Cursor()

    def start(self, now: float) -> None:
        """
        Read how far the tries before came, and take over from them.

        :param now: seconds since the epoch.
        :raises SupersededError: a later try runs already.
        """
        if not self._progress.run:
            return
        stored = self._try("read", self._progress.load)
        number, _, token = self._fence
        last_number, last_start, _ = _fence_of(stored)
        if last_number > number:
            raise SupersededError(TAKEN_OVER)
        start = int(now * 1000)
        self._fence = (number, max(start, last_start + 1) if last_number == number else start, token)
        if (
            isinstance(stored, dict)
            and stored.get("key") == self._key
            and stored.get("attempt") == self._progress.attempt
        ):
            self.was_finished = "cursor" not in stored or bool(stored.get("was_finished"))
            self.cursor = Cursor.from_json(stored.get("cursor"))
        self._put()

    def save(self) -> None:
        """
        Save the cursor.

        :raises SupersededError: another try has taken over.
        """
        self.measure()
        self.check()
        self._put()

    def measure(self) -> None:
        """Bring the cursor's requests and seconds up to date."""
        self._measure(self.cursor)

    def _put(self) -> bool:
        """Save the state; return whether it was."""
        if not self._progress.run:
            return True
        state = {
            **self._identity(),
            "cursor": self.cursor.to_json(),
            "was_finished": self.was_finished,
        }
        return bool(self._try("saved", lambda: self._note_saved(state)))

    def check(self) -> None:
        """
        Make sure that this try is the current one.

        :raises SupersededError: another try has taken over.
        """
        if not self._saved:
            return
        failed = object()
        stored = self._try("read", self._progress.load, failed)
        if stored is failed:
            return
        # Nothing is stored: an old try has finished late, or this one is no longer in Airflow's database,
        # which shows when it saves. A lower number: an old try's late save.
        if _fence_of(stored) > self._fence or (stored is None and not self._put()):
            raise SupersededError(TAKEN_OVER)

    def finish(self) -> bool:
        """
        Forget the cursor: the run is over. Return whether the store knows that now.

        :raises SupersededError: another try has taken over.
        """
        self.check()
        return not self._progress.run or bool(self._try("saved", self._note_finished))

    def _identity(self) -> dict[str, Any]:
        return {"key": self._key, "attempt": self._progress.attempt, "fence": list(self._fence)}

    def _note_finished(self) -> bool:
        self._progress.finish(self._identity())
        return True

    def _note_saved(self, state: dict[str, Any]) -> bool:
        self._progress.save(state)
        self._saved = True
        self._warned = False
        return True

    def _try(self, what: str, work: Any, otherwise: Any = None) -> Any:
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - whatever an API server or a custom store raises
            if self._only_record:
                raise Bitrix24Error(
                    f"the task's state cannot be {what} ({type(error).__name__}). Without a report, nothing "
                    "else says which contacts are written. Set report_path, or use mode='diff'",
                    temporary=True,
                ) from None
            if not self._warned:
                log.warning(
                    "The task's state cannot be %s now (%s). The sync continues and tries again later",
                    what,
                    type(error).__name__,
                )
            self._warned = True
            return otherwise


def _fence_of(stored: Any) -> tuple[int, int, str]:
    try:
        number, start, token = stored["fence"]
        return int(number), int(start), str(token)
    except (TypeError, ValueError, LookupError):
        return 0, 0, ""
