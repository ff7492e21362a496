"""How tests and demos set up a portal and look at it."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from airflow_provider_b24.sandbox.http.faults import Fault
from airflow_provider_b24.sandbox.http.forwarded import Forwarded
from airflow_provider_b24.sandbox.http.journal import JournalEntry
from airflow_provider_b24.sandbox.http.site import Site
from airflow_provider_b24.sandbox.methods.method import Method
from airflow_provider_b24.sandbox.model.applications import App, Applications
from airflow_provider_b24.sandbox.model.bindings import Binding
from airflow_provider_b24.sandbox.model.calls import Call, User
from airflow_provider_b24.sandbox.model.limits import Bucket, Operating
from airflow_provider_b24.sandbox.model.offline_queue import OfflineQueue
from airflow_provider_b24.sandbox.model.records import Record, Records
from airflow_provider_b24.sandbox.model.schema import Field, camel_case
from airflow_provider_b24.sandbox.model.state import Rules


class Setup(Site):
    """The attributes and methods with which a portal is set up and inspected."""

    rules = Forwarded[Rules]("state.behavior")
    company_read_check = Forwarded[bool]("state.behavior")
    utc_offset = Forwarded[float]("state.behavior")
    offline_extended = Forwarded[bool]("state.behavior")
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

    def reset_counters(self) -> None:
        """Clear the journal and every count; data, tokens and limits remain."""
        self.traffic.reset()
        self.writes.clear()

    def add_contact(self, id: int | None = None, **fields: Any) -> int:  # noqa: A002 - the API's own name
        """Add a contact (NAME, LAST_NAME, POST, PHONE...) and return its id."""
        return self.state.add("contact", id, fields)

    def add_company(self, id: int | None = None, **fields: Any) -> int:  # noqa: A002 - the API's own name
        """Add a company (TITLE, INDUSTRY, PHONE...) and return its id."""
        return self.state.add("company", id, fields)

    def add_generated(self, contacts: int = 0, companies: int = 0, seed: int = 0, **others: int) -> None:
        """Make records 1..N exist in tables, with data derived from id and seed; needs no memory.

        ``others`` names tables as ``add_record`` does: ``deal=100_000, task=500``.
        """
        with self.state.lock:
            for table, count in {"contact": contacts, "company": companies, **others}.items():
                if count:
                    self.state.table(table).generate(count, seed)

    def add_record(self, table: str, id: int | None = None, **fields: Any) -> int:  # noqa: A002 - the API's own name
        """Add a record (upper-case field names) to any table and return its id.

        Tables: contact, company, deal, lead, quote, task, elapsed_item, user, department, call, stage_change,
        status_change, activity, address, list_element, dialog, signed_document, calendar_event, data_source,
        and dynamic_128 for a smart process of that type id.
        """
        return self.state.add(table, id, fields)

    def update_record(self, table: str, id: int, **fields: Any) -> None:  # noqa: A002 - the API's own name
        """Change fields of a record, and its time of modification."""
        self.state.update(table, id, fields)

    def delete_record(self, table: str, id: int) -> bool:  # noqa: A002 - the API's own name
        """Delete a record with its bindings; False if it did not exist."""
        return self.state.delete(table, id)

    def record(self, table: str, id: int) -> Record | None:  # noqa: A002 - the API's own name
        """A record, or None."""
        with self.state.lock:
            return self.state.get(table, id)

    def add_smart_process(self, type_id: int, title: str) -> str:
        """Add a smart process (type id 128 or above) and return the name of its table."""
        return self.state.add_smart_process(type_id, title).name

    def add_user_field(
        self,
        type_id: int,
        name: str,
        type: str = "string",  # noqa: A002 - the API's own name
        title: str = "",
        multiple: bool = False,
        options: Iterable[tuple[int, str]] = (),
    ) -> None:
        """Add a field ``UF_CRM_...`` to an entity type; ``options`` are ids and values of an enumeration."""
        field = Field(name, type, camel_case(name), title or name, multiple=multiple, options=tuple(options))
        with self.state.lock:
            self.state.kinds[type_id].add_user_field(field)

    def contact(self, contact_id: int) -> Record | None:
        """The contact with COMPANY_ID and COMPANY_IDS, or None."""
        return self.record("contact", contact_id)

    def company(self, company_id: int) -> Record | None:
        """The company, or None."""
        return self.record("company", company_id)

    def delete_contact(self, contact_id: int) -> bool:
        """Delete a contact with its bindings; False if it did not exist."""
        return self.state.delete("contact", contact_id)

    def delete_company(self, company_id: int) -> bool:
        """Delete a company with its bindings; False if it did not exist. No other company becomes primary."""
        return self.state.delete("company", company_id)

    def forbid_contacts(self, ids: Iterable[int]) -> None:
        """Refuse every access to these contacts."""
        self.state.forbid("contact", ids)

    def forbid_companies(self, ids: Iterable[int]) -> None:
        """Make these companies unreadable for every user."""
        self.state.forbid("company", ids)

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
        self.state.add_user(user)
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
        if user_id not in self.state.users:
            self.state.add_user(User(user_id))
        self.apps.add(App(client_id, client_secret, frozenset(scope), user_id, redirect_uri))

    def issue_tokens(self, client_id: str, pair: tuple[str, str] | None = None) -> tuple[str, str]:
        """
        A new (access token, refresh token) of an application.

        :param pair: the tokens to issue; random ones by default.
        """
        return self.apps.issue(client_id, pair)

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
