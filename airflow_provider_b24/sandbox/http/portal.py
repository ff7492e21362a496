"""The imitation portal: its data and settings for tests, and how an HTTP request passes through it."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

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
from airflow_provider_b24.sandbox.http.forwarded import Forwarded
from airflow_provider_b24.sandbox.http.journal import JournalEntry
from airflow_provider_b24.sandbox.http.site import Site
from airflow_provider_b24.sandbox.methods import batch
from airflow_provider_b24.sandbox.methods.method import Method
from airflow_provider_b24.sandbox.model import errors, php
from airflow_provider_b24.sandbox.model.applications import App, Applications
from airflow_provider_b24.sandbox.model.bindings import Binding
from airflow_provider_b24.sandbox.model.calls import Call, User
from airflow_provider_b24.sandbox.model.errors import RestError
from airflow_provider_b24.sandbox.model.limits import Bucket, Operating
from airflow_provider_b24.sandbox.model.offline_queue import OfflineQueue
from airflow_provider_b24.sandbox.model.records import Record, Records
from airflow_provider_b24.sandbox.model.state import Rules


class Portal(Site):
    """A Bitrix24 portal in memory. Set it up with its attributes, ``add_...`` methods and ``bind``.

    ``clock`` returns epoch seconds, ``sleep`` waits for the latency. ``speed`` makes the limits recover so
    many times faster; times that clients are told stay true.
    """

    rules = Forwarded[Rules]("state")
    company_read_check = Forwarded[bool]("state")
    contacts = Forwarded[Records]("state")
    companies = Forwarded[Records]("state")
    messages = Forwarded[list[dict[str, Any]]]("state")
    events = Forwarded[OfflineQueue]("state")
    writes = Forwarded[Counter[int]]("state.bindings")
    bucket = Forwarded[Bucket | None]("limits")
    operating = Forwarded[Operating | None]("limits")
    speed = Forwarded[float]("limits")
    apps = Forwarded[Applications]("access")
    token_lifetime = Forwarded[float]("access.apps")
    rotate_refresh_tokens = Forwarded[bool]("access.apps")
    refreshes = Forwarded[int]("access.apps")
    refused_refreshes = Forwarded[int]("access.apps")
    url = Forwarded[str]("settings")
    prefix = Forwarded[str]("settings")
    latency = Forwarded[float]("settings")
    command_latency = Forwarded[float]("settings")
    renamed_to = Forwarded[str | None]("settings")
    refusal = Forwarded[str | None]("settings")
    documented_statuses = Forwarded[bool]("settings")
    max_body = Forwarded[int | None]("settings")
    journal = Forwarded[list[JournalEntry]]("traffic")
    journal_limit = Forwarded[int | None]("traffic")
    on_request = Forwarded[Callable[[JournalEntry], None] | None]("traffic")
    requests = Forwarded[int]("traffic")
    refused = Forwarded[int]("traffic")
    executed = Forwarded[Counter[str]]("traffic")
    first_request = Forwarded[float | None]("traffic")
    last_request = Forwarded[float | None]("traffic")

    def __init__(
        self,
        rules: Rules = "documented",
        clock: Callable[[], float] = time.time,
        speed: float = 1.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(rules, clock, sleep)
        self.speed = speed

    def reset_counters(self) -> None:
        """Clear the journal and every count; data, tokens and limits remain."""
        self.traffic.reset()
        self.writes.clear()

    def add_contact(self, id: int | None = None, **fields: Any) -> int:  # noqa: A002 - the API's own name
        """Add a contact (NAME, LAST_NAME, POST, PHONE...) and return its id."""
        return self.state.add_contact(id, fields)

    def add_company(self, id: int | None = None, **fields: Any) -> int:  # noqa: A002 - the API's own name
        """Add a company (TITLE, INDUSTRY, PHONE...) and return its id."""
        return self.state.add_company(id, fields)

    def add_generated(self, contacts: int = 0, companies: int = 0) -> None:
        """Make contacts 1..N and companies 1..M exist, with data derived from the id; needs no memory."""
        with self.state.lock:
            self.contacts.generate(contacts)
            self.companies.generate(companies)

    def contact(self, contact_id: int) -> Record | None:
        """The contact with its COMPANY_ID, or None."""
        with self.state.lock:
            return self.state.contact(contact_id)

    def company(self, company_id: int) -> Record | None:
        """The company, or None."""
        with self.state.lock:
            return self.state.company(company_id)

    def delete_contact(self, contact_id: int) -> bool:
        """Delete a contact with its bindings; False if it did not exist."""
        return self.state.delete_contact(contact_id)

    def delete_company(self, company_id: int) -> bool:
        """Delete a company with its bindings; False if it did not exist. No other company becomes primary."""
        return self.state.delete_company(company_id)

    def forbid_contacts(self, ids: Iterable[int]) -> None:
        """Refuse every access to these contacts."""
        self.state.forbid(self.contacts, ids)

    def forbid_companies(self, ids: Iterable[int]) -> None:
        """Make these companies unreadable for every user."""
        self.state.forbid(self.companies, ids)

    def bind(
        self, contact_id: int, companies: Iterable[tuple[int, int, bool] | tuple[int, int, bool, int]]
    ) -> None:
        """Set a contact's bindings to (company id, SORT, primary) rows; a role id may follow."""
        with self.state.lock:
            self.state.bindings.store(contact_id, (Binding(*row) for row in companies))

    def bindings(self, contact_id: int) -> list[dict[str, Any]]:
        """The contact's bindings as crm.contact.company.items.get returns them."""
        with self.state.lock:
            return [row.row() for row in self.rows(contact_id)]

    def rows(self, contact_id: int) -> tuple[Binding, ...]:
        """The contact's bindings by (SORT, COMPANY_ID)."""
        return self.state.bindings.rows(contact_id)

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
        """Add an incoming webhook with its user and return its code (random unless given).

        The permissions belong to the user and apply to all of the user's webhooks; what is denied is denied
        to an administrator too.
        """
        user = User(user_id, name, last_name, admin, can_read, can_update, crm_access, active)
        self.state.users[user_id] = user
        return self.access.add_webhook(user_id, code or secrets.token_hex(8), scope).code

    def add_app(
        self,
        client_id: str,
        client_secret: str,
        scope: Iterable[str] = ("crm", "im"),
        user_id: int = 1,
        redirect_uri: str = "",
    ) -> None:
        """Register a local application that acts for a user."""
        self.state.users.setdefault(user_id, User(user_id))
        self.apps.add(App(client_id, client_secret, frozenset(scope), user_id, redirect_uri))

    def issue_tokens(self, client_id: str) -> tuple[str, str]:
        """A new (access token, refresh token) of an application."""
        return self.apps.issue(client_id)

    def issue_code(self, client_id: str) -> str:
        """A new authorization code of an application."""
        return self.apps.issue_code(client_id)

    def revoke_tokens(self, client_id: str) -> None:
        """Make every code and token of an application unknown."""
        self.apps.revoke(client_id)

    def add_fault(self, fault: Fault) -> Fault:
        """Add a fault and return it; it counts the requests it has seen and struck."""
        self.faults.append(fault)
        return fault

    def add_method(
        self, name: str, function: Callable[[Call], Any], scope: str | None = None, webhook: bool = True
    ) -> None:
        """Add a REST method, or replace one.

        ``function`` gets the ``Call`` and returns the result, or an ``Answer`` for a page of a list
        (``Answer.page(rows, call.start)``). It refuses a call by raising ``RestError``.
        """
        self.methods[name.lower()] = Method(
            lambda state, call: function(call), scope, webhook, crm_gate=False
        )

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
        fault = self.pick_fault([address.method, *(one.method for one in commands or [])])
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
