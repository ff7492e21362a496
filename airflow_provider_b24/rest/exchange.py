"""
One request to the portal: sign, send, renew an expired token, note a refusal, scrub secrets.

The only place for each of these. Waiting and repeating is the business of those who use it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import pendulum

from airflow_provider_b24.errors import (
    Bitrix24ApiError,
    Bitrix24AuthError,
    Bitrix24Error,
    Bitrix24LimitError,
    Bitrix24OperatingLimitError,
    Bitrix24RateLimitError,
    Bitrix24RequestTooLargeError,
    Bitrix24TokenExpiredError,
    Bitrix24TransportError,
)
from airflow_provider_b24.rest.answers import IN_FLIGHT, AnswerError
from airflow_provider_b24.rest.auth.base import Auth
from airflow_provider_b24.rest.calls import Call, Signed
from airflow_provider_b24.rest.clock import Clock
from airflow_provider_b24.rest.limits.bucket import Bucket
from airflow_provider_b24.rest.limits.operating import Ledger
from airflow_provider_b24.rest.redaction import redact, redact_answer, without_frames
from airflow_provider_b24.rest.replies import Outcome, Reply, Timing, parse_batch, parse_reply
from airflow_provider_b24.rest.transport import Transport

MAX_RENEWALS = 3  # for one request: a token taken over from another task may expire before it is used
T = TypeVar("T")

_DENIED_METHOD = frozenset({"insufficient_scope", "wrong_auth_type"})  # other methods may be allowed


class BatchReply(NamedTuple):
    """The answer to a batch: one outcome per command in input order, and the timing of the whole request."""

    outcomes: list[Outcome]
    time: Timing


class Exchange:
    """
    Requests to one portal and what is known of its limits; safe to use from several threads.

    Errors raised here quote no secret, and their tracebacks have no frames in which a request is a variable.

    :param transport: HTTP to the portal.
    :param auth: what signs requests.
    :param bucket: the portal's request bucket; None means that no limit is kept.
    :ivar refusals: how often a limit of the portal rejected a request or a command.
    :ivar waited: seconds in which requests were held back, by a limit or before a retry.
    """

    def __init__(self, transport: Transport, auth: Auth, clock: Clock, bucket: Bucket | None = None) -> None:
        self.clock = clock
        self.bucket = bucket
        self.ledger = Ledger(clock)
        self.refusals = 0
        self.waited = 0.0
        self._transport = transport
        self._auth = auth

    def hold(self, seconds: float) -> None:
        """Wait before the next request may be sent."""
        self.waited += seconds
        self.clock.sleep(seconds)

    def sign(self, method: str, params: Mapping[str, Any]) -> Signed:
        """Return a request with its credentials; this may request the first token."""
        return _cleanly(lambda: self._auth.sign(method, params))

    def send(self, signed: Signed, exact: bool = False) -> Reply:
        """
        Send a request once and read the answer. Does not use the token store, so any thread may do it.

        :param exact: whether numbers with a fraction are ``Decimal``, with every digit.
        """
        return _cleanly(lambda: self._send(signed, exact), signed)

    def send_batch(
        self, signed: Signed, calls: Sequence[Call], halt: bool = False, first: int = 0
    ) -> BatchReply:
        """
        Send a signed ``batch`` once and read the answer, as ``send`` does.

        :param first: the key of the first command; the keys are consecutive.
        """
        reply = self.send(signed)
        outcomes = parse_batch(reply, calls, halt, first)
        return BatchReply([scrubbed_outcome(one, signed.secrets) for one in outcomes], reply.time)

    def send_alone(self, signed: Signed, calls: Sequence[Call]) -> BatchReply:
        """
        Send the only one of ``calls`` once, and read the answer as that to a batch of it.

        :raises Bitrix24Error: the request failed. What the portal answers to this call is its outcome.
        """
        (call,) = calls
        try:
            reply = self.send(signed)
        except Bitrix24ApiError as error:
            if not _is_of_call(error):
                raise
            return BatchReply([Outcome(call, "failure", error=error)], Timing())
        one = Outcome(call, "success", reply.result, time=reply.time, total=reply.total, next=reply.next)
        return BatchReply([one], reply.time)

    def renew(self, signed: Signed) -> bool:
        """Replace the credentials of a request that the portal called expired; False if it cannot be done."""
        return _cleanly(lambda: self._auth.renew(signed))

    def perform(self, method: str, params: Mapping[str, Any], send: Callable[[Signed], T]) -> T:
        """
        Sign a request, and send it with ``send``; if its token has expired, renew it and send again.

        :raises Bitrix24Error: as ``send`` raises it.
        """
        renewals = 0
        while True:
            signed = self.sign(method, params)
            try:
                return send(signed)
            except Bitrix24TokenExpiredError:
                if renewals == MAX_RENEWALS or not self.renew(signed):
                    raise
            renewals += 1

    def note_refusal(self, error: Bitrix24Error, method: str) -> Bitrix24Error:
        """Remember it if a limit rejected the method; return the error with the time to wait for."""
        self.refusals += isinstance(error, Bitrix24LimitError)
        if isinstance(error, Bitrix24RateLimitError) and self.bucket is not None:
            self.bucket.refused()
        if isinstance(error, Bitrix24OperatingLimitError):
            return error.replace(retry_at=pendulum.from_timestamp(self.ledger.refused(method)))
        return error

    def record_batch(self, reply: BatchReply) -> None:
        """Note how long the portal worked on a batch, and on the commands of each method in it."""
        self.ledger.record("batch", reply.time)
        measured: dict[str, list[Outcome]] = {}
        for outcome in reply.outcomes:
            if outcome.ok:
                measured.setdefault(outcome.call.method, []).append(outcome)
        for method, group in measured.items():
            # Of the whole request: recent portals round each command's own duration up to a whole second.
            seconds = reply.time.duration * len(group) / len(reply.outcomes)
            self.ledger.record(method, group[-1].time, calls=len(group), seconds=seconds)

    def record_alone(self, reply: BatchReply) -> None:
        """Note how long the portal worked on a call that was sent alone."""
        for outcome in reply.outcomes:
            if outcome.ok:
                self.ledger.record(outcome.call.method, reply.time, seconds=reply.time.duration)

    def _send(self, signed: Signed, exact: bool = False) -> Reply:
        raw = self._transport.send(signed.path, signed.body, signed.method)
        raw = replace(raw, body=redact_answer(raw.body, *signed.secrets))
        try:
            with IN_FLIGHT.parsing(raw.body):
                return parse_reply(raw, signed.method, exact)
        except AnswerError as error:
            text = f"{self._transport.host}: {error}"
        raise Bitrix24TransportError(text, http_status=raw.status, method=signed.method)


def _cleanly(action: Callable[[], T], signed: Signed | None = None) -> T:
    try:
        return action()
    except Bitrix24Error as error:
        failure: BaseException = error if signed is None else _scrubbed(error, signed.secrets)
    except BaseException as error:  # noqa: BLE001 - also of a task's timeout, and raised again
        failure = error
    raise without_frames(failure)


def _is_of_call(error: Bitrix24ApiError) -> bool:
    """Whether a batch would have contained this error as the outcome of one command."""
    if isinstance(error, Bitrix24AuthError):
        return error.code.lower() in _DENIED_METHOD
    return not isinstance(error, Bitrix24RateLimitError | Bitrix24RequestTooLargeError)


def _scrubbed(error: Bitrix24Error, secrets: Sequence[str]) -> Bitrix24Error:
    texts = {name: value for name, value in vars(error).items() if isinstance(value, str)}
    clean = {name: redact(value, *secrets) for name, value in texts.items()}
    return error if clean == texts else error.replace(**clean)


def scrubbed_outcome(outcome: Outcome, secrets: Sequence[str]) -> Outcome:
    """Return an outcome whose error quotes no secret."""
    if outcome.error is None:
        return outcome
    return replace(outcome, error=_scrubbed(outcome.error, secrets))
