"""Calls, batches, any number of calls, pages: paced, and repeated where that is safe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import pendulum

from airflow_provider_b24.errors import (
    Bitrix24Error,
    Bitrix24InputError,
    Bitrix24LimitError,
    Bitrix24OperatingLimitError,
    Bitrix24RateLimitError,
    Bitrix24TokenExpiredError,
    Bitrix24UnknownOutcomeError,
)
from airflow_provider_b24.rest.auth.webhook import Auth
from airflow_provider_b24.rest.bulk import Run
from airflow_provider_b24.rest.calls import MAX_BATCH, Call, Signed
from airflow_provider_b24.rest.clock import Clock, SystemClock
from airflow_provider_b24.rest.encoding import batch_command, json_params
from airflow_provider_b24.rest.limits.bucket import Bucket
from airflow_provider_b24.rest.limits.operating import Ledger
from airflow_provider_b24.rest.paging import read_list
from airflow_provider_b24.rest.redaction import without_frames
from airflow_provider_b24.rest.replies import Outcome, Reply, parse_batch, parse_reply
from airflow_provider_b24.rest.retry import (
    MAX_REPLAYS,
    RETRY_TIMEOUT,
    RetryBudget,
    fate,
    long_wait,
    was_executed,
)
from airflow_provider_b24.rest.transport import Transport

_REFERENCES = ("$result[", "$next[", "$total[")
T = TypeVar("T")


class Client:
    """
    A portal, ready to be called; safe to use from several threads.

    :param transport: HTTP to the portal.
    :param auth: how requests are signed.
    :param bucket: the portal's request bucket; None means that no limit is kept.
    :param clock: time and waiting.
    :param retry_timeout: seconds without progress after which a temporary error is passed on.
    :param max_wait: longest single wait in seconds that is slept through. A longer one ends the call or run
        with a ``Bitrix24OperatingLimitError`` whose ``retry_at`` says when to go on; None: never.
    """

    def __init__(
        self,
        transport: Transport,
        auth: Auth,
        *,
        bucket: Bucket | None = None,
        clock: Clock | None = None,
        retry_timeout: float = RETRY_TIMEOUT,
        max_wait: float | None = None,
    ) -> None:
        self.transport = transport
        self.clock: Clock = clock or SystemClock()
        self.bucket = bucket
        self.ledger = Ledger(self.clock)
        self.max_wait = max_wait
        self.refusals = 0
        self._auth = auth
        self._retry_timeout = retry_timeout

    @property
    def host(self) -> str:
        """The portal's host, for messages."""
        return self.transport.host

    @property
    def requests(self) -> int:
        """How many HTTP requests were sent so far."""
        return self.transport.requests

    @property
    def max_parallel(self) -> int:
        """How many requests may be in flight at once."""
        return self.transport.config.max_parallel

    def call(self, method: str, params: Mapping[str, Any] | None = None) -> Reply:
        """Call one REST method and return its reply."""
        return self.perform(Call(method, {} if params is None else params))

    def perform(self, call: Call) -> Reply:
        """
        Carry out one call: wait for a turn, send, repeat while that is safe and patience lasts.

        :raises Bitrix24ApiError: the portal refused, for good or beyond patience.
        :raises Bitrix24UnknownOutcomeError: the answer to a write was lost that must not be repeated.
        """
        return self._perform(call, json_params(call), call.repeatable)

    def batch(self, calls: Sequence[Call], halt: bool = False) -> list[Outcome]:
        """
        Carry out any number of calls, up to 50 in a request, and return one outcome each, in input order.

        With ``halt`` the requests follow one another and everything after the first failure is skipped.
        Commands that refer to one another (``$result[0][ID]``, by position) stay in one request.

        :raises Bitrix24InputError: a call cannot be part of a batch; nothing was sent.
        """
        if not isinstance(calls, Sequence) or not isinstance(halt, bool):
            raise Bitrix24InputError(
                f"calls must be a list and halt True or False, got {type(calls).__name__} and {halt!r:.20}"
            )
        commands = [batch_command(call) for call in calls]
        refers = any(mark in part for call in calls for part in _texts(call.params) for mark in _REFERENCES)
        if refers and len(calls) > MAX_BATCH:
            raise Bitrix24InputError(
                f"calls that refer to one another fit one batch of {MAX_BATCH}, got {len(calls)}"
            )
        if halt or refers:
            return self._batch_in_order(calls, commands, halt)
        return list(self.bulk(calls))

    def bulk(self, calls: Iterable[Call]) -> Iterator[Outcome]:
        """
        Carry out any iterable of calls in full batches, a few in flight, and yield outcomes in input order.

        Never raises for what the portal answers. When the portal stays away longer than patience lasts,
        or refuses the credentials, the calls left come out as ``skipped``, with the reason as ``error``.
        """
        return iter(Run(self, calls))

    def pages(
        self, method: str, params: Mapping[str, Any] | None = None, *, after: int | None = None
    ) -> Iterator[Any]:
        """Yield every row of a list method, in constant memory; see ``paging.read_list``."""
        return read_list(self, method, params, after=after)

    def retry_budget(self) -> RetryBudget:
        return RetryBudget(self.clock, self._retry_timeout, self.max_wait)

    def attempt(self, method: str, params: Mapping[str, Any]) -> Reply:
        """
        Send one request once; an expired token is renewed and the request replayed.

        More than one replay is needed where a token taken over from another task ends before its use.
        What it raises carries no frames of the request, as with ``sign``, ``send`` and ``renew``.
        """
        replays = 0
        while True:
            signed = self.sign(method, params)
            try:
                return self.send(method, signed)
            except Bitrix24TokenExpiredError:
                if replays == MAX_REPLAYS or not self.renew(signed):
                    raise
            replays += 1

    def sign(self, method: str, params: Mapping[str, Any]) -> Signed:
        """Return a request with its credentials; the first token may have to be got for that."""
        return _cleanly(lambda: self._auth.sign(method, params))

    def send(self, method: str, signed: Signed) -> Reply:
        """Send one request once and read the answer; the store of tokens is left alone."""
        return _cleanly(lambda: self._send(method, signed))

    def renew(self, signed: Signed) -> bool:
        """Replace the credentials of a request that the portal called expired; False: there are no others."""
        return _cleanly(lambda: self._auth.renew(signed))

    def _send(self, method: str, signed: Signed) -> Reply:
        raw = self.transport.send(signed.path, signed.body, method)
        secrets = (*self.transport.config.credentials.secrets, str(signed.body.get("auth", "")))
        return parse_reply(raw, method, secrets)

    def note_refusal(self, error: Bitrix24Error, method: str) -> None:
        """Remember a limit's refusal, and put the time to wait for into the error."""
        self.refusals += isinstance(error, Bitrix24LimitError)
        if isinstance(error, Bitrix24RateLimitError) and self.bucket is not None:
            self.bucket.refused()
        if isinstance(error, Bitrix24OperatingLimitError):
            error.retry_at = pendulum.from_timestamp(self.ledger.refused(method))

    def close(self) -> None:
        self.transport.close()

    def _perform(self, call: Call, params: Mapping[str, Any], repeatable: bool) -> Reply:
        budget = self.retry_budget()
        while True:
            self._wait_turn(call.method, budget)
            try:
                reply = self.attempt(call.method, params)
            except Bitrix24Error as error:
                self.note_refusal(error, call.method)
                failure = error
            else:
                self.ledger.record(call.method, reply.time, seconds=reply.time.duration)
                return reply
            if was_executed(failure) and not repeatable:
                settled = self._settle(call, failure)
                if settled is not None:
                    return settled
            pause = budget.pause(failure)
            if pause is None:
                raise failure
            self.clock.sleep(pause)

    def _settle(self, call: Call, failure: Bitrix24Error) -> Reply | None:
        """Find out whether a write whose answer was lost took effect; None means that it did not."""
        if call.verification is None:
            raise Bitrix24UnknownOutcomeError(
                failure.description, http_status=failure.http_status, method=call.method
            ) from failure
        found = self.perform(call.verification.read)
        return Reply(result=True) if call.verification.shows(found.result) else None

    def _wait_turn(self, method: str, budget: RetryBudget) -> None:
        ready_at = self.ledger.ready_at(method)
        wait = ready_at - self.clock.now()
        if wait > 0:
            if not budget.outlasts(ready_at):
                raise long_wait(method, ready_at)
            self.clock.sleep(wait)
        while self.bucket is not None:
            start, refusals = self.bucket.reserve()
            wait = start - self.clock.now()
            if wait <= 0:
                return
            self.clock.sleep(wait)
            if self.bucket.is_current(refusals):
                return

    def _batch_in_order(self, calls: Sequence[Call], commands: Sequence[str], halt: bool) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for first in range(0, len(calls), MAX_BATCH):
            chunk = calls[first : first + MAX_BATCH]
            ended = next((one.error for one in outcomes if one.status != "success"), None) if halt else None
            if ended is not None:
                outcomes += [Outcome(call, "skipped", error=ended) for call in chunk]
                continue
            params = {"halt": int(halt), "cmd": commands[first : first + MAX_BATCH]}
            outcomes += self._one_batch(chunk, params, halt)
        return outcomes

    def _one_batch(self, chunk: Sequence[Call], params: Mapping[str, Any], halt: bool) -> list[Outcome]:
        """A whole batch as one call, which may be repeated only if all of its commands may."""
        try:
            reply = self._perform(Call("batch"), params, all(call.repeatable for call in chunk))
            return parse_batch(reply, chunk, halt)
        except Bitrix24Error as error:
            return [Outcome(call, fate(error), error=error) for call in chunk]


def _cleanly(action: Callable[[], T]) -> T:
    try:
        return action()
    except BaseException as error:  # noqa: BLE001 - also of a task's timeout, and raised again
        failure = error
    raise without_frames(failure)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for child in value.values():
            yield from _texts(child)
    elif isinstance(value, list | tuple):
        for child in value:
            yield from _texts(child)
