"""Which calls travel together in one batch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError
from airflow_provider_b24.rest.calls import MAX_BATCH, Call
from airflow_provider_b24.rest.encoding import Command, command_of
from airflow_provider_b24.rest.limits.operating import SERVER_SECONDS
from airflow_provider_b24.rest.references import Ref
from airflow_provider_b24.rest.replies import Outcome, Status

MAX_BYTES = 1_000_000  # of a request's body: nginx before a self-hosted portal rejects 1 MiB and more
COMMAND_OVERHEAD = 8  # bytes around a command: quotes, comma, key


class Load:
    """How much of one request is used, in commands, bytes and seconds of the portal's work."""

    def __init__(self, max_commands: int = MAX_BATCH, max_bytes: int = MAX_BYTES) -> None:
        self.commands = 0
        self.bytes = 0
        self._seconds = 0.0
        self._max_commands = max_commands
        self._max_bytes = max_bytes

    def add(self, command: str, seconds: float, max_commands: int = MAX_BATCH) -> bool:
        """
        Add a command if the request has room for it; return whether it has. The first one always fits.

        :param seconds: what the command is expected to take.
        :param max_commands: the most commands of a request that this one may be part of.
        """
        size = len(command) + COMMAND_OVERHEAD
        most = min(self._max_commands, max_commands)
        full = self.commands >= most or self.bytes + size > self._max_bytes
        if self.commands and (full or self._seconds + seconds > SERVER_SECONDS):
            return False
        self.commands += 1
        self.bytes += size
        self._seconds += seconds
        self._max_commands = most
        return True


class Item:
    """
    One call in a run's window: what is sent for it, how often it was, and its outcome.

    :ivar written: what is sent for it in a batch, if it can be sent so.
    """

    __slots__ = (
        "call",
        "failed_at",
        "failures",
        "max_commands",
        "maybe_executed",
        "outcome",
        "renewals",
        "tries",
        "verifying",
        "written",
    )

    def __init__(self, call: Call) -> None:
        self.call = call
        self.outcome: Outcome | None = None
        self.tries = 0  # that count for giving it up
        self.failures = 0
        self.failed_at: int | None = None  # requests of the run up to its first failure
        self.renewals = 0
        self.max_commands = MAX_BATCH  # of a batch that it may be part of
        self.maybe_executed = False
        self.verifying = False
        try:
            self.written = command_of(call)
        except Bitrix24InputError as error:
            self.written = Command("")
            self.outcome = Outcome(call, "failure", error=error)

    @property
    def command(self) -> str:
        """The text that is sent for it in a batch; empty if it goes alone."""
        return self.written.text or ""

    @property
    def alone(self) -> bool:
        """Whether it has a request of its own, because a batch cannot say the same."""
        return self.written.text is None

    @property
    def refs(self) -> tuple[Ref, ...]:
        """Its references to other calls."""
        return self.written.refs

    @property
    def sent(self) -> Call:
        """The call that is sent: the item's own, or the read that verifies whether it was applied."""
        return self.call.verification.read if self.verifying and self.call.verification else self.call

    def failed(self, requests: int) -> None:
        """Note a failure, after so many requests of the run."""
        self.failures += 1
        if self.failed_at is None:
            self.failed_at = requests

    def verify(self) -> None:
        """Send the read instead of the call from now on."""
        self.verifying = True
        self.written = command_of(self.sent)

    def not_applied(self) -> None:
        """Send the call again: the read showed that it was not applied."""
        self.verifying = self.maybe_executed = False
        self.written = command_of(self.call)

    def end(self, status: Status, error: Bitrix24Error, ended_run: bool = False) -> None:
        """Give the call up; it is ``unknown`` if an earlier try of it may have been executed."""
        status = "unknown" if self.maybe_executed else status
        self.outcome = Outcome(self.call, status, error=error, ended_run=ended_run)


class Window:
    """
    The part of the input that is not yet answered, so that memory does not grow with the number of calls.

    :param calls: the input; calls, or items that are written already.
    :param size: the most calls in it.
    :param in_order: whether no call is sent before one that stands before it in the input.
    :ivar ready: calls that may be sent.
    :ivar max_bytes: the largest body that the portal's web server is known to accept.
    """

    def __init__(self, calls: Iterable[Call | Item], size: int, in_order: bool = False) -> None:
        self.ready: deque[Item] = deque()
        self.max_bytes = MAX_BYTES
        self._calls = iter(calls)
        self.size = size
        self._in_order = in_order
        self._items: deque[Item] = deque()
        self._exhausted = False
        self._ended: Bitrix24Error | None = None

    @property
    def done(self) -> bool:
        """Whether every call of the input has been yielded."""
        return self._exhausted and not self._items

    def fill(self, enough: int) -> bool:
        """Take calls from the input until ``enough`` are ready; return whether there were any."""
        before = len(self._items)
        while not self._exhausted and len(self.ready) < enough and len(self._items) < self.size:
            try:
                call = next(self._calls)
            except StopIteration:
                self._exhausted = True
                break
            item = call if isinstance(call, Item) else _independent(call)
            self._items.append(item)
            if item.outcome is None:
                self._queue(item)
        return len(self._items) > before

    def next_items(self) -> Iterable[Item]:
        """Return the calls of which one may be the next to be sent."""
        return [self.ready[0]] if self._in_order else self.ready

    def finished(self) -> Iterator[Outcome]:
        """Yield the outcomes at the front, in input order."""
        while self._items and (outcome := self._items[0].outcome) is not None:
            self._items.popleft()
            yield outcome

    def load(self, room_of: Callable[[str, bool], int], seconds_of: Callable[[str], float]) -> list[Item]:
        """
        Take the next batch, or the next call that goes alone, out of what is ready, in input order.

        :param room_of: how many calls of a method may run now, in a batch or, if True, alone.
        :param seconds_of: how long a call of a method takes.
        """
        rooms: dict[tuple[str, bool], int] = {}
        seconds: dict[str, float] = {}
        batch: list[Item] = []
        left: list[Item] = []
        load = Load(max_bytes=self.max_bytes)
        while self.ready and len(batch) < MAX_BATCH:
            item = self.ready.popleft()
            method = item.sent.method
            kind = (method, item.alone)
            if kind not in rooms:
                rooms[kind], seconds[method] = room_of(method, item.alone), seconds_of(method)
            if rooms[kind] < 1:
                left.append(item)
                if self._in_order:
                    break
            elif item.alone:
                if not batch:
                    batch.append(item)
                    break
                left.append(item)  # the next request is its own
                if self._in_order:
                    break
            elif load.add(item.command, seconds[method], item.max_commands):
                batch.append(item)
                rooms[kind] -= 1
            else:
                left.append(item)
                break
        self.ready.extendleft(reversed(left))
        return batch

    def put_back(self, items: list[Item]) -> None:
        """Send these again, before all others."""
        self.ready.extendleft(reversed(items))
        if self._ended is not None:
            self.end(self._ended)

    def end(self, error: Bitrix24Error) -> None:
        """Send nothing more: what is not in flight is skipped."""
        self._ended = error
        while self.ready:
            self.ready.popleft().end("skipped", error, ended_run=True)

    def is_last(self, item: Item) -> bool:
        """Whether every other call of the input has its outcome, in a run that was not ended."""
        if self._ended is not None or not self._exhausted:
            return False
        return all(one is item or one.outcome is not None for one in self._items)

    def _queue(self, item: Item) -> None:
        if self._ended is None:
            self.ready.append(item)
        else:
            item.end("skipped", self._ended, ended_run=True)


def _independent(call: Call) -> Item:
    """Return a call that refers to no other; one that does has failed, as its position means nothing here."""
    item = Item(call)
    if item.refs and item.outcome is None:
        error = Bitrix24InputError(
            f"{item.refs[0]} refers to the result of another call, which only an ordered batch can do",
            method=call.method,
        )
        item.outcome = Outcome(call, "failure", error=error)
    return item
