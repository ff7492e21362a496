"""
From the bytes of an HTTP answer to a reply, to outcomes in input order, or to an error.

Errors tell the kind of an odd answer, never its words: a portal, or a proxy before it, may quote the request.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from airflow_provider_b24.errors import (
    Bitrix24ApiError,
    Bitrix24Error,
    Bitrix24TransportError,
    Bitrix24UnknownOutcomeError,
    classify,
)
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.redaction import redact

Status = Literal["success", "failure", "unknown", "skipped"]


@dataclass(frozen=True, slots=True)
class RawReply:
    """An HTTP answer as it came."""

    status: int
    body: bytes = field(repr=False)  # an authorization server's holds tokens


@dataclass(frozen=True, slots=True)
class Timing:
    """The portal's own measurements: seconds of work, operating seconds so far, when they begin to fall."""

    duration: float = 0.0
    operating: float | None = None
    operating_reset_at: float | None = None

    @classmethod
    def parse(cls, time: Any) -> Timing:
        """Read a ``time`` block; fields a portal leaves out or writes oddly count as unknown."""
        if not isinstance(time, Mapping):
            return cls()
        return cls(
            duration=_number(time.get("duration")) or 0.0,
            operating=_number(time.get("operating")),
            operating_reset_at=_number(time.get("operating_reset_at")),
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """
    A successful answer: ``result``, and for lists ``total`` and ``next``.

    :param secrets: what the texts of errors inside must not quote.
    """

    result: Any
    total: int | None = None
    next: int | None = None
    time: Timing = Timing()
    secrets: Sequence[str] = field(default=(), repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of one call.

    ``success`` holds the ``result``. ``failure`` holds the ``error`` the portal gave. ``unknown``: the answer
    was lost and the call must not be repeated blindly. ``skipped``: it was never executed, because an
    earlier command failed (``halt``) or the run ended early; ``error`` says why.

    :ivar total: of a list, how many rows there are.
    :ivar next: of a list, where its next page starts; None on the last page.
    :ivar ended_run: the error is not this call's own but ended the whole run, e.g. the portal stayed away.
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


def parse_reply(raw: RawReply, method: str, secrets: Sequence[str] = ()) -> Reply:
    """
    Read the answer to one request.

    :param secrets: what an error's text must not quote, should the portal, or a proxy before it, do so.
    :raises Bitrix24ApiError: the answer is an error; its presence decides, for its code is often empty.
    :raises Bitrix24TransportError: the answer is no answer of Bitrix24 (a page, half a body).
    """
    try:
        body = json.loads(raw.body)
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict) and "error" in body:
        code, description = (redact(text, *secrets) for text in _code_and_text(body))
        raise classify(code, description, raw.status, method)
    if isinstance(body, dict) and "result" in body and raw.status < 400:
        return Reply(
            result=body["result"],
            total=_whole(body.get("total")),
            next=_next(body.get("next"), method),
            time=Timing.parse(body.get("time")),
            secrets=secrets,
        )
    raise _unreadable(raw, method)


def parse_batch(reply: Reply, calls: Sequence[Call], halt: bool = False) -> list[Outcome]:
    """
    Spread the answer to a batch over its commands, in input order.

    A command that appears nowhere was skipped if an earlier one failed under ``halt``, else its fate is
    unknown (the portal may have been cut off in the middle).

    :raises Bitrix24TransportError: this is no answer to a batch.
    """
    body = reply.result
    if not isinstance(body, Mapping) or "result" not in body:
        raise Bitrix24TransportError("the answer to a batch holds no results", method="batch")
    results, errors = _by_key(body["result"]), _by_key(body.get("result_error"))
    times = _by_key(body.get("result_time"))
    totals, nexts = _by_key(body.get("result_total")), _by_key(body.get("result_next"))
    outcomes: list[Outcome] = []
    halted: Bitrix24Error | None = None
    for position, call in enumerate(calls):
        key = str(position)
        time = Timing.parse(times.get(key))
        if key in errors:
            code, text = (redact(part, *reply.secrets) for part in _code_and_text(errors[key]))
            error: Bitrix24Error = classify(code, text, None, call.method)
            halted = halted or (error if halt else None)
            outcomes.append(Outcome(call, "failure", error=error, time=time))
        elif key in results:
            total, start = _whole(totals.get(key)), _whole(nexts.get(key))
            outcomes.append(Outcome(call, "success", results[key], time=time, total=total, next=start))
        elif halted is not None:
            outcomes.append(Outcome(call, "skipped", error=halted))
        else:
            lost = Bitrix24UnknownOutcomeError(
                "the batch's answer leaves this command out", method=call.method
            )
            outcomes.append(Outcome(call, "unknown", error=lost))
    return outcomes


def _by_key(part: Any) -> Mapping[str, Any]:
    """PHP writes a map as a list when its keys happen to be 0..n, and always when it is empty."""
    if isinstance(part, list):
        return {str(index): value for index, value in enumerate(part)}
    return part if isinstance(part, Mapping) else {}


def _code_and_text(body: Any) -> tuple[str, str]:
    if not isinstance(body, Mapping):
        return "", str(body)
    error = body.get("error")
    if isinstance(error, Mapping):
        return str(error.get("code") or ""), str(error.get("message") or body.get("error_description") or "")
    return str(error or ""), str(body.get("error_description") or "")


def _unreadable(raw: RawReply, method: str) -> Bitrix24Error:
    if 400 <= raw.status < 500:
        error = classify("", "the answer is a page, not JSON", raw.status, method)
        error.advice = "Check that the connection's Host is the portal's own address."
        return error
    what = "an empty answer" if not raw.body.strip() else "no readable JSON"
    return Bitrix24TransportError(f"the portal sent {what}", http_status=raw.status, method=method)


def _next(value: Any, method: str) -> int | None:
    """Where the next page of a list starts; what cannot be read must not pass for the end of the list."""
    number = _whole(value)
    if number is None and value is not None:
        raise Bitrix24ApiError(f"the answer's 'next' is no number but {type(value).__name__}", method=method)
    return number


def _whole(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


def _number(value: Any) -> float | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
