"""The requests of a reader: a few threads send them, and the thread that reads decides what is next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any, NamedTuple

from airflow_provider_b24.errors import (
    Bitrix24Error,
    Bitrix24LimitError,
    Bitrix24RequestTooLargeError,
    Bitrix24TokenExpiredError,
    Bitrix24TransportError,
)
from airflow_provider_b24.rest.batching import COMMAND_OVERHEAD, MAX_BYTES
from airflow_provider_b24.rest.calls import MAX_BATCH, Call, Signed
from airflow_provider_b24.rest.encoding import batch_command, command_of, json_params
from airflow_provider_b24.rest.exchange import MAX_RENEWALS, BatchReply, Exchange, scrubbed_outcome
from airflow_provider_b24.rest.forks import OwnThreads
from airflow_provider_b24.rest.limits.bucket import Turn
from airflow_provider_b24.rest.replies import Outcome, parse_batch
from airflow_provider_b24.rest.retry import RetryBudget, decide, long_wait, may_be_executed

WRITTEN = 4 * MAX_BATCH  # commands whose text is kept


class Reads(NamedTuple):
    """
    What the requests of one reader are sent with.

    :ivar budget: how long reading goes on without progress.
    :ivar parallel: the most requests in flight.
    :ivar exact: whether numbers with a fraction are ``Decimal``, with every digit.
    """

    exchange: Exchange
    budget: RetryBudget
    parallel: int
    exact: bool = False


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

    :param reads: what the requests are sent with.
    :param method: the REST method of every command.
    :param takes_batches: whether several commands may be sent in one request.
    """

    def __init__(self, reads: Reads, method: str, takes_batches: bool = True) -> None:
        self.seconds_per_command = 0.0
        self._reads = reads
        self._method = method
        self._threads = OwnThreads(reads.parallel)
        self._flights: dict[Future[BatchReply], _Flight] = {}
        self._written: dict[int, tuple[Call, str]] = {}
        self._most = MAX_BATCH if takes_batches else 1
        self._limit = self._most
        self._lost_in_a_row = 0
        self._pause_until = 0.0

    def __len__(self) -> int:
        return len(self._flights)

    @property
    def parallel(self) -> int:
        """The most requests in flight."""
        return self._reads.parallel

    def check_process(self) -> None:
        """
        Check that this is the process in which the list was begun.

        :raises Bitrix24InputError: it is another one.
        """
        self._threads.check_process()

    def send_alone(self) -> None:
        """Send every further call in a request of its own."""
        self._most = self._limit = 1

    def close(self) -> None:
        """Drop what is still in flight."""
        for flight in self._flights.values():
            self._reads.exchange.ledger.end(self._method, len(flight.calls))
        self._threads.shutdown(wait=False, cancel_futures=True)

    def room(self, call: Call) -> int:
        """
        Wait until the next request may leave, and return how many commands like this one it may hold.

        Bounds are the batch, the server's time for one request, the operating time left, and the body's size.
        0 means that answers must be received first.

        :raises Bitrix24OperatingLimitError: the portal dictates a longer wait than the client sleeps.
        """
        ledger, clock = self._reads.exchange.ledger, self._reads.exchange.clock
        while True:
            ready_at = max(ledger.ready_at("batch"), ledger.ready_at(self._method))
            room = 0 if ready_at > clock.now() else ledger.room(self._method, self._most)
            if room or self._flights:
                # A call that goes alone need not be one that a batch can carry.
                return min(room, max(1, MAX_BYTES // _size(call))) if room > 1 else room
            if not self._reads.budget.outlasts(ready_at):
                raise long_wait(self._method, ready_at)
            self._reads.exchange.hold(max(ready_at - clock.now(), 0.05))

    def send(self, key: Any, calls: Sequence[Call]) -> None:
        """Send one call, or several as one batch, as soon as the request bucket allows."""
        method = self._method if len(calls) == 1 else "batch"
        params = json_params(calls[0]) if len(calls) == 1 else self._batch(calls)
        self._wait_turn()
        signed = self._reads.exchange.sign(method, params)
        self._reads.exchange.ledger.start(self._method, len(calls))
        flight = _Flight(key, calls, signed, self._reads.exchange.clock.now())
        sent = self._threads.submit(_carry, self._reads.exchange, signed, calls, self._reads.exact)
        self._flights[sent] = flight

    def receive(self) -> Answer:
        """
        Wait for an answer.

        :raises Bitrix24Error: the portal rejected the request, or was down for longer than the retry budget.
        """
        self._threads.check_process()
        done, _ = wait(self._flights, return_when=FIRST_COMPLETED)
        future = next(iter(done))
        flight = self._flights.pop(future)
        self._reads.exchange.ledger.end(self._method, len(flight.calls))
        try:
            reply = future.result()
        except Bitrix24Error as error:
            self._lost(flight, error)
            return Answer(flight.key, ())
        outcomes = reply.outcomes
        if not outcomes:  # this portal, or what stands before it, takes no batches
            self._most = self._limit = 1
        good = next((index for index, one in enumerate(outcomes) if not one.ok), len(outcomes))
        if good:
            self._succeeded(flight, reply, outcomes[:good])
        if good < len(outcomes):
            self._failed(flight, outcomes[good], any_good=good > 0)
        return Answer(flight.key, outcomes[:good])

    def _batch(self, calls: Sequence[Call]) -> dict[str, Any]:
        return {"halt": 0, "cmd": [self._command(call) for call in calls]}

    def _command(self, call: Call) -> str:
        """Return a call as a command of a batch; a call that comes again is written only once."""
        known = self._written.get(id(call))
        if known is None:
            if len(self._written) == WRITTEN:
                self._written.clear()
            known = (call, batch_command(call))
            self._written[id(call)] = known  # with the call, so that its id is no other's
        return known[1]

    def _succeeded(self, flight: _Flight, reply: BatchReply, outcomes: Sequence[Outcome]) -> None:
        elapsed = self._reads.exchange.clock.now() - flight.sent_at
        seconds = min(reply.time.duration, elapsed) if reply.time.duration > 0 else elapsed
        self.seconds_per_command = seconds / len(flight.calls)
        count = len(outcomes)
        ledger = self._reads.exchange.ledger
        if flight.method == "batch":
            ledger.record("batch", reply.time)
        ledger.record(self._method, outcomes[-1].time, calls=count, seconds=self.seconds_per_command * count)
        self._reads.budget.progress()
        self._lost_in_a_row = 0
        self._most = min(self._limit, self._most * 2)

    def _failed(self, flight: _Flight, outcome: Outcome, any_good: bool) -> None:
        """A command of a batch failed; what was read before it counts."""
        error = outcome.error or Bitrix24Error("the command failed", method=self._method)
        if outcome.status == "unknown":  # it is missing from the answer; as it only reads, that is no harm
            error = Bitrix24TransportError(error.description, method=self._method)
        if isinstance(error, Bitrix24LimitError):
            error = self._reads.exchange.note_refusal(error, self._method)
        if decide(error, repeatable=True, verifiable=False) != "repeat":
            raise error
        if not any_good:
            self._lost_in_a_row += 1
            self._shrink(flight)
            self._pause(error)

    def _lost(self, flight: _Flight, error: Bitrix24Error) -> None:
        """A whole request failed: raise, or prepare the next one."""
        self._lost_in_a_row += 1
        if isinstance(error, Bitrix24TokenExpiredError):
            if self._lost_in_a_row > MAX_RENEWALS or not self._reads.exchange.renew(flight.signed):
                raise error
            return
        error = self._reads.exchange.note_refusal(error, flight.method)
        if isinstance(error, Bitrix24RequestTooLargeError) and len(flight.calls) > 1:
            self._shrink(flight)
            return
        if decide(error, repeatable=True, verifiable=False) != "repeat":
            raise error
        if may_be_executed(error, repeatable=False) and self._lost_in_a_row > 1:
            self._shrink(flight)  # perhaps it takes the portal too long
        self._pause(error)

    def _shrink(self, flight: _Flight) -> None:
        """Ask for less in the next requests."""
        self._most = max(1, len(flight.calls) // 2)

    def _pause(self, error: Bitrix24Error) -> None:
        pause = self._reads.budget.pause(error)
        if pause is None:
            raise error
        self._pause_until = max(self._pause_until, self._reads.exchange.clock.now() + pause)

    def _wait_turn(self) -> None:
        exchange = self._reads.exchange
        exchange.hold(max(0.0, self._pause_until - exchange.clock.now()))
        turn = Turn(exchange.bucket, exchange.clock)
        while (left := turn.wait()) > 0:
            exchange.hold(left)


def _carry(exchange: Exchange, signed: Signed, calls: Sequence[Call], exact: bool) -> BatchReply:
    """Send a request and read the answer; no outcomes if it is not one to a batch."""
    reply = exchange.send(signed, exact)
    if len(calls) == 1:
        one = Outcome(calls[0], "success", reply.result, time=reply.time, total=reply.total, next=reply.next)
        return BatchReply([one], reply.time)
    if not isinstance(reply.result, Mapping) or "result" not in reply.result:
        return BatchReply([], reply.time)
    outcomes = parse_batch(reply, calls)
    return BatchReply([scrubbed_outcome(one, signed.secrets) for one in outcomes], reply.time)


def _size(call: Call) -> int:
    """Bytes that a call takes as a command of a batch, as far as it can be one."""
    return len(command_of(call).text or "") + COMMAND_OVERHEAD
