"""The imitation portal: its settings, and the way of an HTTP request through it."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from airflow_provider_b24.sandbox.http import cards, dispatch, faults, journal, oauth
from airflow_provider_b24.sandbox.http.auth import Address, Doors, method_params
from airflow_provider_b24.sandbox.http.exchange import Request, Response, html, json_response
from airflow_provider_b24.sandbox.http.faults import Fault
from airflow_provider_b24.sandbox.http.journal import JournalEntry
from airflow_provider_b24.sandbox.methods import batch
from airflow_provider_b24.sandbox.model import errors, php
from airflow_provider_b24.sandbox.model.calls import User
from airflow_provider_b24.sandbox.model.errors import RestError
from airflow_provider_b24.sandbox.model.limits import Bucket, Operating
from airflow_provider_b24.sandbox.model.state import Rules, State


class Portal(State):
    """A Bitrix24 portal in memory. Set-up is done by attributes, ``add_...`` methods and ``bind``.

    ``speed`` makes the limits' clock run faster: a bucket drains and an operating window passes so many
    times quicker. Times that are told to clients stay true.
    """

    def __init__(
        self,
        rules: Rules = "documented",
        clock: Callable[[], float] = time.time,
        speed: float = 1.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(rules, clock)
        self.speed = speed
        self.sleep = sleep
        self.apps = oauth.Applications(clock)
        self.doors = Doors(self.apps)
        self.bucket: Bucket | None = None
        self.operating: Operating | None = None
        self.latency = 0.0
        self.command_latency = 0.0
        self.renamed_to: str | None = None
        self.refusal: str | None = None
        self.documented_statuses = False
        self.url = "https://portal.example"
        self.faults: list[Fault] = []
        self.journal: list[JournalEntry] = []
        self.journal_limit: int | None = None
        self.on_request: Callable[[JournalEntry], None] | None = None
        self.reset_counters()

    def reset_counters(self) -> None:
        """Forget the journal and every count; data, tokens and limits stay."""
        self.journal.clear()
        self.requests = 0
        self.refused = 0
        self.executed: Counter[str] = Counter()
        self.writes.clear()
        self.first_request: float | None = None
        self.last_request: float | None = None

    def add_webhook(
        self,
        user_id: int = 1,
        code: str | None = None,
        scope: Iterable[str] = ("crm", "im"),
        admin: bool = True,
        can_read: bool = True,
        can_update: bool = True,
        crm_access: bool = True,
        active: bool = True,
        name: str = "Alex",
        last_name: str = "Morgan",
    ) -> str:
        """Add an incoming webhook with its owner and return its code (a random one unless given).

        The rights are the owner's, also behind his other webhooks; one denied is denied to an admin too.
        """
        self.doors.add_user(User(user_id, name, last_name, admin, can_read, can_update, crm_access, active))
        return self.doors.add_webhook(user_id, code or secrets.token_hex(8), scope).code

    def add_app(
        self,
        client_id: str,
        client_secret: str,
        scope: Iterable[str] = ("crm", "im"),
        user_id: int = 1,
        redirect_uri: str = "",
    ) -> None:
        """Register a local application that acts for a user."""
        self.doors.users.setdefault(user_id, User(user_id))
        self.apps.add(oauth.App(client_id, client_secret, frozenset(scope), user_id, redirect_uri))

    def issue_tokens(self, client_id: str) -> tuple[str, str]:
        """A fresh (access token, refresh token) of an application."""
        return self.apps.issue(client_id)

    def issue_code(self, client_id: str) -> str:
        """A fresh authorization code of an application."""
        return self.apps.issue_code(client_id)

    @property
    def token_lifetime(self) -> float:
        """Seconds an access token is valid for."""
        return self.apps.token_lifetime

    @token_lifetime.setter
    def token_lifetime(self, seconds: float) -> None:
        self.apps.token_lifetime = seconds

    @property
    def rotate_refresh_tokens(self) -> bool:
        """Whether a refresh token is good for one use only."""
        return self.apps.rotate_refresh_tokens

    @rotate_refresh_tokens.setter
    def rotate_refresh_tokens(self, rotate: bool) -> None:
        self.apps.rotate_refresh_tokens = rotate

    @property
    def refreshes(self) -> int:
        """How many refresh tokens were exchanged."""
        return self.apps.refreshes

    @property
    def refused_refreshes(self) -> int:
        """How many refresh tokens were refused."""
        return self.apps.refused_refreshes

    def add_fault(self, fault: Fault) -> Fault:
        """Add a fault; the same object counts how often it was met and fired."""
        self.faults.append(fault)
        return fault

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

        A fault of the network is named in ``Response.fault``; whoever carries the response acts it out.
        """
        lower = {name.lower(): value for name, value in headers.items()}
        request = Request(http_method.upper(), target, lower, body, source, connection)
        entry = journal.open_entry(request, self.clock(), in_full=self._is_watched)
        self._keep(entry)
        response = self._route(request, entry)
        # What never reaches the client has no status.
        entry.status = 0 if response.fault in {"reset", "hang"} else response.status
        if self.on_request is not None:
            self.on_request(entry)
        return response

    @property
    def _is_watched(self) -> bool:
        return self.journal_limit != 0 or self.on_request is not None

    def _keep(self, entry: JournalEntry) -> None:
        with self.lock:
            self.first_request = self.first_request or entry.time
            self.last_request = entry.time
            if self.journal_limit != 0:
                self.journal.append(entry)
            if self.journal_limit and len(self.journal) > self.journal_limit:
                del self.journal[: -self.journal_limit]

    def _route(self, request: Request, entry: JournalEntry) -> Response:
        path = request.path
        if path.startswith("/oauth/"):
            return oauth.answer(self.apps, request, f"{self.url}{self.prefix}", self.clock())
        if self.renamed_to is not None:
            return Response(302, {"Location": self.renamed_to.rstrip("/") + request.target}, b"")
        inner = path.removeprefix(self.prefix) if path.startswith(f"{self.prefix}/") else ""
        if inner.startswith("/rest/"):
            return self._rest(request, Address.read(inner.removeprefix("/rest/")), entry)
        with self.lock:
            return html(*cards.page(self, inner or path))

    def _rest(self, request: Request, address: Address, entry: JournalEntry) -> Response:
        params, start = method_params(request.params)
        commands = batch.commands(params) if address.method == "batch" else None
        entry.method = address.method
        if commands is not None and self._is_watched:
            entry.commands = [(one.method, php.to_json(one.params) or {}) for one in commands]
        if not self._admit(request.source):
            return _refusal(RestError(*errors.QUERY_LIMIT), entry)
        if self.latency:
            self.sleep(self.latency)
        fault = self.pick_fault([address.method, *(one.method for one in commands or [])])
        entry.fault = fault.kind if fault else None
        if fault and not fault.follows_effect:
            return _faulty(fault, None, entry)
        try:
            body = dispatch.answer(self, dispatch.Incoming(request, address, params, start, commands), entry)
            response = json_response(200, body)
        except RestError as error:
            response = _refusal(self._restated(error), entry)
        return _faulty(fault, response, entry) if fault else response

    def _admit(self, source: str) -> bool:
        admitted = self.bucket is None or self.bucket.admit(source, self.clock(), self.speed)
        with self.lock:
            self.requests += 1
            self.refused += not admitted
        return admitted

    def pick_fault(self, methods: Iterable[str], per_command: bool = False) -> Fault | None:
        """The fault that strikes a request (or a single command) calling these methods."""
        if not self.faults:
            return None
        with self.lock:
            return faults.pick(self.faults, methods, per_command)

    def _restated(self, error: RestError) -> RestError:
        if self.documented_statuses and error.status == 401:
            error.status = errors.DOCUMENTED_STATUSES.get(error.code, error.status)
        return error


def _refusal(error: RestError, entry: JournalEntry) -> Response:
    entry.error = error.code
    return json_response(error.status, error.body())


def _faulty(fault: Fault, response: Response | None, entry: JournalEntry) -> Response:
    if fault.kind in faults.JSON_FAULTS:
        return _refusal(fault.error(), entry)
    return fault.response(response)
