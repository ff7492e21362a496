"""
Any number of calls in full batches, a few in flight, outcomes in input order.

One thread decides, the one that iterates; the others only send single requests. Airflow 3.0's channel to the
token store is for one thread at a time, so this thread also renews tokens.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import NamedTuple

from airflow_provider_b24.errors import (
    Bitrix24Error,
    Bitrix24LimitError,
    Bitrix24OperatingLimitError,
    Bitrix24RequestTooLargeError,
    Bitrix24TimeoutError,
    Bitrix24TokenExpiredError,
)
from airflow_provider_b24.rest.batching import Item, Window
from airflow_provider_b24.rest.calls import MAX_BATCH, Call, Signed
from airflow_provider_b24.rest.encoding import json_params
from airflow_provider_b24.rest.exchange import MAX_RENEWALS, BatchReply, Exchange
from airflow_provider_b24.rest.forks import OwnThreads
from airflow_provider_b24.rest.limits.throttle import FIRST_ANSWER, Throttle
from airflow_provider_b24.rest.replies import Outcome
from airflow_provider_b24.rest.retry import (
    ANSWERED_TRIES,
    MAX_TRIES,
    RetryBudget,
    decide,
    given_up,
    long_wait,
    may_be_executed,
    unknown_outcome,
)

WINDOW_BATCHES = 4  # batches in the window for each request in flight


class Bulk:
    """
    One run over any number of calls; iterate it once.

    :param budget: how long the run goes on without progress.
    :param parallel: the most requests in flight.
    :param in_order: whether no call is sent before one that stands before it; with one request in flight, the
        calls then run one after another.
    """

    def __init__(
        self,
        exchange: Exchange,
        calls: Iterable[Call | Item],
        budget: RetryBudget,
        parallel: int,
        in_order: bool = False,
    ) -> None:
        self._exchange = exchange
        self._budget = budget
        self._parallel = parallel
        self._window = Window(calls, WINDOW_BATCHES * parallel * MAX_BATCH, in_order)
        self._throttle = Throttle(exchange.bucket, exchange.clock)
        self._in_flight: dict[Future[BatchReply], _Request] = {}
        self._submitted = 0  # requests
        self._succeeded = 0  # number of the newest request that the portal answered with a success
        self._threads = OwnThreads(parallel)

    def __iter__(self) -> Iterator[Outcome]:
        self._threads.check_process()
        try:
            while True:
                until = self._submit_ready()
                self._window.fill(MAX_BATCH * self._parallel)  # while requests are in flight
                yield from self._hand_over()
                if self._window.done:
                    return
                self._receive_next(until)
                yield from self._hand_over()
        finally:
            self._threads.shutdown(wait=not self._in_flight, cancel_futures=True)

    def _hand_over(self) -> Iterator[Outcome]:
        yield from self._window.finished()
        self._threads.check_process()

    # Sending

    def _submit_ready(self) -> float | None:
        """Send what may leave now; return the time at which more may, or None to wait for an answer."""
        while len(self._in_flight) < self._parallel:
            self._window.fill(MAX_BATCH)
            if not self._window.ready:
                break
            wait = self._throttle.wait()
            if wait > 0:
                return self._exchange.clock.now() + wait
            batch = self._window.load(self._room, self._exchange.ledger.seconds_per_call)
            if batch:
                self._submit(batch)
            elif not self._window.fill(self._window.size):  # calls of another method may run now
                return self._wait_for_operating()
        return None

    def _wait_for_operating(self) -> float | None:
        """No method that waits may run now: return the time at which one may, or end the run."""
        if self._in_flight:
            return None
        kinds = {(item.sent.method, item.alone) for item in self._window.next_items()}
        until = min(self._ready_at(method, alone) for method, alone in kinds)
        if self._budget.outlasts(until):
            return max(until, self._exchange.clock.now() + FIRST_ANSWER)
        self._window.end(long_wait(self._window.ready[0].sent.method, until))
        return None

    def _ready_at(self, method: str, alone: bool) -> float:
        ledger = self._exchange.ledger
        return ledger.ready_at(method) if alone else max(ledger.ready_at("batch"), ledger.ready_at(method))

    def _room(self, method: str, alone: bool) -> int:
        """How many calls of a method may run now, in a batch or alone."""
        if self._ready_at(method, alone) > self._exchange.clock.now():
            return 0
        return self._exchange.ledger.room(method, MAX_BATCH)

    def _submit(self, batch: list[Item]) -> None:
        for method, count in _methods(batch).items():
            self._exchange.ledger.start(method, count)
        self._throttle.sent()
        calls = [item.sent for item in batch]
        try:
            if batch[0].alone:
                signed = self._exchange.sign(calls[0].method, json_params(calls[0]))
            else:
                signed = self._exchange.sign("batch", {"halt": 0, "cmd": [item.command for item in batch]})
        except Bitrix24Error as error:
            self._release(batch)
            self._failed(batch, error)
            return
        self._submitted += 1
        request = _Request(self._submitted, batch, signed)
        send = self._exchange.send_alone if batch[0].alone else self._exchange.send_batch
        self._in_flight[self._threads.submit(send, signed, calls)] = request

    def _release(self, batch: list[Item]) -> None:
        for method, count in _methods(batch).items():
            self._exchange.ledger.end(method, count)

    # Receiving

    def _receive_next(self, until: float | None) -> None:
        before = self._exchange.clock.now()
        pause = None if until is None else max(until - before, 0.0)
        if self._in_flight:
            done, _ = wait(self._in_flight, timeout=pause, return_when=FIRST_COMPLETED)
            if pause is not None:
                self._exchange.waited += self._exchange.clock.now() - before
            for future in done:
                self._receive(future, self._in_flight.pop(future))
        elif pause:
            self._exchange.hold(pause)

    def _receive(self, future: Future[BatchReply], request: _Request) -> None:
        self._throttle.answered = True
        batch = request.batch
        try:
            reply = future.result()
        except Bitrix24Error as error:
            self._release(batch)
            self._rejected(batch, request.signed, error)
            return
        if batch[0].alone:
            self._exchange.record_alone(reply)
        else:
            self._exchange.record_batch(reply)
        self._release(batch)
        for item, outcome in zip(batch, reply.outcomes, strict=True):
            item.renewals = 0
            if not outcome.ok:
                item.failed(request.number - 1)  # a success in the same request counts
                item.tries += not isinstance(outcome.error, Bitrix24OperatingLimitError)
        if any(outcome.ok for outcome in reply.outcomes):
            self._budget.progress()
            self._succeeded = max(self._succeeded, request.number)
        again: list[Item] = []
        pauses: list[Bitrix24Error] = []
        for item, outcome in zip(batch, reply.outcomes, strict=True):
            if not self._resolve(item, outcome):
                again.append(item)
                if outcome.error and not isinstance(outcome.error, Bitrix24OperatingLimitError):
                    pauses.append(outcome.error)
        if pauses:
            self._throttle.pause(self._budget.pause(pauses[0]) or self._budget.first_pause)
        self._window.put_back(again)

    def _resolve(self, item: Item, outcome: Outcome) -> bool:
        """Set an item's outcome from the answer to its command; False if it is sent again."""
        error = outcome.error
        if isinstance(error, Bitrix24LimitError):
            self._exchange.note_refusal(error, item.sent.method)
        if error is not None and (error.temporary or outcome.status == "unknown"):
            answered = outcome.status == "failure" and not isinstance(error, Bitrix24LimitError)
            few = answered and self._others_succeed(item)
            return not self._is_sent_again(item, error, ANSWERED_TRIES if few else MAX_TRIES)
        if item.verifying:
            return self._verified(item, outcome)
        item.outcome = outcome
        return True

    def _verified(self, item: Item, outcome: Outcome) -> bool:
        verification = item.call.verification
        if not outcome.ok or verification is None:
            item.outcome = Outcome(item.call, "unknown", error=outcome.error)
            return True
        try:
            applied = verification.shows(outcome.result)
        except Bitrix24Error as error:
            item.outcome = Outcome(item.call, "unknown", error=error)
            return True
        if applied:
            item.outcome = Outcome(item.call, "success", result=applied)
            return True
        item.not_applied()
        return False

    def _others_succeed(self, item: Item) -> bool:
        """
        Whether other calls succeed where this one fails, so that the run may go on without it.

        What was in flight at its first failure proves nothing: the portal may be down since.
        """
        return item.failed_at is not None and self._succeeded > item.failed_at

    def _is_last(self, batch: list[Item]) -> bool:
        """Whether one call is all that is left of a run that went well: then it failed, and not the run."""
        return self._succeeded > 0 and len(batch) == 1 and self._window.is_last(batch[0])

    def _is_sent_again(self, item: Item, error: Bitrix24Error, max_tries: float) -> bool:
        """Whether an item is sent again after a failure that may pass; otherwise set its outcome."""
        item.maybe_executed |= may_be_executed(error, item.sent.may_repeat)
        decision = decide(
            error,
            repeatable=item.sent.may_repeat,
            verifiable=item.call.verification is not None,
            tries=item.tries,
            max_tries=max_tries,
        )
        if decision == "repeat":
            return True
        if decision == "verify":
            item.verify()
            return True
        if item.maybe_executed and not item.call.may_repeat:
            error = unknown_outcome(error, item.call.method)
        item.end(decision, error)
        return False

    # Whole requests that failed

    def _rejected(self, batch: list[Item], signed: Signed, error: Bitrix24Error) -> None:
        """A whole request failed: renew credentials that have expired, or see what else may be done."""
        if isinstance(error, Bitrix24TokenExpiredError) and batch[0].renewals < MAX_RENEWALS:
            try:
                renewed = self._exchange.renew(signed)
            except Bitrix24Error as failure:
                self._failed(batch, failure)
                return
            if renewed:
                for item in batch:
                    item.renewals += 1
                self._window.put_back(batch)
                return
        for item in batch:
            item.renewals = 0  # of tokens that expired in a row
        self._failed(batch, error)

    def _failed(self, batch: list[Item], error: Bitrix24Error) -> None:
        """A whole request failed: repeat what may be repeated, or end the run."""
        error = self._exchange.note_refusal(error, batch[0].sent.method if batch[0].alone else "batch")
        if isinstance(error, Bitrix24OperatingLimitError):
            self._window.put_back(batch)
            return
        if isinstance(error, Bitrix24RequestTooLargeError):
            self._too_large(batch, error)
            return
        alone = len(batch) == 1 and isinstance(error, Bitrix24TimeoutError)
        for item in batch:
            item.tries += item.failed_at is None or self._others_succeed(item)  # an outage is one failure
            item.failed(self._submitted)
        if isinstance(error, Bitrix24TimeoutError):
            self._timed_out(batch)
        else:
            self._halve(batch)
        pause = self._budget.pause(error)
        if pause is None:
            ended_run = not self._is_last(batch)
            for item in batch:
                item.end(given_up(error, item.sent.may_repeat), error, ended_run)
            if ended_run:
                self._window.end(error)
            return
        self._throttle.pause(pause)
        again = [item for item in batch if self._is_sent_again(item, error, self._most_tries(item, alone))]
        self._window.put_back(again)

    def _most_tries(self, item: Item, alone: bool) -> float:
        """After how many tries an item is given up: while nothing else succeeds, only with the whole run."""
        if not self._others_succeed(item):
            return math.inf
        return ANSWERED_TRIES if alone else MAX_TRIES

    def _too_large(self, batch: list[Item], error: Bitrix24Error) -> None:
        """The web server rejected the body: send half of it, or fail the only call in it."""
        if len(batch) == 1:
            batch[0].end("failure", error)
            return
        size = sum(len(item.command) for item in batch)
        self._window.max_bytes = min(self._window.max_bytes, size // 2)
        self._window.put_back(batch)

    @staticmethod
    def _halve(batch: list[Item]) -> None:
        """Send what failed before with fewer others, until the call that breaks its batch is alone."""
        for item in batch:
            if item.failures > 1:
                item.max_commands = max(1, min(item.max_commands, len(batch)) // 2)

    def _timed_out(self, batch: list[Item]) -> None:
        """The portal did not finish in time: send half as much."""
        self._budget.timed_out(len(batch))
        self._exchange.ledger.timed_out(_methods(batch))
        for item in batch:
            item.max_commands = max(1, len(batch) // 2)
            item.tries -= len(batch) > 1  # perhaps it is not this call that takes so long


class _Request(NamedTuple):
    """One request in flight; they are numbered as they leave."""

    number: int
    batch: list[Item]
    signed: Signed


def _methods(batch: list[Item]) -> Counter[str]:
    return Counter(item.sent.method for item in batch)
