"""The requests of a reader: a few threads send them, and the thread that reads decides what is next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24LimitError, Bitrix24TokenExpiredError
from airflow_provider_b24.rest.calls import MAX_BATCH, Call, Signed
from airflow_provider_b24.rest.clock import Clock
from airflow_provider_b24.rest.encoding import batch_command, json_params
from airflow_provider_b24.rest.limits.bucket import Bucket
from airflow_provider_b24.rest.limits.operating import Ledger
from airflow_provider_b24.rest.replies import Outcome, Reply, parse_batch
from airflow_provider_b24.rest.retry import MAX_REPLAYS, RetryBudget, long_wait, was_executed

MAX_BODY = 800_000  # bytes; nginx before a self-hosted portal rejects more than 1 MB
TOO_LARGE = 413


class Sender(Protocol):
    """What sends single requests: the client."""

    clock: Clock
    bucket: Bucket | None
    ledger: Ledger

    @property
    def max_parallel(self) -> int:
        """How many requests may be in flight at once."""

    def retry_budget(self) -> RetryBudget:
        """Return how long reading goes on without progress."""

    def sign(self, method: str, params: Mapping[str, Any]) -> Signed:
        """Return a request with its credentials."""

    def send(self, method: str, signed: Signed) -> Reply:
        """Send a request once and read the answer."""

    def renew(self, signed: Signed) -> bool:
        """Replace credentials that have expired."""

    def note_refusal(self, error: Bitrix24Error, method: str) -> None:
        """Remember a limit's refusal."""


class Answer(NamedTuple):
    """
    What came back for one request.

    :ivar outcomes: one for each command up to the first that failed; empty if the request was lost.
    """

    key: Any
    outcomes: Sequence[Outcome]


@dataclass(frozen=True, slots=True)
class _Flight:
    key: Any
    calls: Sequence[Call]
    signed: Signed
    sent_at: float

    @property
    def method(self) -> str:
        """What the portal was called for: the method itself, or a batch of several commands."""
        return self.calls[0].method if len(self.calls) == 1 else "batch"


class Flights:
    """
    Sends requests that only read, so that each of them may be repeated.

    The thread that uses it signs requests, renews tokens, and waits; the others only send.

    :param client: the client of the portal.
    :param method: the REST method of every command.
    :param takes_batches: whether several commands may be sent in one request.
    """

    def __init__(self, client: Sender, method: str, takes_batches: bool = True) -> None:
        self.seconds_per_command = 0.0
        self.parallel = client.max_parallel
        self._client = client
        self._method = method
        self._pool = ThreadPoolExecutor(self.parallel, thread_name_prefix="bitrix24")
        self._flights: dict[Future[Reply], _Flight] = {}
        self._budget = client.retry_budget()
        self._most = MAX_BATCH
        self._takes_batches = takes_batches
        self._lost_in_a_row = 0
        self._pause_until = 0.0

    def __len__(self) -> int:
        return len(self._flights)

    def close(self) -> None:
        """Drop what is still in flight."""
        for flight in self._flights.values():
            self._client.ledger.end(self._method, len(flight.calls))
        self._pool.shutdown(wait=False, cancel_futures=True)

    def room(self, call: Call) -> int:
        """
        Wait until the next request may leave, and return how many commands like this one it may hold.

        Bounds are the batch, the server's time for one request, the operating time left, and the body's size.
        0 means that answers must be received first.

        :raises Bitrix24OperatingLimitError: the portal dictates a longer wait than the client sleeps.
        """
        ledger, clock = self._client.ledger, self._client.clock
        while True:
            ready_at = max(ledger.ready_at("batch"), ledger.ready_at(self._method))
            most = self._most if self._takes_batches else 1
            room = 0 if ready_at > clock.now() else ledger.room(self._method, most)
            if room or self._flights:
                return min(room, max(1, MAX_BODY // _size(call)))
            if not self._budget.outlasts(ready_at):
                raise long_wait(self._method, ready_at)
            clock.sleep(max(ready_at - clock.now(), 0.05))

    def send(self, key: Any, calls: Sequence[Call]) -> None:
        """Send one call, or several as one batch, as soon as the request bucket allows."""
        method = self._method if len(calls) == 1 else "batch"
        params = json_params(calls[0]) if len(calls) == 1 else _batch(calls)
        self._wait_turn()
        signed = self._client.sign(method, params)
        self._client.ledger.start(self._method, len(calls))
        flight = _Flight(key, calls, signed, self._client.clock.now())
        self._flights[self._pool.submit(self._client.send, method, signed)] = flight

    def receive(self) -> Answer:
        """
        Wait for an answer.

        :raises Bitrix24Error: the portal rejected the request, or was down for longer than the retry budget.
        """
        done, _ = wait(self._flights, return_when=FIRST_COMPLETED)
        future = next(iter(done))
        flight = self._flights.pop(future)
        self._client.ledger.end(self._method, len(flight.calls))
        try:
            reply = future.result()
        except Bitrix24Error as error:
            self._lost(flight, error)
            return Answer(flight.key, ())
        outcomes = self._outcomes(flight, reply)
        good = next((index for index, one in enumerate(outcomes) if not one.ok), len(outcomes))
        if good:
            self._succeeded(flight, reply, outcomes[:good])
        if good < len(outcomes):
            self._failed(flight, outcomes[good], any_good=good > 0)
        return Answer(flight.key, outcomes[:good])

    def _outcomes(self, flight: _Flight, reply: Reply) -> Sequence[Outcome]:
        if len(flight.calls) == 1:
            call = flight.calls[0]
            return [
                Outcome(call, "success", reply.result, time=reply.time, total=reply.total, next=reply.next)
            ]
        if not isinstance(reply.result, Mapping) or "result" not in reply.result:
            self._takes_batches = False
            return ()
        return parse_batch(reply, flight.calls)

    def _succeeded(self, flight: _Flight, reply: Reply, outcomes: Sequence[Outcome]) -> None:
        elapsed = self._client.clock.now() - flight.sent_at
        seconds = min(reply.time.duration, elapsed) if reply.time.duration > 0 else elapsed
        self.seconds_per_command = seconds / len(flight.calls)
        count = len(outcomes)
        ledger = self._client.ledger
        if flight.method == "batch":
            ledger.record("batch", reply.time)
        ledger.record(self._method, outcomes[-1].time, calls=count, seconds=self.seconds_per_command * count)
        self._budget.progress()
        self._lost_in_a_row = 0
        self._most = min(MAX_BATCH, self._most * 2)

    def _failed(self, flight: _Flight, outcome: Outcome, any_good: bool) -> None:
        """A command of a batch failed; what was read before it counts."""
        error = outcome.error or Bitrix24Error("the command failed", method=self._method)
        temporary = error.temporary or outcome.status == "unknown"
        if isinstance(error, Bitrix24LimitError):
            self._client.note_refusal(error, self._method)
        if not temporary:
            raise error
        if not any_good:
            self._lost_in_a_row += 1
            self._shrink(flight)
            self._pause(error)

    def _lost(self, flight: _Flight, error: Bitrix24Error) -> None:
        """A whole request failed: raise, or prepare the next one."""
        self._lost_in_a_row += 1
        if isinstance(error, Bitrix24TokenExpiredError):
            if self._lost_in_a_row > MAX_REPLAYS or not self._client.renew(flight.signed):
                raise error
            return
        self._client.note_refusal(error, flight.method)
        if error.http_status == TOO_LARGE and len(flight.calls) > 1:
            self._shrink(flight)
            return
        if was_executed(error) and self._lost_in_a_row > 1:  # perhaps it takes the portal too long
            self._shrink(flight)
        self._pause(error)

    def _shrink(self, flight: _Flight) -> None:
        """Ask for less in the next requests."""
        self._most = max(1, len(flight.calls) // 2)

    def _pause(self, error: Bitrix24Error) -> None:
        pause = self._budget.pause(error)
        if pause is None:
            raise error
        self._pause_until = max(self._pause_until, self._client.clock.now() + pause)

    def _wait_turn(self) -> None:
        clock, bucket = self._client.clock, self._client.bucket
        clock.sleep(max(0.0, self._pause_until - clock.now()))
        while bucket is not None:
            start, refusals = bucket.reserve()
            clock.sleep(max(0.0, start - clock.now()))
            if bucket.is_current(refusals):
                return


def _batch(calls: Sequence[Call]) -> dict[str, Any]:
    return {"halt": 0, "cmd": [batch_command(call) for call in calls]}


def _size(call: Call) -> int:
    """Bytes that a call takes as a command of a batch."""
    return len(batch_command(call)) + len('"",')
