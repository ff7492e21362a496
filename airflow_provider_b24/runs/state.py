"""How far a run has come, kept between its tries."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, Self, TypeVar

from airflow_provider_b24.errors import Bitrix24Error
from airflow_provider_b24.runs.fence import Fence, SupersededError, TryId
from airflow_provider_b24.runs.identity import RunIdentity

log = logging.getLogger(__name__)


class StateStore(Protocol):
    """
    Keeps the state of a run between its tries: one small JSON object.

    :ivar run: the run, and which of its tries this is.
    """

    @property
    def run(self) -> RunIdentity: ...

    def load(self) -> dict[str, Any] | None:
        """Return what was saved last, if anything."""

    def save(self, state: dict[str, Any]) -> None:
        """Keep a small JSON object."""

    def finish(self, state: dict[str, Any]) -> None:
        """Replace the state with a "finished" marker, by which a try that runs nevertheless notices."""


@dataclass
class RunState:
    """
    What each try of a run hands on to the next; a run of another kind adds its position.

    :ivar requests: sent by all tries so far.
    :ivar seconds: that they took.
    :ivar timeline: points of the run over time, see ``runs.meter``.
    """

    requests: int = 0
    seconds: float = 0.0
    timeline: list[list[float]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON, small."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, stored: Any) -> Self:
        """
        Read what ``to_json`` wrote.

        :raises TypeError, ValueError, LookupError, AttributeError: another version of this package wrote it.
        """
        return cls(**stored)


S = TypeVar("S", bound=RunState)


class Checkpoint(Generic[S]):
    """
    Saves one try's state. An unavailable store does not stop the run: what it misses is saved later.

    :param store: where the state is kept; None: nowhere.
    :param key: identifies the input and the options; the state of another input is not used.
    :param empty: the state of a run that has not begun.
    :param measure: updates the requests and seconds of a state.
    :param only_record: if nothing else knows what was written and which try is the current one: the
        sentence about it. Then an unavailable store does stop the run.
    :ivar state: of this try.
    :ivar was_finished: whether an earlier try has finished the run, and nobody noticed.
    """

    def __init__(
        self,
        store: StateStore | None,
        fence: Fence,
        key: str,
        empty: S,
        measure: Callable[[S], None],
        *,
        only_record: str = "",
    ) -> None:
        self.state = empty
        self.was_finished = False
        self._store = store
        self._fence = fence
        self._key = key
        self._measure = measure
        self._only_record = only_record
        self._saved = False
        self._warned = False

    def start(self) -> None:
        """
        Read how far earlier tries got, and take over from them.

        :raises SupersededError: a later try is already running.
        """
        if self._store is None:
            return
        _, stored = self._reach("read", self._store.load)
        self._fence.take_over([_try_id(stored)])
        stored = stored if isinstance(stored, dict) else {}
        if (stored.get("key"), stored.get("generation")) == (self._key, self._store.run.generation):
            self.was_finished = "state" not in stored or bool(stored.get("was_finished"))
            # The state of another version of this package counts as none.
            with suppress(TypeError, ValueError, LookupError, AttributeError):
                self.state = self.state.from_json(stored.get("state"))
        self._put()

    def save(self) -> None:
        """
        Save the state.

        :raises SupersededError: another try has taken over.
        """
        self.measure()
        self.check()
        self._put()

    def measure(self) -> None:
        """Bring the state's requests and seconds up to date."""
        self._measure(self.state)

    def check(self) -> None:
        """
        Make sure that this try is the current one.

        :raises SupersededError: another try has taken over.
        """
        if self._store is None or not self._saved:
            return
        reached, stored = self._reach("read", self._store.load)
        if not reached:
            return
        # A lower id is an old try's late save, which the next save replaces.
        self._fence.check(_try_id(stored))
        # Nothing is stored: an old try has finished late, or this one is no longer in Airflow's database,
        # which shows when it saves.
        if stored is None and not self._put():
            raise SupersededError

    def finish(self) -> bool:
        """
        Replace the state with a marker: the run is over. Return whether the store has it.

        :raises SupersededError: another try has taken over.
        """
        self.check()
        store = self._store
        return store is None or self._reach("saved", lambda: store.finish(self._head(store)))[0]

    def _put(self) -> bool:
        """Save the state; return whether it was."""
        if (store := self._store) is None:
            return True
        state = {**self._head(store), "state": self.state.to_json(), "was_finished": self.was_finished}
        saved, _ = self._reach("saved", lambda: store.save(state))
        self._saved |= saved
        self._warned &= not saved
        return saved

    def _head(self, store: StateStore) -> dict[str, Any]:
        return {"key": self._key, "generation": store.run.generation, "try_id": list(self._fence.try_id)}

    def _reach(self, what: str, work: Callable[[], Any]) -> tuple[bool, Any]:
        """Use the store; return whether that worked, and its answer."""
        try:
            return True, work()
        except Exception as error:  # noqa: BLE001 - whatever an API server or a custom store raises
            failure = type(error).__name__
        if self._only_record:
            text = f"the task's state cannot be {what} ({failure}). {self._only_record}"
            raise Bitrix24Error(text, temporary=True)
        if not self._warned:
            log.warning(
                "The task's state cannot be %s now (%s). The run continues and tries again later",
                what,
                failure,
            )
        self._warned = True
        return False, None


def _try_id(stored: Any) -> TryId:
    try:
        number, start, token = stored["try_id"]
        return TryId(int(number), int(start), str(token))
    except (TypeError, ValueError, LookupError):
        return TryId()
