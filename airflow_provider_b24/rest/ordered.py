"""
A batch whose calls depend on one another: with ``halt``, or with references to earlier results.

The portal is always told to stop at the first failure. What it executed is never sent again: the next request
starts with the first call that was not executed, and references to earlier results become values. A call that
a batch cannot carry has a request of its own, in its place in the order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from airflow_provider_b24.errors import (
    Bitrix24Error,
    Bitrix24InputError,
    Bitrix24LimitError,
    Bitrix24RequestTooLargeError,
    Bitrix24TimeoutError,
)
from airflow_provider_b24.rest.batching import Item, Load
from airflow_provider_b24.rest.calls import MAX_BATCH, Call, Signed
from airflow_provider_b24.rest.encoding import Command, command_of, json_params
from airflow_provider_b24.rest.exchange import BatchReply, Exchange
from airflow_provider_b24.rest.pacing import wait_turn
from airflow_provider_b24.rest.references import resolve, resolves_on_portal
from airflow_provider_b24.rest.replies import Outcome
from airflow_provider_b24.rest.retry import ANSWERED_TRIES, MAX_TRIES, RetryBudget, decide, given_up


class OrderedBatch:
    """
    One run over calls that depend on one another.

    :param items: the calls, written; all of them can be sent, and refer only to calls before them.
    :param halt: whether everything after the first failure is skipped.
    """

    def __init__(self, exchange: Exchange, items: Sequence[Item], budget: RetryBudget, halt: bool) -> None:
        self._exchange = exchange
        self._items = items
        self._budget = budget
        self._halt = halt
        self._max_commands = MAX_BATCH
        self._tries = 0
        self._outcomes: list[Outcome] = []
        self._failed: dict[int, Bitrix24Error | None] = {}

    def run(self) -> list[Outcome]:
        """Return one outcome per call, in input order. What the portal answers raises nothing."""
        while len(self._outcomes) < len(self._items):
            item = self._items[len(self._outcomes)]
            cause = self._failed_before(item)
            if cause is not None:
                self._add(Outcome(item.call, "skipped", error=cause))
                continue
            try:
                request = self._next_request()
            except Bitrix24InputError as error:
                self._add(Outcome(item.call, "failure", error=error))
                continue
            self._send(request)
        return self._outcomes

    def _add(self, outcome: Outcome) -> None:
        if not outcome.ok:
            self._failed[len(self._outcomes)] = outcome.error
        self._outcomes.append(outcome)

    def _failed_before(self, item: Item) -> Bitrix24Error | None:
        """Return the error because of which a call is not sent; None if it may be sent."""
        if not self._failed:
            return None
        causes = self._failed.keys() if self._halt else {ref.position for ref in item.refs}
        return next((self._failed[position] for position in causes if position in self._failed), None)

    def _next_request(self) -> _Request:
        """
        Return the next calls that can be sent together, or the next one that goes alone.

        :raises Bitrix24InputError: a result does not contain what the first of them refers to.
        """
        first, load = len(self._outcomes), Load(self._max_commands)
        batch: list[Call] = []
        commands: dict[str, str] = {}
        for position, item in enumerate(self._items[first:], first):
            if batch and (self._failed_before(item) is not None or not self._may_follow(item, first)):
                break
            try:
                call, command = self._written(item)
            except Bitrix24InputError:
                if not batch:
                    raise
                break
            if command.text is None:
                if not batch:
                    return _Request([item.call], call.method, json_params(call))
                break
            if not load.add(command.text, self._exchange.ledger.seconds_per_call(call.method)):
                break
            batch.append(item.call)
            commands[str(position)] = command.text
        return _Request(batch, "batch", {"halt": 1, "cmd": commands})

    def _may_follow(self, item: Item, first: int) -> bool:
        """Whether a call's references to others of the request, which begins at ``first``, can be sent."""
        return all(
            ref.position < first
            or (not item.alone and resolves_on_portal(ref, self._items[ref.position].call))
            for ref in item.refs
        )

    def _written(self, item: Item) -> tuple[Call, Command]:
        """Return a call with the results that are known in it, and as a command."""
        if not any(ref.position < len(self._outcomes) for ref in item.refs):
            return item.call, item.written
        call = resolve(item.call, self._outcomes)
        return call, command_of(call)

    def _send(self, request: _Request) -> None:
        exchange, first = self._exchange, len(self._outcomes)
        batch, alone = request.calls, request.alone
        methods = dict.fromkeys((request.method, batch[0].method))
        try:
            wait_turn(exchange, tuple(methods), self._budget)
        except Bitrix24Error as error:
            self._give_up(batch, error, ended_run=True)
            return

        def send(signed: Signed) -> BatchReply:
            if alone:
                return exchange.send_alone(signed, batch)
            return exchange.send_batch(signed, batch, halt=True, first=first)

        try:
            reply = exchange.perform(request.method, request.params, send)
        except Bitrix24Error as error:
            self._request_failed(batch, exchange.note_refusal(error, request.method))
        else:
            (exchange.record_alone if alone else exchange.record_batch)(reply)
            self._answered(batch, reply)

    def _answered(self, batch: list[Call], reply: BatchReply) -> None:
        done = next((index for index, one in enumerate(reply.outcomes) if not one.ok), len(batch))
        for outcome in reply.outcomes[:done]:
            self._add(outcome)
        if done:
            self._tries = 0
            self._budget.progress()
        for failed in reply.outcomes[done : done + 1]:
            # A command that is missing from the answer may have been executed, and those after it too.
            rest = batch[done:] if failed.status == "unknown" else batch[done : done + 1]
            self._command_failed(rest, failed)

    def _command_failed(self, rest: list[Call], failed: Outcome) -> None:
        error = failed.error or Bitrix24Error(method=failed.call.method)
        limited = isinstance(error, Bitrix24LimitError)
        answered = failed.status == "failure" and not limited
        error = self._exchange.note_refusal(error, failed.call.method)
        if not self._is_repeated(rest, error, ANSWERED_TRIES if answered else MAX_TRIES):
            self._give_up(rest, error, ended_run=limited)

    def _request_failed(self, batch: list[Call], error: Bitrix24Error) -> None:
        if isinstance(error, Bitrix24RequestTooLargeError):
            self._max_commands = max(1, len(batch) // 2)
            if len(batch) == 1:
                self._add(Outcome(batch[0], "failure", error=error))
            return
        if isinstance(error, Bitrix24TimeoutError):
            self._budget.timed_out(len(batch))
            self._exchange.ledger.timed_out(Counter(call.method for call in batch))
            self._max_commands = max(1, len(batch) // 2)
        if not self._is_repeated(batch, error, MAX_TRIES):
            self._give_up(batch, error, ended_run=True)

    def _is_repeated(self, calls: Sequence[Call], error: Bitrix24Error, max_tries: int) -> bool:
        """Wait for the repetition of these calls, if they are to be repeated."""
        self._tries += 1
        repeatable = all(call.may_repeat for call in calls)
        decision = decide(
            error, repeatable=repeatable, verifiable=False, tries=self._tries, max_tries=max_tries
        )
        pause = None
        if decision == "repeat":
            pause = self._budget.pause(error) if error.temporary else self._budget.first_pause
        if pause is None:
            return False
        self._exchange.hold(pause)
        return True

    def _give_up(self, calls: Sequence[Call], error: Bitrix24Error, ended_run: bool = False) -> None:
        for call in calls:
            self._add(Outcome(call, given_up(error, call.may_repeat), error=error, ended_run=ended_run))
        if ended_run:
            for item in self._items[len(self._outcomes) :]:
                self._add(Outcome(item.call, "skipped", error=error, ended_run=True))


class _Request(NamedTuple):
    """
    What is sent next.

    :ivar calls: as they were given, with their references.
    :ivar method: the REST method that is called: ``batch``, or that of the only call.
    """

    calls: list[Call]
    method: str
    params: Mapping[str, Any]

    @property
    def alone(self) -> bool:
        return self.method != "batch"
