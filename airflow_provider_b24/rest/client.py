"""Calls, batches, any number of calls, lists: paced, and repeated where that is safe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError
from airflow_provider_b24.rest.auth.base import Auth
from airflow_provider_b24.rest.batching import Item
from airflow_provider_b24.rest.bulk import Bulk
from airflow_provider_b24.rest.calls import MAX_BATCH, Call, as_call
from airflow_provider_b24.rest.clock import Clock, SystemClock
from airflow_provider_b24.rest.encoding import json_params
from airflow_provider_b24.rest.exchange import Exchange
from airflow_provider_b24.rest.flights import Reads
from airflow_provider_b24.rest.limits.bucket import Bucket
from airflow_provider_b24.rest.ordered import OrderedBatch
from airflow_provider_b24.rest.pacing import wait_turn
from airflow_provider_b24.rest.paging import Rows, read_list
from airflow_provider_b24.rest.references import check_positions
from airflow_provider_b24.rest.replies import Outcome, Reply
from airflow_provider_b24.rest.retry import (
    FIRST_PAUSE,
    RETRY_TIMEOUT,
    RetryBudget,
    decide,
    unknown_outcome,
)
from airflow_provider_b24.rest.transport import Transport


class Client:
    """
    A portal, ready to be called; safe to use from several threads and in forked processes.

    :param transport: HTTP to the portal.
    :param auth: what signs requests.
    :param bucket: the portal's request bucket; None means that no limit is kept.
    :param clock: time and waiting.
    :param retry_timeout: seconds without progress after which a temporary error is passed on.
    :param max_wait: longest single wait in seconds that is slept through. A longer one ends the call or run
        with a ``Bitrix24OperatingLimitError`` whose ``retry_at`` says when to go on; None: never.
    :param first_pause: seconds before the first repetition; later pauses are longer.
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
        first_pause: float = FIRST_PAUSE,
    ) -> None:
        self.transport = transport
        self.clock: Clock = clock or SystemClock()
        self.max_wait = max_wait
        self._exchange = Exchange(transport, auth, self.clock, bucket)
        self._retry_timeout = retry_timeout
        self._first_pause = first_pause

    @property
    def host(self) -> str:
        """The portal's host, for messages."""
        return self.transport.host

    @property
    def requests(self) -> int:
        """How many HTTP requests were sent so far."""
        return self.transport.requests

    @property
    def refusals(self) -> int:
        """How often a limit of the portal rejected a request or a command so far."""
        return self._exchange.refusals

    @property
    def waited(self) -> float:
        """Seconds in which requests were held back so far, by a limit or before a retry."""
        return self._exchange.waited

    @property
    def max_parallel(self) -> int:
        """How many requests may be in flight at once."""
        return self.transport.config.max_parallel

    def call(
        self, method: str, params: Mapping[str, Any] | None = None, repeatable: bool | None = None
    ) -> Reply:
        """
        Call one REST method and return its reply; raises as ``perform`` does.

        :param repeatable: whether it is safe to run the call twice; None decides by the method's name.
        """
        return self.perform(Call(method, {} if params is None else params, repeatable=repeatable))

    def perform(self, call: Call) -> Reply:
        """
        Run one call: wait for its turn, send it, repeat it while that is safe and the retry budget lasts.

        :raises Bitrix24InputError: a parameter cannot be sent; nothing was sent.
        :raises Bitrix24ApiError: the portal rejected it, permanently or for longer than the budget.
        :raises Bitrix24UnknownOutcomeError: the answer to a write was lost that must not be repeated.
        """
        params = json_params(call)
        budget = self._budget()
        while True:
            wait_turn(self._exchange, (call.method,), budget)
            try:
                reply = self._exchange.perform(call.method, params, self._exchange.send)
            except Bitrix24Error as error:
                failure = self._exchange.note_refusal(error, call.method)
            else:
                self._exchange.ledger.record(call.method, reply.time, seconds=reply.time.duration)
                return reply
            decision = decide(failure, repeatable=call.may_repeat, verifiable=call.verification is not None)
            if decision == "unknown":
                raise unknown_outcome(failure, call.method)
            if decision == "verify" and (recovered := self._recovered(call)):
                return Reply(result=recovered)
            pause = budget.pause(failure)
            if pause is None:
                raise failure
            self._exchange.hold(pause)

    def batch(self, calls: Sequence[Call | Mapping[str, Any]], halt: bool = False) -> list[Outcome]:
        """
        Run any number of calls, up to 50 in a request, and return one outcome each, in input order.

        With ``halt`` the calls run one after the other and everything after the first failure is skipped.
        They also run one after the other if one refers to the result of an earlier one by ``Ref(0, "ID")``;
        then those that refer to a failed one are skipped. A call that means something else in a batch, such
        as one with an empty list, is sent in a request of its own.

        :param calls: ``Call`` values, or ``{"method": ..., "params": {...}}`` each.
        :raises Bitrix24InputError: a call cannot be sent; nothing was sent.
        """
        if not isinstance(calls, Sequence) or not isinstance(halt, bool):
            raise Bitrix24InputError(
                f"calls must be a list and halt True or False, got {type(calls).__name__} and {halt!r:.20}"
            )
        items = [Item(as_call(call, f"calls[{index}]")) for index, call in enumerate(calls)]
        for index, item in enumerate(items):
            if item.outcome is not None and item.outcome.error is not None:
                error = item.outcome.error
                raise error.replace(description=f"calls[{index}]: {error.description}")
            check_positions(item.refs, index)
        if halt or any(item.refs for item in items):
            return OrderedBatch(self._exchange, items, self._budget(), halt).run()
        # What fits in one request runs in order, also where some of it has to go alone.
        in_order = len(items) <= MAX_BATCH and any(item.alone for item in items)
        parallel = 1 if in_order else self.max_parallel
        return list(Bulk(self._exchange, items, self._budget(), parallel, in_order))

    def bulk(self, calls: Iterable[Call]) -> Iterator[Outcome]:
        """
        Run any iterable of calls in full batches, a few in flight, and yield outcomes in input order.

        Never raises for what the portal answers. When the portal is down for longer than the retry budget,
        or rejects the credentials, the calls left are ``skipped``, with the reason as their ``error``.
        """
        return iter(Bulk(self._exchange, calls, self._budget(), self.max_parallel))

    def pages(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        after: int | None = None,
        exact: bool = False,
    ) -> Rows:
        """
        Return an iterator of every row of a list method, in constant memory; see ``paging.read_list``.

        :param exact: whether numbers with a fraction are ``Decimal``, with every digit that the portal sent.
        """
        reads = Reads(self._exchange, self._budget(), self.max_parallel, exact)
        return read_list(reads, method, params, after=after)

    def close(self) -> None:
        """Close the connections to the portal."""
        self.transport.close()

    def _budget(self) -> RetryBudget:
        return RetryBudget(self.clock, self._retry_timeout, self.max_wait, self._first_pause)

    def _recovered(self, call: Call) -> Any:
        """Read the result of a write the answer to which was lost; None or False if it was not applied."""
        verification = call.verification
        return verification and verification.shows(self.perform(verification.read).result)
