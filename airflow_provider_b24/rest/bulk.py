"""
Any number of calls in full batches, a few in flight, outcomes in input order.

One thread decides (this generator's), the others only carry single HTTP requests. What is not yet answered
lies in a window over the input, so memory does not grow with the number of calls.
"""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from airflow_provider_b24.errors import (
    Bitrix24Error,
    Bitrix24LimitError,
    Bitrix24OperatingLimitError,
    Bitrix24TokenExpiredError,
    Bitrix24UnknownOutcomeError,
)
from airflow_provider_b24.rest.bulk_item import Slot, load
from airflow_provider_b24.rest.calls import MAX_BATCH, Call, Signed
from airflow_provider_b24.rest.replies import Outcome, Reply, parse_batch
from airflow_provider_b24.rest.retry import FIRST_PAUSE, MAX_REPLAYS, fate, long_wait, was_executed

if TYPE_CHECKING:
    from airflow_provider_b24.rest.client import Client

WINDOW_BATCHES = 4  # batches in the window for each request in flight
MAX_TRIES = 12  # lost or failed tries of one call, after which its error is its outcome
ANSWERED_TRIES = 4  # of a call that the portal itself says it failed at, while it answers others
FIRST_ANSWER = 0.05  # seconds the first request goes alone: a full bucket refuses it sooner than that


class Run:
    """One run of ``Client.bulk``; iterate it once."""

    def __init__(self, client: Client, calls: Iterable[Call]) -> None:
        self._client = client
        self._clock = client.clock
        self._ledger = client.ledger
        self._parallel = client.transport.config.max_parallel
        self._source = iter(calls)
        self._retry_budget = client.retry_budget()
        self._window: deque[Slot] = deque()
        self._ready: deque[Slot] = deque()
        self._flights: dict[Future[Reply], tuple[list[Slot], Signed]] = {}
        self._turn: tuple[float, int] | None = None
        self._pause_until = 0.0
        self._opened_at: float | None = None
        self._answered = False
        self._exhausted = False
        self._ended: Bitrix24Error | None = None

    def __iter__(self) -> Iterator[Outcome]:
        pool = ThreadPoolExecutor(self._parallel, thread_name_prefix="bitrix24")
        try:
            while True:
                self._fill()
                pause = self._launch(pool)
                yield from self._finished()
                if not self._window and self._exhausted:
                    return
                self._await(pause)
                yield from self._finished()
        finally:
            pool.shutdown(wait=not self._flights, cancel_futures=True)

    def _fill(self) -> None:
        size = WINDOW_BATCHES * self._parallel * MAX_BATCH
        room = size - len(self._window)
        if self._exhausted or len(self._ready) >= MAX_BATCH * self._parallel or room <= 0:
            return
        taken = 0
        for call in itertools.islice(self._source, room):
            taken += 1
            slot = Slot(call)
            self._window.append(slot)
            if slot.outcome is None:
                self._queue(slot)
        self._exhausted = taken < room

    def _queue(self, slot: Slot) -> None:
        if self._ended is None:
            self._ready.append(slot)
        else:
            slot.outcome = Outcome(slot.call, "skipped", error=self._ended, ended_run=True)

    def _finished(self) -> Iterator[Outcome]:
        while self._window and (outcome := self._window[0].outcome) is not None:
            self._window.popleft()
            yield outcome

    # Sending

    def _launch(self, pool: ThreadPoolExecutor) -> float | None:
        """Send what may leave now; return seconds until more may, or None to wait for an answer."""
        while self._ready and len(self._flights) < self._parallel:
            wait = max(self._pause_until, self._slow_start()) - self._clock.now()
            if wait <= 0:
                wait = self._take_turn()
            if wait > 0:
                return wait
            batch_items = load(self._ready, self._room)
            if not batch_items:
                return self._wait_for_operating()
            self._turn = None
            self._depart(pool, batch_items)
        return None

    def _slow_start(self) -> float:
        """Until the first answer only one request is under way, for a moment: it may meet a full bucket."""
        if self._answered or self._opened_at is None:
            return 0.0
        return self._opened_at + FIRST_ANSWER

    def _take_turn(self) -> float:
        """Seconds until the bucket lets the next request leave."""
        bucket = self._client.bucket
        if bucket is None:
            return 0.0
        if self._turn is None or not bucket.is_current(self._turn[1]):
            self._turn = bucket.reserve()
        wait = self._turn[0] - self._clock.now()
        if wait > bucket.longest_wait:  # the clock was put back
            self._turn = bucket.reserve()
            wait = self._turn[0] - self._clock.now()
        return wait

    def _wait_for_operating(self) -> float | None:
        """No method that waits may run now: return seconds until one may, or end the run."""
        if self._flights:
            return None
        methods = {slot.sent.method for slot in self._ready}
        until = min(self._ready_at(method) for method in methods)
        if self._retry_budget.outlasts(until):
            return max(until - self._clock.now(), FIRST_ANSWER)
        self._end(long_wait(self._ready[0].sent.method, until))
        return None

    def _ready_at(self, method: str) -> float:
        return max(self._ledger.ready_at("batch"), self._ledger.ready_at(method))

    def _room(self, method: str) -> int:
        """How many calls of a method its operating time has room for now."""
        return 0 if self._ready_at(method) > self._clock.now() else self._ledger.room(method, MAX_BATCH)

    def _depart(self, pool: ThreadPoolExecutor, batch_items: list[Slot]) -> None:
        for method, calls in Counter(slot.sent.method for slot in batch_items).items():
            self._ledger.start(method, calls)
        if self._opened_at is None:
            self._opened_at = self._clock.now()
        params = {"halt": 0, "cmd": [slot.command for slot in batch_items]}
        try:
            signed = self._client.sign("batch", params)
        except Bitrix24Error as error:
            self._release(batch_items)
            self._lost(batch_items, error)
            return
        self._flights[pool.submit(self._client.send, "batch", signed)] = batch_items, signed

    # Receiving

    def _await(self, pause: float | None) -> None:
        if self._flights:
            done, _ = wait(self._flights, timeout=pause, return_when=FIRST_COMPLETED)
            for future in done:
                self._land(future, *self._flights.pop(future))
        elif pause is not None and pause > 0:
            self._clock.sleep(pause)

    def _land(self, future: Future[Reply], batch_items: list[Slot], signed: Signed) -> None:
        self._answered = True
        try:
            reply = future.result()
            outcomes = parse_batch(reply, [slot.sent for slot in batch_items])
        except Bitrix24Error as error:
            self._release(batch_items)
            self._refused(batch_items, signed, error)
            return
        self._measure(reply, outcomes)
        self._release(batch_items)
        self._forget_renewals(batch_items)
        if any(outcome.ok for outcome in outcomes):
            self._retry_budget.progress()
        again = [
            (slot, outcome)
            for slot, outcome in zip(batch_items, outcomes, strict=True)
            if not self._resolve(slot, outcome)
        ]
        failed = [
            one.error
            for _, one in again
            if one.error is not None and not isinstance(one.error, Bitrix24OperatingLimitError)
        ]
        if failed:
            self._pause(self._retry_budget.pause(failed[0]) or FIRST_PAUSE)
        self._send_again([slot for slot, _ in again])

    def _release(self, batch_items: list[Slot]) -> None:
        for method, calls in Counter(slot.sent.method for slot in batch_items).items():
            self._ledger.end(method, calls)

    def _measure(self, reply: Reply, outcomes: list[Outcome]) -> None:
        self._ledger.record("batch", reply.time)
        measured: dict[str, list[Outcome]] = {}
        for outcome in outcomes:
            if outcome.ok:
                measured.setdefault(outcome.call.method, []).append(outcome)
        for method, group in measured.items():
            # Of the whole request: recent portals round each command's own duration up to a whole second.
            seconds = reply.time.duration * len(group) / len(outcomes)
            self._ledger.record(method, group[-1].time, calls=len(group), seconds=seconds)

    def _resolve(self, slot: Slot, outcome: Outcome) -> bool:
        """Give a slot its outcome; False if its call goes out again."""
        error = outcome.error
        if isinstance(error, Bitrix24LimitError):
            self._client.note_refusal(error, slot.sent.method)
        if isinstance(error, Bitrix24OperatingLimitError):  # its method waits, and no other
            return False
        if error is not None and (error.temporary or outcome.status == "unknown"):
            return not self._may_go_again(slot, error, executed=outcome.status == "unknown")
        if slot.settling:
            return self._settled(slot, outcome)
        slot.outcome = outcome
        return True

    def _settled(self, slot: Slot, outcome: Outcome) -> bool:
        verification = slot.call.verification
        if not outcome.ok or verification is None:
            slot.outcome = Outcome(slot.call, "unknown", error=outcome.error)
            return True
        try:
            applied = verification.shows(outcome.result)
        except Bitrix24Error as error:
            slot.outcome = Outcome(slot.call, "unknown", error=error)
            return True
        if applied:
            slot.outcome = Outcome(slot.call, "success", result=True)
            return True
        slot.settle(False)
        return False

    def _may_go_again(self, slot: Slot, error: Bitrix24Error, executed: bool) -> bool:
        """Whether a call goes out again after a lost answer or a server's failure; else set its outcome."""
        slot.tries += 1
        refused = isinstance(error, Bitrix24LimitError)
        if slot.tries < (MAX_TRIES if executed or refused else ANSWERED_TRIES):
            if slot.sent.repeatable or refused:
                return True
            if slot.call.verification is not None:
                slot.settle(True)
                return True
        if executed and not slot.sent.repeatable:
            error = Bitrix24UnknownOutcomeError(
                error.description, http_status=error.http_status, method=slot.call.method
            )
        slot.outcome = Outcome(slot.call, "unknown" if executed else "failure", error=error)
        return False

    def _refused(self, batch_items: list[Slot], signed: Signed, error: Bitrix24Error) -> None:
        """
        A whole request failed: renew credentials that have expired, or see what else may be done.

        This thread waits for it: Airflow 3.0's way to the token store is for one thread at a time.
        """
        if not isinstance(error, Bitrix24TokenExpiredError):
            self._forget_renewals(batch_items)
        elif max(slot.renewals for slot in batch_items) < MAX_REPLAYS:
            try:
                renewed = self._client.renew(signed)
            except Bitrix24Error as failure:
                self._lost(batch_items, failure)
                return
            if renewed:
                for slot in batch_items:
                    slot.renewals += 1
                self._send_again(batch_items)
                return
        self._lost(batch_items, error)

    def _forget_renewals(self, batch_items: list[Slot]) -> None:
        """The token was good: a later expiry is another one."""
        for slot in batch_items:
            slot.renewals = 0

    def _lost(self, batch_items: list[Slot], error: Bitrix24Error) -> None:
        """A whole request failed: repeat what may be repeated, or end the run."""
        self._client.note_refusal(error, "batch")
        if isinstance(error, Bitrix24OperatingLimitError):
            self._send_again(batch_items)
            return
        pause = self._retry_budget.pause(error)
        if pause is None:
            for slot in batch_items:
                slot.outcome = Outcome(slot.call, fate(error), error=error, ended_run=True)
            self._end(error)
            return
        self._pause(pause)
        executed = was_executed(error)
        self._send_again(
            [s for s in batch_items if not executed or self._may_go_again(s, error, executed=True)]
        )

    def _pause(self, seconds: float) -> None:
        self._pause_until = max(self._pause_until, self._clock.now() + seconds)

    def _send_again(self, slots: list[Slot]) -> None:
        self._ready.extendleft(reversed(slots))
        if self._ended is not None:
            self._end(self._ended)

    def _end(self, error: Bitrix24Error) -> None:
        """Give up: what is on its way may still arrive, everything else is skipped."""
        self._ended = error
        while self._ready:
            slot = self._ready.popleft()
            slot.outcome = Outcome(slot.call, "skipped", error=error, ended_run=True)
