"""One REST request: the portal checks method, caller, scope and limits in its order, then runs the method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow_provider_b24.sandbox.http.exchange import Address, Request
from airflow_provider_b24.sandbox.http.journal import JournalEntry
from airflow_provider_b24.sandbox.http.site import Site
from airflow_provider_b24.sandbox.methods import batch
from airflow_provider_b24.sandbox.methods.batch import Command
from airflow_provider_b24.sandbox.methods.method import Method
from airflow_provider_b24.sandbox.model import errors, php
from airflow_provider_b24.sandbox.model.calls import Answer, Call, Caller
from airflow_provider_b24.sandbox.model.errors import RestError
from airflow_provider_b24.sandbox.model.limits import Operating, Tally
from airflow_provider_b24.sandbox.model.moments import iso

TAKEN_BY_SERVER = ("aplogin", "ap", "auth", "access_token", "state", "token", "start")
Params = dict[php.Key, Any]


@dataclass(frozen=True)
class Incoming:
    """A decoded REST request; ``commands`` is set for a batch only."""

    request: Request
    address: Address
    params: Params
    start: int | None
    commands: list[Command] | None


def method_params(params: Params) -> tuple[Params, int | None]:
    """What the method itself receives, and the page offset, which the server removes."""
    start = params.get("start")
    rest = {name: value for name, value in params.items() if name not in TAKEN_BY_SERVER}
    return rest, None if start is None else php.to_int(start)


def answer(site: Site, incoming: Incoming, entry: JournalEntry) -> dict[str, Any]:
    """The JSON body of a success; raises ``RestError`` for a refusal."""
    refusal = site.settings.refusal
    if refusal == "PORTAL_DELETED":
        raise RestError(*errors.PORTAL_REFUSALS[refusal])
    method = _known(site, incoming.address.method)
    if refusal is not None:
        raise _refused(refusal, by_webhook=incoming.address.user_id is not None)
    caller = _authenticated(site, incoming)
    entry.user = caller.user.id
    check_scope(method, caller)
    service = Service(site, caller)
    if incoming.commands is not None:
        return service.batch(incoming.commands, batch.halts(incoming.params))
    reply, time = service.call(incoming.address.method, incoming.params, incoming.start)
    return _envelope(reply, time)


def _refused(code: str, by_webhook: bool) -> RestError:
    if code == "ACCESS_DENIED" and not by_webhook:
        return RestError(*errors.PLAN_REFUSAL_BY_TOKEN)
    return RestError(*errors.PORTAL_REFUSALS[code])


def _authenticated(site: Site, incoming: Incoming) -> Caller:
    address = incoming.address
    if address.user_id is not None:
        return site.access.by_webhook(address.user_id, address.code)
    token = incoming.request.access_token
    if not token:
        raise RestError(*errors.NO_AUTH)
    return site.access.by_token(token)


def check_scope(method: Method, caller: Caller) -> None:
    """Refuse a method outside the caller's scope, or one that webhooks may not call."""
    if method.scope is not None and method.scope not in caller.scope:
        raise RestError(*(errors.TOKEN_SCOPE if caller.client_id else errors.WEBHOOK_SCOPE))
    if not method.webhook and caller.client_id is None:
        raise RestError(*errors.WRONG_AUTH_TYPE)


def _known(site: Site, name: str) -> Method:
    method = site.methods.get(name)
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
    """The portal serving one caller during one HTTP request."""

    def __init__(self, site: Site, caller: Caller) -> None:
        self._site = site
        self._caller = caller
        self._tally = Tally()
        self._billed_method: str | None = None

    def batch(self, commands: list[Command], halt: bool) -> dict[str, Any]:
        """Run a batch. Unless the portal bills batches, the batch itself costs nothing, each command does."""
        site, operating = self._site, self._site.limits.operating
        if operating is not None and operating.bill_batch:
            self._billed_method = "batch"
            self._check_time(operating, "batch")
        started = site.clock()
        with site.state.lock:
            site.traffic.executed["batch"] += 1
        result = batch.run(commands, halt, self._command)
        finished = site.clock()
        standing = site.limits.standing(self._caller.key, "batch", 0, finished)
        return {
            "result": result,
            "time": time_block(started, finished, standing, site.state.behavior.utc_offset),
        }

    def _command(self, name: str, params: Params) -> tuple[Answer, dict[str, Any]]:
        return self.call(name, *method_params(params))

    def call(self, name: str, params: Params, start: int | None) -> tuple[Answer, dict[str, Any]]:
        """Run one method: its answer and its time block."""
        site, operating = self._site, self._site.limits.operating
        method = _known(site, name)
        check_scope(method, self._caller)
        if operating is not None and not self._billed_method:
            self._check_time(operating, name)
        fault = site.pick_fault([name], per_command=True) if site.faults else None
        if fault and not fault.after:
            raise fault.error()
        started = site.clock()
        try:
            if site.settings.command_latency:
                site.sleep(site.settings.command_latency)
            reply = self._run(method, Call(name, params, self._caller, start))
        finally:
            finished = site.clock()
            if operating is not None:
                self._bill(operating, name, finished - started, finished)
        if fault:
            raise fault.error()
        billed = self._billed_method or name
        standing = site.limits.standing(self._caller.key, billed, finished - started, finished)
        return reply, time_block(started, finished, standing, site.state.behavior.utc_offset)

    def _check_time(self, operating: Operating, name: str) -> None:
        if operating.is_blocked(self._caller.key, name, self._site.clock(), self._site.limits.speed):
            raise RestError(*errors.TIME_LIMIT)

    def _bill(self, operating: Operating, name: str, duration: float, now: float) -> None:
        billed = self._billed_method or name
        due = self._tally.due(billed, operating.price(name, duration))
        if due:
            operating.bill(self._caller.key, billed, due, now, self._site.limits.speed)

    def _run(self, method: Method, call: Call) -> Answer:
        with self._site.state.lock:
            self._site.traffic.executed[call.method] += 1
            method.check_crm_access(self._caller)
            result = method.run(self._site.state, call)
        return result if isinstance(result, Answer) else Answer(result)


def time_block(
    started: float, finished: float, standing: tuple[float, int], utc_offset: float
) -> dict[str, Any]:
    """The block ``time`` of an answer; ``standing`` is (operating, operating_reset_at)."""
    return {
        "start": started,
        "finish": finished,
        "duration": finished - started,
        "processing": finished - started,
        "date_start": iso(int(started), utc_offset),
        "date_finish": iso(int(finished), utc_offset),
        "operating_reset_at": standing[1],
        "operating": standing[0],
    }
