"""The companies of a contact: one operator for each of the six ``crm.contact.company.*`` methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_b24.crm.bindings import parse_bindings, parse_id, primary_company, to_wire
from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.links import Bitrix24ContactLink
from airflow_provider_b24.operators.base import Bitrix24BaseOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class _ContactOperator(Bitrix24BaseOperator):
    """An operator on one contact; links to its card."""

    template_fields: Sequence[str] = ("contact_id", "bitrix24_conn_id")
    operator_extra_links = (Bitrix24ContactLink(),)

    def __init__(self, *, contact_id: int | str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.contact_id = contact_id

    def subject(self) -> str:
        return f"contact {self.contact_id}"

    def run(self, context: Context) -> Any:
        contact_id = parse_id(self.contact_id, "contact_id")
        Bitrix24ContactLink.persist(context, self.hook.contact_url(contact_id))
        return self.work(contact_id)

    def work(self, contact_id: int) -> Any:
        raise NotImplementedError


class SetContactCompaniesOperator(_ContactOperator):
    """
    Replace the set of companies of a contact (``crm.contact.company.items.set``).

    Returns ``{"contact_id": 82, "items": [{"COMPANY_ID": 8, ...}, ...], "primary": 8}``.

    :param contact_id: id of the contact (templated).
    :param items: the companies (templated): a list of dicts in the API's names (``COMPANY_ID``,
        ``IS_PRIMARY``, ``SORT``) or in snake case, a list of ids, or text of either. From another task pass
        ``task.output``.
    :param allow_empty: whether an empty list is meant; it unbinds every company. Without it an empty list
        fails the task before anything is sent.
    :param check_companies: fail if one of the companies does not exist; the portal itself does not look.
    :param bitrix24_conn_id: id of the connection (templated).

    https://apidocs.bitrix24.com/api-reference/crm/contacts/company/crm-contact-company-items-set.html
    """

    template_fields: Sequence[str] = ("contact_id", "items", "bitrix24_conn_id")
    template_fields_renderers = {"items": "json"}  # noqa: RUF012  # Airflow's own way to declare it

    def __init__(
        self,
        *,
        contact_id: int | str,
        items: Any,
        allow_empty: bool = False,
        check_companies: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(contact_id=contact_id, **kwargs)
        self.items = items
        self.allow_empty = allow_empty
        self.check_companies = check_companies

    def work(self, contact_id: int) -> dict[str, Any]:
        for name in ("allow_empty", "check_companies"):
            if not isinstance(getattr(self, name), bool):  # e.g. an XComArg, which would count as true
                raise Bitrix24InputError(f"{name} must be True or False, got {getattr(self, name)!r:.80}")
        bindings = parse_bindings(self.items, allow_empty=self.allow_empty)
        sent = self.hook.set_contact_companies(
            contact_id, bindings, allow_empty=self.allow_empty, check_companies=self.check_companies
        )
        primary = primary_company(bindings)
        self.log.info("Contact %d now has %d companies, primary %s", contact_id, len(sent), primary)
        return {"contact_id": contact_id, "items": to_wire(bindings), "primary": primary}


class GetContactCompaniesOperator(_ContactOperator):
    """
    Return the companies of a contact (``crm.contact.company.items.get``), by SORT.

    Returns ``[{"COMPANY_ID": 8, "SORT": 100, "ROLE_ID": 0, "IS_PRIMARY": "Y"}, ...]``.

    :param contact_id: id of the contact (templated).
    :param bitrix24_conn_id: id of the connection (templated).
    """

    def work(self, contact_id: int) -> list[dict[str, Any]]:
        rows = self.hook.get_contact_companies(contact_id)
        self.log.info("Contact %d has %d companies", contact_id, len(rows))
        return rows


class AddContactCompanyOperator(_ContactOperator):
    """
    Bind one company to a contact (``crm.contact.company.add``).

    Returns True, or False if the company was bound already; both are success.

    :param contact_id: id of the contact (templated).
    :param company_id: id of the company (templated).
    :param is_primary: whether it becomes the contact's main company (templated): True, False, "Y", "N" or
        None for the portal's rule.
    :param sort: position, a positive number (templated); None for the portal's rule.
    :param bitrix24_conn_id: id of the connection (templated).
    """

    template_fields: Sequence[str] = ("contact_id", "company_id", "is_primary", "sort", "bitrix24_conn_id")

    def __init__(
        self,
        *,
        contact_id: int | str,
        company_id: int | str,
        is_primary: bool | str | None = None,
        sort: int | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(contact_id=contact_id, **kwargs)
        self.company_id = company_id
        self.is_primary = is_primary
        self.sort = sort

    def work(self, contact_id: int) -> bool:
        added = self.hook.add_contact_company(
            contact_id,
            self.company_id,  # type: ignore[arg-type]  # rendered text is read by the hook
            is_primary=self.is_primary,
            sort=self.sort,  # type: ignore[arg-type]  # as above
        )
        what = "is bound to" if added else "was already bound to"
        self.log.info("Company %s %s contact %d", self.company_id, what, contact_id)
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

    def __init__(self, *, contact_id: int | str, company_id: int | str, **kwargs: Any) -> None:
        super().__init__(contact_id=contact_id, **kwargs)
        self.company_id = company_id

    def work(self, contact_id: int) -> bool:
        deleted = self.hook.delete_contact_company(
            contact_id,
            self.company_id,  # type: ignore[arg-type]  # rendered text is read by the hook
        )
        what = "is unbound from" if deleted else "was not bound to"
        self.log.info("Company %s %s contact %d", self.company_id, what, contact_id)
        return deleted


class ClearContactCompaniesOperator(_ContactOperator):
    """
    Unbind every company of a contact (``crm.contact.company.items.delete``); returns nothing.

    :param contact_id: id of the contact (templated).
    :param bitrix24_conn_id: id of the connection (templated).
    """

    def work(self, contact_id: int) -> None:
        self.hook.clear_contact_companies(contact_id)
        self.log.info("Contact %d has no companies any more", contact_id)


class GetContactCompanyFieldsOperator(Bitrix24BaseOperator):
    """
    Return the description of a binding's fields (``crm.contact.company.fields``).

    :param bitrix24_conn_id: id of the connection (templated).
    """

    def run(self, context: Context) -> dict[str, Any]:
        return self.hook.get_contact_company_fields()
