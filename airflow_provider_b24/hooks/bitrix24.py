"""The hook: an Airflow connection turned into a configured client, and the calls people need."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseHook, mask_secret

from airflow_provider_b24.connection import portal_config, secrets
from airflow_provider_b24.connection_form import form_widgets, ui_field_behaviour
from airflow_provider_b24.crm import contact_company
from airflow_provider_b24.crm.bindings import (
    CompanyBinding,
    parse_bindings,
    parse_flag,
    parse_id,
    parse_sort,
    to_wire,
)
from airflow_provider_b24.crm.missing import refuse_missing_companies
from airflow_provider_b24.errors import Bitrix24Error
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.redaction import without_frames

if TYPE_CHECKING:
    from airflow_provider_b24.rest.client import Client
    from airflow_provider_b24.rest.config import PortalConfig
    from airflow_provider_b24.rest.replies import Outcome
    from airflow_provider_b24.sync.job import Progress
    from airflow_provider_b24.sync.plan import Mode


class Bitrix24Hook(BaseHook):
    """
    Talk to a Bitrix24 portal through an Airflow connection of type ``bitrix24``.

    :param bitrix24_conn_id: id of the connection.
    :param max_wait: longest wait in seconds that is slept through when the portal dictates it; a longer one
        raises ``Bitrix24OperatingLimitError`` with ``retry_at``. None: any wait is slept through.

    Every method raises ``Bitrix24InputError`` (a ``ValueError``) for input it refuses before sending, and
    otherwise a ``Bitrix24Error`` that tells whether it is temporary.
    """

    conn_name_attr = "bitrix24_conn_id"
    default_conn_name = "bitrix24_default"
    conn_type = "bitrix24"
    hook_name = "Bitrix24"

    def __init__(
        self,
        bitrix24_conn_id: str = default_conn_name,
        *,
        max_wait: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.bitrix24_conn_id = bitrix24_conn_id
        self.max_wait = max_wait

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Fields of the connection form, for Airflow below 3.2; newer ones read the provider's metadata."""
        return form_widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Labels of the connection form, for Airflow below 3.2."""
        return ui_field_behaviour()

    def get_conn(self) -> Client:
        """Return the client; made at the first use and kept."""
        return self._client

    @cached_property
    def config(self) -> PortalConfig:
        """The connection, checked; every secret in it is registered with Airflow's masker."""
        try:
            config = portal_config(self.get_connection(self.bitrix24_conn_id))
        except Bitrix24Error as error:
            failure = error
        else:
            for secret in secrets(config):
                mask_secret(secret)
            return config
        raise without_frames(failure)  # they hold the whole connection

    @cached_property
    def _client(self) -> Client:
        # requests is loaded here and nowhere earlier: parsing a DAG costs nothing.
        from airflow_provider_b24.hooks.client import build_client

        return build_client(self.config, self.bitrix24_conn_id, max_wait=self.max_wait)

    def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Call a REST method and return its ``result``."""
        return self._client.call(method, params).result

    def batch(self, calls: Sequence[Call], halt: bool = False) -> list[Outcome]:
        """
        Carry out any number of calls, 50 to a request; one outcome each, in input order.

        What the portal answers raises nothing: it is in the outcomes.

        :param calls: ``rest.calls.Call`` values.
        :param halt: skip everything after the first failure.
        """
        return self._client.batch(calls, halt=halt)

    def iterate(self, method: str, params: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Yield every row of a list method, page by page."""
        return self._client.pages(method, params)

    def contact_url(self, contact_id: int) -> str:
        """Return the address of a contact's card; it holds no secret."""
        return f"{self.config.url}/crm/contact/details/{parse_id(contact_id, 'contact_id')}/"

    def get_contact_companies(self, contact_id: int) -> list[dict[str, Any]]:
        """
        Return the companies of a contact (``crm.contact.company.items.get``), by SORT.

        Shape: ``[{"COMPANY_ID": 8, "SORT": 100, "ROLE_ID": 0, "IS_PRIMARY": "Y"}, ...]``. Also empty for a
        contact that does not exist: the portal does not tell.
        """
        call = contact_company.get_companies(parse_id(contact_id, "contact_id"))
        return contact_company.plain_rows(self._perform(call))

    def set_contact_companies(
        self, contact_id: int, items: Any, *, allow_empty: bool = False, check_companies: bool = False
    ) -> list[dict[str, Any]]:
        """
        Replace the companies of a contact (``crm.contact.company.items.set``); return the items sent.

        :param contact_id: id of the contact.
        :param items: see ``crm.bindings.parse_bindings``.
        :param allow_empty: whether an empty list is meant; it unbinds every company.
        :param check_companies: refuse companies that do not exist or that the user may not read; the portal
            would store the binding all the same.
        """
        contact = parse_id(contact_id, "contact_id")
        bindings = parse_bindings(items, allow_empty=allow_empty)
        if check_companies:
            refuse_missing_companies(bindings, self._perform)
        self._perform(contact_company.set_companies(contact, bindings))
        return to_wire(bindings)

    def add_contact_company(
        self,
        contact_id: int,
        company_id: int,
        *,
        is_primary: bool | str | None = None,
        sort: int | None = None,
    ) -> bool:
        """Bind one company (``crm.contact.company.add``); False if it was bound already."""
        binding = CompanyBinding(
            parse_id(company_id, "company_id"), parse_flag(is_primary, "is_primary"), parse_sort(sort, "sort")
        )
        return bool(self._perform(contact_company.add_company(parse_id(contact_id, "contact_id"), binding)))

    def delete_contact_company(self, contact_id: int, company_id: int) -> bool:
        """Unbind one company (``crm.contact.company.delete``); False if it was not bound."""
        call = contact_company.delete_company(
            parse_id(contact_id, "contact_id"), parse_id(company_id, "company_id")
        )
        return bool(self._perform(call))

    def clear_contact_companies(self, contact_id: int) -> None:
        """Unbind every company of a contact (``crm.contact.company.items.delete``)."""
        self._perform(contact_company.clear_companies(parse_id(contact_id, "contact_id")))

    def get_contact_company_fields(self) -> dict[str, Any]:
        """Return the description of a binding's fields (``crm.contact.company.fields``)."""
        return contact_company.plain_fields(self._perform(contact_company.get_fields()))

    def sync_contact_companies(
        self,
        wanted: Any,
        *,
        mode: Mode = "diff",
        allow_empty: bool = False,
        check_companies: bool = True,
        max_failures: int | float = 0,
        report_path: str | None = None,
        dry_run: bool = False,
        columns: Sequence[str] | None = None,
        undo: bool = False,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """
        Bring the companies of any number of contacts to the wanted state.

        :param wanted: mapping of contact id to items; list or iterator of records
            ``{"contact_id": 82, "items": [...]}`` or of flat rows ``{"contact_id": 82, "company_id": 8,
            "is_primary": "Y", "sort": 100}``; or a path (``ObjectStoragePath``, ``pathlib.Path``) of a
            ``.jsonl`` or ``.csv`` file, ``.gz`` behind it if compressed. Lists and files are checked whole
            before the first write.
        :param mode: ``diff`` reads every contact and writes only differences; ``replace`` writes unread.
        :param allow_empty: whether a contact may end without companies.
        :param check_companies: look up all companies first; contacts that name a missing one fail.
        :param max_failures: how many contacts may fail, as a count (int) or a share (float).
        :param report_path: file for one JSON line per contact; with ``undo`` it restores the state before.
        :param dry_run: decide and report, write nothing.
        :param columns: names of the columns of rows that are tuples, or of a CSV file without a header.
        :param undo: ``wanted`` is the path of a report; what it wrote becomes what was before.
        :param progress: where the cursor is kept, so that a later try goes on where this one stopped.
        :returns: ``contacts, unchanged, written, failed, unknown, requests, seconds, failures`` (the first 20
            as ``{contact_id, code, description}``), ``report_path``, and ``planned`` for a dry run.
        :raises Bitrix24InputError: bad rows in a list or a file; nothing was written.
        :raises Bitrix24SyncError: more contacts failed than allowed; the report is written.
        """
        from airflow_provider_b24.sync.job import SyncJob

        job = SyncJob(
            self._client,
            wanted,
            columns=columns,
            mode=mode,
            allow_empty=allow_empty,
            check_companies=check_companies,
            max_failures=max_failures,
            report_path=report_path,
            dry_run=dry_run,
            undo=undo,
            progress=progress,
        )
        return job.go()

    def test_connection(self) -> tuple[bool, str]:
        """
        Ask the portal who we are and what we may do; one batch, no change.

        A busy portal is waited for only briefly, whatever a task's patience is.
        """
        from airflow_provider_b24.hooks.check import RETRY_TIMEOUT, check_portal
        from airflow_provider_b24.hooks.client import build_client

        try:
            client = build_client(
                self.config, self.bitrix24_conn_id, max_wait=RETRY_TIMEOUT, retry_timeout=RETRY_TIMEOUT
            )
            with contextlib.closing(client):
                return check_portal(client)
        except Bitrix24Error as error:
            return False, str(error)

    def _perform(self, call: Call) -> Any:
        return self._client.perform(call).result
