"""
A batch whose commands depend on one another: with ``halt``, or with references to earlier results.

The portal is always told to stop at the first failure. What it executed is never sent again: the next request
starts with the first command that was not executed, and references to earlier results become values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from airflow_provider_b24.errors import (
    Bitrix24Error,
    Bitrix24InputError,
    Bitrix24LimitError,
    Bitrix24RequestTooLargeError,
    Bitrix24TimeoutError,
)
from airflow_provider_b24.rest.batching import Load
from airflow_provider_b24.rest.calls import MAX_BATCH, Call
from airflow_provider_b24.rest.encoding import batch_command
from airflow_provider_b24.rest.exchange import BatchReply, Exchange
from airflow_provider_b24.rest.pacing import wait_turn
from airflow_provider_b24.rest.references import referred, resolve
from airflow_provider_b24.rest.replies import Outcome
from airflow_provider_b24.rest.retry import ANSWERED_TRIES, MAX_TRIES, RetryBudget, decide, given_up


class OrderedBatch:
    """
    One run over commands that depend on one another.

    :param halt: whether everything after the first failure is skipped.
    """

    def __init__(self, exchange: Exchange, calls: Sequence[Call], budget: RetryBudget, halt: bool) -> None:
        self._exchange = exchange
        self._calls = calls
        self._budget = budget
        self._halt = halt
        self._max_commands = MAX_BATCH
        self._tries = 0
        self._outcomes: list[Outcome] = []
        self._failed: dict[int, Bitrix24Error | None] = {}

    def run(self) -> list[Outcome]:
        """Return one outcome per call, in input order. What the portal answers raises nothing."""
        while len(self._outcomes) < len(self._calls):
            call = self._calls[len(self._outcomes)]
            cause = self._failed_before(call)
            if cause is not None:
                self._add(Outcome(call, "skipped", error=cause))
                continue
            try:
                batch, commands = self._next_batch()
            except Bitrix24InputError as error:
                self._add(Outcome(call, "failure", error=error))
                continue
            self._send(batch, commands)
        return self._outcomes

    def _add(self, outcome: Outcome) -> None:
        if not outcome.ok:
            self._failed[len(self._outcomes)] = outcome.error
        self._outcomes.append(outcome)

    def _failed_before(self, call: Call) -> Bitrix24Error | None:
        """Return the error because of which a call is not sent; None if it may be sent."""
        if not self._failed:
            return None
        causes = self._failed.keys() if self._halt else self._failed.keys() & referred(call.params)
        return next((self._failed[position] for position in causes), None)

    def _next_batch(self) -> tuple[list[Call], dict[str, str]]:
        """
        Return the next calls, and their commands under their positions.

        :raises Bitrix24InputError: the first of them cannot be written.
        """
        first, load = len(self._outcomes), Load(self._max_commands)
        batch: list[Call] = []
        commands: dict[str, str] = {}
        for position, call in enumerate(self._calls[first:], first):
            try:
                if batch and self._failed_before(call) is not None:
                    break
                command = batch_command(resolve(call, self._outcomes))
            except Bitrix24InputError:
                if not batch:
                    raise
                break
            if not load.add(command, self._exchange.ledger.seconds_per_call(call.method)):
                break
            batch.append(call)
            commands[str(position)] = command
        return batch, commands

    def _send(self, batch: list[Call], commands: dict[str, str]) -> None:
        exchange, first = self._exchange, len(self._outcomes)
        params = {"halt": 1, "cmd": commands}
        try:
            wait_turn(exchange, ("batch", batch[0].method), self._budget)
        except Bitrix24Error as error:
            self._give_up(batch, error, ended_run=True)
            return
        try:
            reply = exchange.perform(
                "batch", params, lambda signed: exchange.send_batch(signed, batch, halt=True, first=first)
            )
        except Bitrix24Error as error:
            self._request_failed(batch, exchange.note_refusal(error, "batch"))
        else:
            exchange.record_batch(reply)
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
            for call in self._calls[len(self._outcomes) :]:
                self._add(Outcome(call, "skipped", error=error, ended_run=True))
