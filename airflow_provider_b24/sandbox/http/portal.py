"""The imitation portal, and how an HTTP request passes through it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from airflow_provider_b24.sandbox.http import cards, dispatch, faults, journal, oauth
from airflow_provider_b24.sandbox.http.dispatch import Incoming, method_params
from airflow_provider_b24.sandbox.http.exchange import (
    Address,
    Request,
    Response,
    error_page,
    html,
    json_response,
)
from airflow_provider_b24.sandbox.http.faults import Fault
from airflow_provider_b24.sandbox.http.journal import JournalEntry
from airflow_provider_b24.sandbox.http.setup import Setup
from airflow_provider_b24.sandbox.methods import batch
from airflow_provider_b24.sandbox.model import errors, php
from airflow_provider_b24.sandbox.model.errors import RestError
from airflow_provider_b24.sandbox.model.state import Rules


class Portal(Setup):
    """A Bitrix24 portal in memory.

    Its data is set up with ``add_...`` methods and ``bind``, its behavior with attributes: ``rules``
    ("documented" or "observed"), ``company_read_check``, ``utc_offset`` (hours), ``offline_extended``
    (whether offline events can be reserved), ``latency`` and ``command_latency`` (seconds), ``bucket``,
    ``operating``, ``speed`` (how many times faster the limits recover; times that clients are told stay
    true), ``token_lifetime`` (seconds), ``rotate_refresh_tokens``, ``prefix`` (a path before ``/rest/``),
    ``renamed_to``, ``refusal``, ``documented_statuses``, ``max_body`` (bytes), ``journal_limit`` and
    ``on_request``.

    Tests look at ``journal``, ``requests``, ``refused``, ``executed`` (by method), ``writes`` (by contact),
    ``refreshes``, ``refused_refreshes``, ``messages`` and ``events``.

    :param rules: where documentation and server code differ, which one to follow.
    :param clock: returns epoch seconds.
    :param speed: see above.
    :param sleep: waits for a latency.
    """

    def __init__(
        self,
        rules: Rules = "documented",
        clock: Callable[[], float] = time.time,
        speed: float = 1.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(rules, clock, sleep)
        self.speed = speed

    def handle(
        self,
        http_method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        source: str = "127.0.0.1",
        connection: int = 0,
    ) -> Response:
        """Answer one HTTP request. ``target`` is path and query, ``source`` the address limits count by.

        A network fault is named in ``Response.fault``; the server that sends the response acts on it.
        """
        lower = {name.lower(): value for name, value in headers.items()}
        request = Request(http_method.upper(), target, lower, body, source, connection)
        entry = journal.open_entry(request, self.clock(), in_full=self.traffic.is_watched)
        self.traffic.open(entry)
        response = self._route(request, entry)
        # A response that never reaches the client has no status.
        entry.status = 0 if response.fault in {"reset", "hang"} else response.status
        if self.on_request is not None:
            self.on_request(entry)
        return response

    def _route(self, request: Request, entry: JournalEntry) -> Response:
        path, prefix = request.path, self.prefix
        if self.max_body is not None and len(request.body) > self.max_body:
            return error_page(413, "Request Entity Too Large")
        if path.startswith("/oauth/"):
            return oauth.answer(self.apps, request, f"{self.url}{prefix}", self.clock())
        if self.renamed_to is not None:
            return Response(302, {"Location": self.renamed_to.rstrip("/") + request.target}, b"")
        inner = path.removeprefix(prefix) if path.startswith(f"{prefix}/") else ""
        if inner.startswith("/rest/"):
            return self._rest(request, Address.parse(inner.removeprefix("/rest/")), entry)
        with self.state.lock:
            return html(*cards.page(self.state, prefix, inner or path))

    def _rest(self, request: Request, address: Address, entry: JournalEntry) -> Response:
        params, start = method_params(request.params)
        commands = batch.commands(params) if address.method == "batch" else None
        entry.method = address.method
        if commands is not None and self.traffic.is_watched:
            entry.commands = [(one.method, php.to_json(one.params) or {}) for one in commands]
        admitted = self.limits.admit(request.source, self.clock())
        self.traffic.count(admitted)
        if not admitted:
            return _refusal(RestError(*errors.QUERY_LIMIT), entry)
        if self.latency:
            self.sleep(self.latency)
        called = [address.method, *(one.method for one in commands or [])]
        fault = self.pick_fault(called) if self.faults else None
        entry.fault = fault.kind if fault else None
        if fault and not fault.follows_effect:
            return _faulty(fault, None, entry)
        try:
            body = dispatch.answer(self, Incoming(request, address, params, start, commands), entry)
            response = json_response(200, body)
        except RestError as error:
            response = _refusal(self._restated(error), entry)
        return _faulty(fault, response, entry) if fault else response

    def _restated(self, error: RestError) -> RestError:
        if not self.documented_statuses or error.status != 401:
            return error
        status = errors.DOCUMENTED_STATUSES.get(error.code, error.status)
        return RestError(status, error.code, error.text, **error.extra)


def _refusal(error: RestError, entry: JournalEntry) -> Response:
    entry.error = error.code
    return json_response(error.status, error.body())


def _faulty(fault: Fault, response: Response | None, entry: JournalEntry) -> Response:
    if fault.kind in faults.JSON_FAULTS:
        return _refusal(fault.error(), entry)
    return fault.response(response)
