"""The companies of a contact: one operator for each of the six ``crm.contact.company.*`` methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_b24.crm.bindings import CompanyBinding, primary_company, to_wire
from airflow_provider_b24.links import Bitrix24ContactLink
from airflow_provider_b24.operators.base import Bitrix24BaseOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_b24.crm.contact import Contact
    from airflow_provider_b24.operators.templated import Templated


class _ContactOperator(Bitrix24BaseOperator):
    """An operator on one contact; it links to the contact's card. A subclass implements ``work``."""

    template_fields: Sequence[str] = ("contact_id", "bitrix24_conn_id")
    operator_extra_links = (Bitrix24ContactLink(),)

    def __init__(self, *, contact_id: Templated[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.contact_id: Any = contact_id  # rendered by the time it is used

    def subject(self) -> str:
        return f"contact {self.contact_id}"

    def run(self, context: Context) -> Any:
        contact = self.hook.contact(self.contact_id)
        Bitrix24ContactLink.persist(context, contact.url)
        return self.work(contact)

    def work(self, contact: Contact) -> Any:
        raise NotImplementedError


class SetContactCompaniesOperator(_ContactOperator):
    """
    Replace the companies of a contact (``crm.contact.company.items.set``).

    Returns ``{"contact_id": 82, "items": [{"COMPANY_ID": 8, ...}, ...], "primary": 8}``.

    :param contact_id: id of the contact (templated).
    :param items: the companies (templated): a list of dicts in the API's names (``COMPANY_ID``,
        ``IS_PRIMARY``, ``SORT``) or in snake case, a list of ids, or text of either. To pass the result of
        another task use ``task.output``.
    :param allow_empty: whether the list may be empty, which unbinds every company. Otherwise an empty list
        fails the task before anything is sent.
    :param check_companies: fail if one of the companies does not exist; the portal itself does not check.
    :param bitrix24_conn_id: id of the connection (templated).

    https://apidocs.bitrix24.com/api-reference/crm/contacts/company/crm-contact-company-items-set.html
    """

    template_fields: Sequence[str] = ("contact_id", "items", "bitrix24_conn_id")
    template_fields_renderers = {"items": "json"}  # noqa: RUF012  # Airflow's own way to declare it

    def __init__(
        self,
        *,
        contact_id: Templated[int],
        items: Templated[Sequence[int | str | Mapping[str, Any] | CompanyBinding]],
        allow_empty: bool = False,
        check_companies: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(contact_id=contact_id, **kwargs)
        self.items = items
        self.allow_empty = allow_empty
        self.check_companies = check_companies

    def work(self, contact: Contact) -> dict[str, Any]:
        bindings = contact.set_companies(
            self.items, allow_empty=self.allow_empty, check_companies=self.check_companies
        )
        primary = primary_company(bindings)
        if primary is None:
            self.log.info("Removed all companies of contact %d", contact.id)
        else:
            self.log.info("Contact %d now has %s; primary: %d", contact.id, _count(len(bindings)), primary)
        return {"contact_id": contact.id, "items": to_wire(bindings), "primary": primary}


class GetContactCompaniesOperator(_ContactOperator):
    """
    Return the companies of a contact (``crm.contact.company.items.get``), by SORT.

    Returns ``[{"COMPANY_ID": 8, "SORT": 100, "ROLE_ID": 0, "IS_PRIMARY": "Y"}, ...]``.

    :param contact_id: id of the contact (templated).
    :param bitrix24_conn_id: id of the connection (templated).
    """

    def work(self, contact: Contact) -> list[dict[str, Any]]:
        rows = contact.get_companies()
        self.log.info("Contact %d has %s", contact.id, _count(len(rows)))
        return rows


class AddContactCompanyOperator(_ContactOperator):
    """
    Bind one company to a contact (``crm.contact.company.add``).

    Returns True, or False if the company was already bound; both are success.

    :param contact_id: id of the contact (templated).
    :param company_id: id of the company (templated).
    :param is_primary: whether it becomes the contact's primary company (templated): True, False, "Y", "N" or
        None for the portal's default.
    :param sort: position, any whole number (templated); None for the portal's default.
    :param bitrix24_conn_id: id of the connection (templated).
    """

    template_fields: Sequence[str] = ("contact_id", "company_id", "is_primary", "sort", "bitrix24_conn_id")

    def __init__(
        self,
        *,
        contact_id: Templated[int],
        company_id: Templated[int],
        is_primary: Templated[bool] | None = None,
        sort: Templated[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(contact_id=contact_id, **kwargs)
        self.company_id = company_id
        self.is_primary = is_primary
        self.sort = sort

    def work(self, contact: Contact) -> bool:
        added = contact.add_company(self.company_id, self.is_primary, self.sort)
        what = "Bound company %s to contact %d" if added else "Company %s was already bound to contact %d"
        self.log.info(what, self.company_id, contact.id)
        return added


class DeleteContactCompanyOperator(_ContactOperator):
    """
    Unbind one company from a contact (``crm.contact.company.delete``).

    Returns True, or False if the company was not bound; both are success.

    :param contact_id: id of the contact (templated).
    :param company_id: id of the company (templated).
    :param bitrix24_conn_id: id of the connection (templated).
    """

    template_fields: Sequence[str] = ("contact_id", "company_id", "bitrix24_conn_id")

    def __init__(self, *, contact_id: Templated[int], company_id: Templated[int], **kwargs: Any) -> None:
        super().__init__(contact_id=contact_id, **kwargs)
        self.company_id = company_id

    def work(self, contact: Contact) -> bool:
        deleted = contact.delete_company(self.company_id)
        what = "Unbound company %s from contact %d" if deleted else "Company %s was not bound to contact %d"
        self.log.info(what, self.company_id, contact.id)
        return deleted


class ClearContactCompaniesOperator(_ContactOperator):
    """
    Unbind every company of a contact (``crm.contact.company.items.delete``); returns nothing.

    :param contact_id: id of the contact (templated).
    :param bitrix24_conn_id: id of the connection (templated).
    """

    def work(self, contact: Contact) -> None:
        contact.clear_companies()
        self.log.info("Removed all companies of contact %d", contact.id)


class GetContactCompanyFieldsOperator(Bitrix24BaseOperator):
    """
    Return the description of a binding's fields (``crm.contact.company.fields``).

    :param bitrix24_conn_id: id of the connection (templated).
    """

    def run(self, context: Context) -> dict[str, Any]:
        return self.hook.get_contact_company_fields()


def _count(companies: int) -> str:
    return "1 company" if companies == 1 else f"{companies} companies"
