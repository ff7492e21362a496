"""
From the bytes of an HTTP answer to a reply, to outcomes in input order, or to an error.

Our own messages name the type of an unexpected answer and never quote it: a portal, or a proxy before it, may
repeat the request. What the portal itself says in an error is scrubbed in ``exchange``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

import msgspec

from airflow_provider_b24.errors import (
    Bitrix24ApiError,
    Bitrix24Error,
    Bitrix24TimeoutError,
    Bitrix24TransportError,
    Bitrix24UnknownOutcomeError,
    classify,
)
from airflow_provider_b24.rest.answers import Room
from airflow_provider_b24.rest.calls import Call

Status = Literal["success", "failure", "unknown", "skipped"]

MAX_SECONDS = 3600.0  # of one request, where none were measured here
MAX_OPERATING = 3600.0  # operating seconds of one method; the limit is 480, and what runs may go beyond it

# What may stand before the JSON: byte order marks and the notices of PHP (a page would go on behind it).
_JSON_START = re.compile(rb'\{\s*"(?:result|error)"')
_BYTE_ORDER_MARK = "\ufeff".encode()
_PAGE_ADVICE = {
    403: "A firewall or proxy before the portal may have rejected the request.",
    404: "Check that the connection's Host is the portal's own address.",
}


@dataclass(frozen=True, slots=True)
class RawReply:
    """
    An HTTP answer as it came.

    :param seconds: how long the portal may have worked on it: from sending to the last byte.
    :param room: keeps count of the memory that it takes.
    """

    status: int
    body: bytes = field(repr=False)  # an authorization server's contains tokens
    seconds: float = MAX_SECONDS
    room: Room | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Timing:
    """The portal's own measurements: seconds of work, operating seconds so far, when they begin to fall."""

    duration: float = 0.0
    operating: float | None = None
    operating_reset_at: float | None = None

    @classmethod
    def parse(cls, time: Any, most: float = MAX_SECONDS) -> Timing:
        """
        Read a ``time`` block; fields that are missing or unreadable count as unknown.

        :param most: the longest plausible duration in seconds: what was measured here.
        """
        if not isinstance(time, Mapping):
            return cls()
        return cls(
            duration=_up_to(most, time.get("duration")) or 0.0,
            operating=_up_to(MAX_OPERATING, time.get("operating")),
            operating_reset_at=_up_to(math.inf, time.get("operating_reset_at")),
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """
    A successful answer: ``result``, and for lists ``total`` and ``next``.

    :ivar seconds: how long the portal may have worked on it.
    """

    result: Any
    total: int | None = None
    next: int | None = None
    time: Timing = Timing()
    seconds: float = MAX_SECONDS


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    The result of one call.

    ``success`` has the ``result``. ``failure`` has the ``error`` the portal gave. ``unknown``: the answer
    was lost and the call must not be repeated blindly. ``skipped``: it was never executed, because an
    earlier command failed (``halt``) or the run ended early; ``error`` says why.

    :ivar total: of a list, how many rows there are.
    :ivar next: of a list, where its next page starts; None on the last page.
    :ivar ended_run: the error is not this call's own but ended the whole run, e.g. the portal was down.
    """

    call: Call
    status: Status
    result: Any = None
    error: Bitrix24Error | None = None
    time: Timing = Timing()
    ended_run: bool = False
    total: int | None = None
    next: int | None = None

    @property
    def ok(self) -> bool:
        return self.status == "success"


def parse_reply(raw: RawReply, method: str, exact: bool = False) -> Reply:
    """
    Read the answer to one request.

    :param exact: whether numbers with a fraction are ``Decimal``, with every digit; otherwise ``float``.
    :raises Bitrix24ApiError: the answer is an error, whose code is often empty.
    :raises Bitrix24TransportError: the answer is not one of Bitrix24 (an HTML page, half a body).
    """
    body = _parse_json(raw.body, exact)
    if isinstance(body, dict) and _is_error(body):
        code, description = _code_and_text(body)
        raise classify(code, description, raw.status, method)
    if isinstance(body, dict) and "result" in body and raw.status < 400:
        return Reply(
            result=body["result"],
            total=_whole(body.get("total")),
            next=_next(body.get("next"), method),
            time=Timing.parse(body.get("time"), raw.seconds),
            seconds=raw.seconds,
        )
    raise _unreadable(raw, method)


def parse_batch(reply: Reply, calls: Sequence[Call], halt: bool = False, first: int = 0) -> list[Outcome]:
    """
    Spread the answer to a batch over its commands, in input order.

    A command that is missing from the answer was skipped if an earlier one failed under ``halt``; otherwise
    it may have been executed (the portal may have been interrupted).

    :param first: the key of the first command; the keys are consecutive.
    :raises Bitrix24TransportError: this is not the answer to a batch.
    """
    body = reply.result
    if not isinstance(body, Mapping) or "result" not in body:
        raise Bitrix24TransportError("the answer to a batch contains no results", method="batch")
    results, errors = _by_key(body["result"]), _by_key(body.get("result_error"))
    times = _by_key(body.get("result_time"))
    totals, nexts = _by_key(body.get("result_total")), _by_key(body.get("result_next"))
    outcomes: list[Outcome] = []
    halted: Bitrix24Error | None = None
    for position, call in enumerate(calls, first):
        key = str(position)
        time = Timing.parse(times.get(key), reply.seconds)
        if key in errors:
            error: Bitrix24Error = classify(*_code_and_text(errors[key]), None, call.method)
            halted = halted or (error if halt else None)
            outcomes.append(Outcome(call, "failure", error=error, time=time))
        elif key in results:
            total = _whole(totals[key]) if key in totals else None
            start = _whole(nexts[key]) if key in nexts else None
            outcomes.append(Outcome(call, "success", results[key], time=time, total=total, next=start))
        elif halted is not None:
            outcomes.append(Outcome(call, "skipped", error=halted))
        else:
            kind = Bitrix24TransportError if call.may_repeat else Bitrix24UnknownOutcomeError
            lost = kind("the answer to the batch leaves out this command", method=call.method)
            outcomes.append(Outcome(call, "unknown", error=lost))
    return outcomes


def parse_number(value: Any) -> float | None:
    """Return a number, or text that is one, as a float; None for everything else."""
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _up_to(most: float, value: Any) -> float | None:
    """Return a number that is not negative, at most so large; None for everything else."""
    number = parse_number(value)
    return None if number is None or number < 0 else min(number, most)


_decode_exactly = msgspec.json.Decoder(float_hook=Decimal).decode


def _load(body: bytes, exact: bool) -> Any:
    if not exact:
        return json.loads(body)
    try:
        return _decode_exactly(body)
    except (ValueError, RecursionError):  # what only the other one takes: half of a surrogate pair
        return json.loads(body, parse_float=Decimal)


def _parse_json(body: bytes, exact: bool = False) -> Any:
    try:
        return _load(body.removeprefix(_BYTE_ORDER_MARK), exact)
    except (ValueError, RecursionError):
        pass
    start = _JSON_START.search(body)
    if start is None or start.start() == 0:
        return None
    try:
        return _load(body[start.start() :], exact)
    except (ValueError, RecursionError):
        return None


def _is_error(body: Mapping[str, Any]) -> bool:
    """The CRM's errors have an empty code, but always a text; some proxies add an empty field to results."""
    if "error" not in body:
        return False
    return bool(body["error"] or body.get("error_description")) or "result" not in body


def _by_key(part: Any) -> Mapping[str, Any]:
    """PHP writes a map as a list when its keys happen to be 0..n, and always when it is empty."""
    if isinstance(part, list):
        return {str(index): value for index, value in enumerate(part)}
    return part if isinstance(part, Mapping) else {}


def _code_and_text(body: Any) -> tuple[str, str]:
    if not isinstance(body, Mapping):
        return "", _text(body)
    error, description = body.get("error"), body.get("error_description")
    if isinstance(error, Mapping):
        return _text(error.get("code") or ""), _text(error.get("message") or description or "")
    return _text(error or ""), _text(description or "")


def _text(value: Any) -> str:
    """Half a surrogate pair becomes an escape: no log can write it."""
    return str(value).encode("utf-8", "backslashreplace").decode()


def _unreadable(raw: RawReply, method: str) -> Bitrix24Error:
    start = raw.body.lstrip()[:1]
    text = "received an HTML page instead of JSON" if start == b"<" else "received no readable JSON"
    text = text if start else "received an empty answer"
    advice = _PAGE_ADVICE.get(raw.status)
    if 400 <= raw.status < 500 and raw.status != 408:
        return classify("", text, raw.status, method, advice)
    kind = Bitrix24TimeoutError if raw.status in (408, 504) else Bitrix24TransportError
    return kind(text, http_status=raw.status, method=method)


def _next(value: Any, method: str) -> int | None:
    """Where the next page of a list starts; what cannot be read must not count as the end of the list."""
    number = _whole(value)
    if number is None and value not in (None, False):
        raise Bitrix24ApiError(
            f"the answer's 'next' must be a number, got {type(value).__name__}", method=method
        )
    return number


def _whole(value: Any) -> int | None:
    number = parse_number(value)
    return None if number is None else int(number)
