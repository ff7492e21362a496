"""One REST request in the server's order: site open, method known, caller let in, time left, method run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from airflow_provider_b24.sandbox.http.auth import Address, check_scope, method_params
from airflow_provider_b24.sandbox.http.exchange import Request
from airflow_provider_b24.sandbox.http.journal import JournalEntry
from airflow_provider_b24.sandbox.methods import batch
from airflow_provider_b24.sandbox.methods.batch import Command
from airflow_provider_b24.sandbox.methods.table import METHODS
from airflow_provider_b24.sandbox.model import errors, php
from airflow_provider_b24.sandbox.model.calls import Answer, Call, Caller, Method
from airflow_provider_b24.sandbox.model.errors import RestError
from airflow_provider_b24.sandbox.model.limits import UNCOUNTED_SECONDS, Tally

if TYPE_CHECKING:
    from airflow_provider_b24.sandbox.http.portal import Portal

Params = dict[php.Key, Any]
WINDOW = 600


@dataclass(frozen=True)
class Incoming:
    """A REST request taken apart; ``commands`` only for a batch."""

    request: Request
    address: Address
    params: Params
    start: int | None
    commands: list[Command] | None


def answer(portal: Portal, incoming: Incoming, entry: JournalEntry) -> dict[str, Any]:
    """The JSON body of a success; raises ``RestError`` for a refusal."""
    if portal.refusal == "PORTAL_DELETED":
        raise RestError(*errors.PORTAL_REFUSALS[portal.refusal])
    method = _known(incoming.address.method)
    if portal.refusal is not None:
        raise RestError(*errors.PORTAL_REFUSALS[portal.refusal])
    caller = portal.doors.authenticate(incoming.address, incoming.request)
    entry.user = caller.user.id
    check_scope(method, caller)
    service = Service(portal, caller)
    if incoming.commands is not None:
        return service.batch(incoming.commands, batch.halts(incoming.params))
    reply, time = service.call(incoming.address.method, incoming.params, incoming.start)
    return _envelope(reply, time)


def _known(name: str) -> Method:
    method = METHODS.get(name)
    if method is None:
        raise RestError(*errors.METHOD_NOT_FOUND)
    return method


def _envelope(reply: Answer, time: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {"result": reply.result}
    if reply.next is not None:
        body["next"] = reply.next
    if reply.total is not None:
        body["total"] = reply.total
    return body | {"time": time}


class Service:
    """The portal in the service of one caller, for the length of one HTTP request."""

    def __init__(self, portal: Portal, caller: Caller) -> None:
        self._portal = portal
        self._caller = caller
        self._tally = Tally()

    def batch(self, commands: list[Command], halt: bool) -> dict[str, Any]:
        """Run a batch. The batch itself is billed nothing, each command is."""
        started = self._portal.clock()
        with self._portal.lock:
            self._portal.executed["batch"] += 1
        result = batch.run(commands, halt, self._command)
        finished = self._portal.clock()
        on = self._portal.operating is not None
        standing = (0, int(finished) + WINDOW) if on else None
        return {"result": result, "time": self._time(started, finished, standing)}

    def _command(self, name: str, params: Params) -> tuple[Answer, dict[str, Any]]:
        seen, start = method_params(params)
        return self.call(name, seen, start)

    def call(self, name: str, params: Params, start: int | None) -> tuple[Answer, dict[str, Any]]:
        """Run one method: its answer and its time block."""
        portal, method = self._portal, _known(name)
        check_scope(method, self._caller)
        self._check_time(name)
        fault = portal.pick_fault([name], per_command=True)
        if fault and not fault.after:
            raise fault.error()
        started = portal.clock()
        try:
            if portal.command_latency:
                portal.sleep(portal.command_latency)
            reply = self._run(method, Call(name, params, self._caller, start))
        finally:
            finished = portal.clock()
            self._bill(name, finished - started, finished)
        if fault:
            raise fault.error()
        return reply, self._time(started, finished, self._standing(name, finished - started, finished))

    def _run(self, method: Method, call: Call) -> Answer:
        with self._portal.lock:
            self._portal.executed[call.method] += 1
            method.check_crm_access(self._caller)
            result = method.run(self._portal, call)
        return result if isinstance(result, Answer) else Answer(result)

    def _check_time(self, name: str) -> None:
        portal, operating = self._portal, self._portal.operating
        if operating and operating.is_blocked(self._caller.key, name, portal.clock(), portal.speed):
            raise RestError(*errors.TIME_LIMIT)

    def _bill(self, name: str, duration: float, now: float) -> None:
        operating = self._portal.operating
        if operating is None:
            return
        due = self._tally.due(name, operating.price(name, duration))
        if due:
            operating.bill(self._caller.key, name, due, now, self._portal.speed)

    def _standing(self, name: str, duration: float, now: float) -> tuple[float, int] | None:
        if self._portal.operating is not None:
            return self._portal.operating.standing(self._caller.key, name, now, self._portal.speed)
        return (duration, int(now) + WINDOW) if duration > UNCOUNTED_SECONDS else None

    def _time(self, started: float, finished: float, standing: tuple[float, int] | None) -> dict[str, Any]:
        # Recent servers keep `start` and `processing` in int properties, which makes `duration` too long.
        whole = self._portal.rules == "observed"
        start: float = int(started) if whole else started
        block = {
            "start": start,
            "finish": finished,
            "duration": finished - start,
            "processing": 0 if whole else finished - started,
            "date_start": iso(int(started)),
            "date_finish": iso(int(finished)),
        }
        if standing is not None:
            block |= {"operating_reset_at": standing[1], "operating": standing[0]}
        return block


@lru_cache(maxsize=64)
def iso(second: int) -> str:
    """An epoch second as ISO 8601 with offset."""
    return datetime.fromtimestamp(second, UTC).isoformat()
