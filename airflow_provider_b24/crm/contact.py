"""One contact and its companies: input is checked here once, and only here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_b24.crm import contact_company
from airflow_provider_b24.crm.bindings import CompanyBinding, parse_bindings
from airflow_provider_b24.crm.missing import refuse_missing_companies
from airflow_provider_b24.crm.values import parse_flag, parse_id, parse_optional_int, parse_switch
from airflow_provider_b24.rest.calls import Call


class Contact:
    """
    A contact of a portal.

    :param contact_id: id of the contact, a number or text of one.
    :param perform: sends a call and returns its ``result``.
    :param portal_url: address of the portal, without a trailing slash.
    :ivar url: address of the contact's card, without a secret.
    :raises Bitrix24InputError: ``contact_id`` is not an id. The methods raise it for input they refuse;
        nothing was written then.
    """

    def __init__(self, contact_id: Any, perform: Callable[[Call], Any], portal_url: str) -> None:
        self.id = parse_id(contact_id, "contact_id")
        self.url = f"{portal_url}/crm/contact/details/{self.id}/"
        self._perform = perform

    def get_companies(self) -> list[dict[str, Any]]:
        """Return the bindings (``crm.contact.company.items.get``), by SORT."""
        return contact_company.to_json_rows(self._perform(contact_company.get_companies(self.id)))

    def set_companies(
        self, items: Any, *, allow_empty: Any = False, check_companies: Any = False
    ) -> list[CompanyBinding]:
        """
        Replace the companies (``crm.contact.company.items.set``) and return the bindings sent.

        :param items: see ``parse_bindings``.
        :param allow_empty: whether ``items`` may be empty, which unbinds every company.
        :param check_companies: refuse companies that do not exist or that the user may not read; the portal
            itself would store the binding.
        """
        allow_empty = parse_switch(allow_empty, "allow_empty")
        check_companies = parse_switch(check_companies, "check_companies")
        bindings = parse_bindings(items, allow_empty=allow_empty)
        if check_companies:
            refuse_missing_companies(bindings, self._perform)
        self._write(contact_company.set_companies(self.id, bindings))
        return bindings

    def add_company(self, company_id: Any, is_primary: Any = None, sort: Any = None) -> bool:
        """Bind one company (``crm.contact.company.add``); False if it was already bound."""
        binding = CompanyBinding(
            parse_id(company_id, "company_id"),
            parse_flag(is_primary, "is_primary"),
            parse_optional_int(sort, "sort"),
        )
        return self._change(contact_company.add_company(self.id, binding))

    def delete_company(self, company_id: Any) -> bool:
        """Unbind one company (``crm.contact.company.delete``); False if it was not bound."""
        return self._change(contact_company.delete_company(self.id, parse_id(company_id, "company_id")))

    def clear_companies(self) -> None:
        """Unbind every company (``crm.contact.company.items.delete``)."""
        self._write(contact_company.clear_companies(self.id))

    def _write(self, call: Call) -> None:
        contact_company.confirm_write(self._perform(call), call.method)

    def _change(self, call: Call) -> bool:
        return contact_company.parse_changed(self._perform(call), call.method)
