"""The hook: a client configured by an Airflow connection, and the calls most DAGs need."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseHook, mask_secret

from airflow_provider_b24 import DEFAULT_CONN_ID
from airflow_provider_b24.connection import portal_config, secrets
from airflow_provider_b24.connection_form import form_widgets, ui_field_behaviour
from airflow_provider_b24.crm import contact_company, messages
from airflow_provider_b24.crm.bindings import to_wire
from airflow_provider_b24.crm.contact import Contact
from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError
from airflow_provider_b24.rest.calls import Call, is_read
from airflow_provider_b24.rest.redaction import without_frames

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_provider_b24.rest.client import Client
    from airflow_provider_b24.rest.config import PortalConfig
    from airflow_provider_b24.rest.replies import Outcome
    from airflow_provider_b24.runs.state import StateStore
    from airflow_provider_b24.sync.options import Mode


class Bitrix24Hook(BaseHook):
    """
    Calls a Bitrix24 portal through an Airflow connection of type ``bitrix24``.

    :param bitrix24_conn_id: id of the connection.
    :param max_wait: the longest single wait in seconds that a limit of the portal may cause; a longer one
        raises ``Bitrix24OperatingLimitError`` with ``retry_at``. None: no maximum.

    Every method raises ``Bitrix24InputError`` (a ``ValueError``) for input it refuses before anything is
    sent, and other ``Bitrix24Error`` whose ``temporary`` says whether the same call may succeed later.
    """

    conn_name_attr = "bitrix24_conn_id"
    default_conn_name = DEFAULT_CONN_ID
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

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: a hook travels without its client and its connection's secrets."""
        own = ("_client", "config", "_log")
        return {name: value for name, value in self.__dict__.items() if name not in own}

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the fields of the connection form for Airflow below 3.2; newer ones read the metadata."""
        return form_widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the labels of the connection form for Airflow below 3.2."""
        return ui_field_behaviour()

    def get_conn(self) -> Client:
        """Return the client, which is created once."""
        return self._client

    @cached_property
    def config(self) -> PortalConfig:
        """The checked connection; its secrets are registered with Airflow's masker."""
        try:
            config = portal_config(self.get_connection(self.bitrix24_conn_id))
        except Bitrix24Error as error:
            failure = error
        else:
            for secret in secrets(config):
                mask_secret(secret)
            return config
        raise without_frames(failure)  # the frames hold the whole connection

    @cached_property
    def _client(self) -> Client:
        # Imports requests, which must not slow down parsing a DAG.
        from airflow_provider_b24.hooks.client import build_client

        return build_client(self.config, self.bitrix24_conn_id, max_wait=self.max_wait)

    def call(
        self, method: str, params: Mapping[str, Any] | None = None, *, repeatable: bool | None = None
    ) -> Any:
        """
        Call a REST method and return its ``result``.

        :param method: name of the method, e.g. ``crm.item.get``.
        :param params: its parameters, JSON values.
        :param repeatable: whether it is safe to run the method twice, so that it may be sent again if the
            answer was lost. None: only reads are, as far as the method's name shows.
        """
        options: dict[str, Any] = {} if repeatable is None else {"repeatable": repeatable}
        return self._client.call(method, params, **options).result

    def read(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """
        Call a REST method that only reads and return its ``result``; of a list, the first page.

        For code that must not write, such as an agent that chooses the method itself.

        :param method: name of the method, e.g. ``crm.item.get``.
        :param params: its parameters, JSON values.
        :raises Bitrix24InputError: the method's name does not show that it only reads; nothing was sent.
        """
        call = Call(method, {} if params is None else params)
        if not is_read(method):
            raise Bitrix24InputError("this is not a method that only reads", method=method)
        return self._perform(call)

    def batch(self, calls: Sequence[Call | Mapping[str, Any]], halt: bool = False) -> list[Outcome]:
        """
        Run any number of calls, 50 to a request, and return one ``Outcome`` each, in input order.

        Errors of the portal are in the outcomes. What a batch cannot carry has a request of its own.

        :param calls: ``{"method": ..., "params": {...}}`` each, or ``rest.calls.Call`` values. A parameter
            may be ``rest.references.Ref(0, "ID")``, the result of an earlier call; then they run in order.
        :param halt: skip all remaining calls after the first failure.
        """
        return self._client.batch(calls, halt=halt)

    def iterate(self, method: str, params: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """
        Yield every row of a list method, in constant memory and with as few requests as the portal allows.

        The list is complete, or an error is raised. Rows come in the order of their ids unless ``params`` ask
        for another order.

        :param method: name of the list method, e.g. ``crm.item.list``.
        :param params: its parameters, e.g. ``select`` and ``filter``; pages are up to the reader.
        """
        return self._client.pages(method, params)

    def export(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        path: Any,
        format: str | None = None,  # noqa: A002 - the word that users expect
        rows_per_file: int | None = None,
        schema: bool = False,
        readable: bool = False,
        types: Mapping[str, str] | None = None,
        incremental: str | None = None,
        since: datetime | str | None = None,
        overlap: float = 300.0,
        ids_path: Any = None,
        max_deleted: float | int | None = None,
        owner: str = "",
    ) -> dict[str, Any]:
        """
        Write every row of a list method to a file; it appears whole, or not at all.

        :param method: name of the list method, e.g. ``crm.item.list``.
        :param params: its parameters, e.g. ``entityTypeId``, ``select`` and ``filter``.
        :param path: the file, on any storage that Airflow can open.
        :param format: see ``export.job.ExportOptions``, as for the next four, and ``owner``.
        :param incremental: the field with the time of the last change, e.g. ``updatedTime``: export only what
            changed at or after ``since``; everything if that is None.
        :param since: the ``watermark`` of an earlier export, or another time with an offset: a ``datetime``
            or ISO 8601 text. None or an empty text: everything. The hook keeps no watermark itself.
        :param overlap: seconds by which reading begins before ``since``. Rows of that time come again: let
            the newer one win, by id.
        :param ids_path: a file that keeps the ids of all rows from one export to the next. If given,
            ``<path>.deleted.jsonl`` has the id of each row that was deleted since then.
        :param max_deleted: how many rows may count as deleted, see ``export.deletions.check_max_deleted``.
        :returns: see ``export.job.export_list``; with ``ids_path`` also ``deleted``, a number, and
            ``deleted_path``.
        :raises Bitrix24Error: the list cannot be read completely, or the file cannot be written.
        """
        from airflow_provider_b24.export.gone import Kept, export_with_deletions
        from airflow_provider_b24.export.incremental import narrowed
        from airflow_provider_b24.export.job import ExportOptions, export_list
        from airflow_provider_b24.hooks.scratch import scratch_folder
        from airflow_provider_b24.hooks.storage import parse_path

        options = ExportOptions(
            parse_path(path, "path"),
            *(format, rows_per_file, schema, readable, types or {}, owner),
            scratch=scratch_folder(),
            incremental=incremental,
        )
        now, warn = self._client.clock.now(), self.log.warning
        changed = narrowed(method, params, incremental, since, overlap, now, warn)
        wanted = params if changed is None else changed
        if ids_path is None:
            return export_list(self._client, method, wanted, options, self.log.info)
        kept = Kept(parse_path(ids_path, "ids_path"), params or {}, max_deleted)
        return export_with_deletions(self._client, method, wanted, options, kept, self.log.info)

    def load(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        conn_id: str,
        table: str,
        readable: bool = False,
        types: Mapping[str, str] | None = None,
        incremental: str | None = None,
        since: datetime | str | None = None,
        overlap: float = 300.0,
        delete_missing: bool = False,
        max_deleted: float | int | None = None,
        lock_timeout: float = 60.0,
        owner: str = "",
    ) -> dict[str, Any]:
        """
        Bring every row of a list method into a database table, in one transaction.

        The table is created if it does not exist, and gets a column for each new field; ``updatedTime``
        becomes ``updated_time``. New rows are inserted, and rows that differ are changed, by id.

        :param method: name of a list method that is read by id, e.g. ``crm.item.list``.
        :param params: its parameters, e.g. ``entityTypeId``, ``select`` and ``filter``.
        :param conn_id: id of the database's connection, of any type with a ``DbApiHook``.
        :param table: the table, perhaps with its schema: ``crm.deals``.
        :param readable: whether to add the names of codes, as in ``export``.
        :param types: types of columns that are not to be those of the portal, by the field's name.
        :param incremental: the field with the time of the last change, as in ``export``.
        :param since: the ``watermark`` of an earlier load, or another time, as in ``export``.
        :param overlap: seconds by which reading begins before ``since``.
        :param delete_missing: whether rows of the table are deleted that are not in the list.
        :param max_deleted: how many of them at most, as in ``export``.
        :param lock_timeout: seconds to wait for locks that others hold on the table.
        :param owner: a name shared by the tries of one load, as in ``export``.
        :returns: ``table, rows`` (read), ``written`` (inserted or changed), ``deleted, columns`` (their
            number), ``fields`` (their names and types), ``added_columns`` (their names), ``requests, seconds,
            watermark``.
        :raises Bitrix24InputError: bad parameters, or a list that is not read by id.
        :raises Bitrix24Error: the list cannot be read completely; the table is as it was.
        """
        from airflow_provider_b24.export.incremental import narrowed
        from airflow_provider_b24.export.load import LoadOptions, load_list
        from airflow_provider_b24.hooks.database import table_target
        from airflow_provider_b24.hooks.scratch import scratch_folder

        now, warn = self._client.clock.now(), self.log.warning
        options = LoadOptions(
            narrowed(method, params, incremental, since, overlap, now, warn),
            readable,
            types or {},
            delete_missing,
            max_deleted=max_deleted,
            incremental=incremental,
            owner=owner,
            scratch=scratch_folder(),
        )
        target = table_target(conn_id, table, lock_timeout)
        return load_list(self._client, method, params, target, options, self.log.info)

    def contact(self, contact_id: int | str) -> Contact:
        """Return a contact, whose methods read and write its companies."""
        return Contact(contact_id, self._perform, self.config.url)

    def get_contact_companies(self, contact_id: int | str) -> list[dict[str, Any]]:
        """
        Return the companies of a contact (``crm.contact.company.items.get``), by SORT.

        Shape: ``[{"COMPANY_ID": 8, "SORT": 100, "ROLE_ID": 0, "IS_PRIMARY": "Y"}, ...]``. Also empty for a
        contact that does not exist: the portal does not tell them apart.
        """
        return self.contact(contact_id).get_companies()

    def set_contact_companies(
        self, contact_id: int | str, items: Any, *, allow_empty: bool = False, check_companies: bool = False
    ) -> list[dict[str, Any]]:
        """
        Replace the companies of a contact (``crm.contact.company.items.set``); return the items sent.

        :param contact_id: id of the contact.
        :param items: see ``crm.bindings.parse_bindings``.
        :param allow_empty: whether ``items`` may be empty, which unbinds every company.
        :param check_companies: refuse companies that do not exist or that the user may not read; the portal
            itself would store the binding.
        """
        contact = self.contact(contact_id)
        return to_wire(contact.set_companies(items, allow_empty=allow_empty, check_companies=check_companies))

    def add_contact_company(
        self,
        contact_id: int | str,
        company_id: int | str,
        *,
        is_primary: bool | str | None = None,
        sort: int | str | None = None,
    ) -> bool:
        """Bind one company (``crm.contact.company.add``); False if it was already bound."""
        return self.contact(contact_id).add_company(company_id, is_primary, sort)

    def delete_contact_company(self, contact_id: int | str, company_id: int | str) -> bool:
        """Unbind one company (``crm.contact.company.delete``); False if it was not bound."""
        return self.contact(contact_id).delete_company(company_id)

    def clear_contact_companies(self, contact_id: int | str) -> None:
        """Unbind every company of a contact (``crm.contact.company.items.delete``)."""
        self.contact(contact_id).clear_companies()

    def get_contact_company_fields(self) -> dict[str, Any]:
        """Return the description of a binding's fields (``crm.contact.company.fields``)."""
        return contact_company.parse_fields(self._perform(contact_company.get_fields()))

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
        delimiter: str | None = None,
        encoding: str | None = None,
        ignore_extra_columns: bool = False,
        allow_no_rows: bool = False,
        undo: bool = False,
        apply_plan: bool = False,
        progress: StateStore | None = None,
    ) -> dict[str, Any]:
        """
        Bring the companies of any number of contacts to the wanted state (``crm.contact.company.items.*``).

        :param wanted: mapping of contact id to items; list or iterator of records
            ``{"contact_id": 82, "items": [...]}`` or of flat rows ``{"contact_id": 82, "company_id": 8,
            "is_primary": "Y", "sort": 100}``; or a path of a ``.jsonl`` or ``.csv`` file, with ``.gz`` added
            if compressed. Lists and files are checked before the first write.
        :param mode: see ``sync.options.EngineOptions``, as for ``max_failures, dry_run, undo, apply_plan``.
        :param allow_empty: see ``sync.subjects.options.BindingOptions``, as for ``check_companies``.
        :param columns: see ``files.rows.FileFormat``, as for ``delimiter`` and ``encoding``.
        :param ignore_extra_columns: see ``sync.options.InputOptions``, as for ``allow_no_rows``.
        :param report_path: file for one JSON line per contact; each run needs its own.
        :param progress: where the state is stored, so that a later try continues where this one stopped.
        :returns: ``contacts, unchanged, written, failed, unknown, requests, seconds, failures`` (the first 20
            as ``{contact_id, code, description}``), ``report_path, timeline`` (see ``runs.meter.Meter``),
            and ``planned`` for a dry run.
        :raises Bitrix24InputError: bad rows, or a report that cannot be written.
        :raises Bitrix24SyncError: more contacts failed than allowed; the report is written.
        """
        given = locals()  # every option by its name, so that it is written out only in the signature
        from airflow_provider_b24.hooks.storage import is_path, parse_path
        from airflow_provider_b24.sync.job import sync_contact_companies
        from airflow_provider_b24.sync.subjects.options import BINDING_SYNC

        summary = sync_contact_companies(
            self._client,
            parse_path(wanted, "bindings") if is_path(wanted) else wanted,
            report_path=None if report_path in (None, "") else parse_path(report_path, "report_path"),
            store=progress,
            **{name: given[name] for name in BINDING_SYNC},
        )
        return dict(summary)

    def send_message(
        self, text: str, *, dialog_id: int | str | None = None, user_id: int | str | None = None
    ) -> int:
        """
        Send a message and return its id; the connection needs the scope ``im``.

        :param text: the message; BB code is allowed.
        :param dialog_id: ``chat42``, ``sg7`` (a workgroup's chat) or a user's id: ``im.message.add`` sends
            the message in the name of the connection's user.
        :param user_id: a user's id: ``im.notify.system.add`` rings their notification bell. Exactly one of
            ``dialog_id`` and ``user_id`` is required.
        """
        call = messages.message(text, dialog_id=dialog_id, user_id=user_id)
        return messages.parse_message_id(self._perform(call), call.method)

    def test_connection(self) -> tuple[bool, str]:
        """
        Ask the portal for the user, the scope and the method; one batch, which changes nothing.

        A busy portal is retried only for seconds, whatever ``[bitrix24] retry_timeout`` allows.
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
