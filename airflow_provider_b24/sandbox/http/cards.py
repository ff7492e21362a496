"""Pages for a browser: cards of contacts and companies with their bindings, and an index of both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import islice
from typing import Any

from airflow_provider_b24.sandbox.model.bindings import Binding
from airflow_provider_b24.sandbox.model.records import Record
from airflow_provider_b24.sandbox.model.state import State

CARD = re.compile(r"/crm/(contact|company)/details/(\d{1,18})/?")
LISTED = 200
STYLE = """
body{font:16px/1.5 system-ui,sans-serif;color:#1f2933;background:#f4f6f8;margin:0}
main{max-width:52rem;margin:2rem auto;padding:1.5rem 2rem;background:#fff}
main{border:1px solid #dde3e8;border-radius:8px}
h1{font-size:1.5rem;margin:.2rem 0 1rem} h2{font-size:1.1rem;margin:1.6rem 0 .4rem}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #e6eaee}
th{font-weight:600;color:#52606d} a{color:#0b66c3;text-decoration:none} a:hover{text-decoration:underline}
.kind{color:#52606d;margin:0} .none{color:#7b8794}
"""
CONTACT_DETAILS = ("POST", "PHONE", "EMAIL", "TYPE_ID", "SOURCE_ID", "DATE_CREATE")
COMPANY_DETAILS = ("INDUSTRY", "PHONE", "EMAIL", "COMPANY_TYPE", "DATE_CREATE")

Page = tuple[int, str]


def page(state: State, prefix: str, path: str) -> Page:
    """HTTP status and HTML for a path below ``prefix``."""
    pages = Pages(state, prefix)
    match = CARD.fullmatch(path)
    if match:
        card = pages.contact if match[1] == "contact" else pages.company
        return card(int(match[2]))
    return pages.index() if path in {"/", ""} else pages.not_found("Page not found")


@dataclass(frozen=True)
class Pages:
    """The pages of one portal; links begin with ``prefix``."""

    state: State
    prefix: str

    def contact(self, contact_id: int) -> Page:
        """The card of a contact with its companies."""
        contact = self.state.get("contact", contact_id)
        if contact is None:
            return self.not_found(f"Contact {contact_id} does not exist")
        rows = [self._company_row(binding) for binding in self.state.bindings.rows(contact_id)]
        heading = _heading("Contact", contact_id, contact_name(contact))
        table = _table(("Company", "ID", "Primary", "Sort"), rows, "No companies")
        companies = f"<h2>{_count(len(rows), 'company', 'companies')}</h2>"
        return 200, self._document(
            contact_name(contact), heading, _details(contact, CONTACT_DETAILS), companies, table
        )

    def _company_row(self, binding: Binding) -> tuple[str, ...]:
        company_id = binding.member_id
        primary = "Yes" if binding.primary else ""
        return self._company_link(company_id), str(company_id), primary, str(binding.sort)

    def company(self, company_id: int) -> Page:
        """The card of a company with its contacts."""
        company = self.state.get("company", company_id)
        if company is None:
            return self.not_found(f"Company {company_id} does not exist")
        bound = self.state.bindings.owners_of(company_id)
        rows = [self._contact_row(contact_id, company_id) for contact_id in bound[:LISTED]]
        title = str(company["TITLE"])
        contacts = f"<h2>{_count(len(bound), 'contact', 'contacts')}</h2>"
        table = _table(("Contact", "ID", "Primary", "Sort"), rows, "No contacts")
        heading = _heading("Company", company_id, title)
        return 200, self._document(title, heading, _details(company, COMPANY_DETAILS), contacts, table)

    def _contact_row(self, contact_id: int, company_id: int) -> tuple[str, ...]:
        binding = next(row for row in self.state.bindings.rows(contact_id) if row.member_id == company_id)
        primary = "Yes" if binding.primary else ""
        return self._contact_link(contact_id), str(contact_id), primary, str(binding.sort)

    def index(self) -> Page:
        """All contacts and companies, up to 200 of each."""
        state = self.state
        contacts = [
            (self._contact_link(number), str(number), self._companies_of(number))
            for number in islice(state.contacts.ids(), LISTED)
        ]
        companies = [
            (self._company_link(number), str(number)) for number in islice(state.companies.ids(), LISTED)
        ]
        return 200, self._document(
            "Bitrix24 sandbox",
            "<h1>Bitrix24 sandbox</h1>",
            f"<h2>{_count(state.contacts.count(), 'contact', 'contacts')}</h2>",
            _table(("Contact", "ID", "Companies"), contacts, "No contacts"),
            f"<h2>{_count(state.companies.count(), 'company', 'companies')}</h2>",
            _table(("Company", "ID"), companies, "No companies"),
        )

    def not_found(self, text: str) -> Page:
        """A page that says what does not exist."""
        return 404, self._document("Not found", f"<h1>{escape(text)}</h1>")

    def _companies_of(self, contact_id: int) -> str:
        bindings = self.state.bindings.rows(contact_id)
        return ", ".join(self._company_link(binding.member_id) for binding in bindings)

    def _company_link(self, company_id: int) -> str:
        company = self.state.get("company", company_id)
        text = str(company["TITLE"]) if company else f"Company {company_id} (does not exist)"
        return self._link("company", company_id, text)

    def _contact_link(self, contact_id: int) -> str:
        contact = self.state.get("contact", contact_id)
        return self._link(
            "contact", contact_id, contact_name(contact) if contact else f"Contact {contact_id}"
        )

    def _link(self, kind: str, record_id: int, text: str) -> str:
        return f'<a href="{escape(self.prefix)}/crm/{kind}/details/{record_id}/">{escape(text)}</a>'

    def _document(self, title: str, *parts: str) -> str:
        home = f'<p><a href="{escape(self.prefix)}/">All contacts and companies</a></p>'
        return (
            f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
            f"<style>{STYLE}</style></head><body><main>{''.join(parts)}{home}</main></body></html>"
        )


def contact_name(contact: Record) -> str:
    """First and last name, or the id of a contact without a name."""
    name = f"{contact.get('NAME') or ''} {contact.get('LAST_NAME') or ''}".strip()
    return name or f"Contact {contact['ID']}"


def _count(number: int, singular: str, plural: str) -> str:
    return f"{number} {singular if number == 1 else plural}"


def _heading(kind: str, record_id: int, name: str) -> str:
    return f'<p class="kind">{kind} {record_id}</p><h1>{escape(name)}</h1>'


def _details(record: Record, names: Iterable[str]) -> str:
    shown = ((name.removesuffix("_ID").replace("_", " ").capitalize(), record.get(name)) for name in names)
    lines = (f"<tr><th>{title}</th><td>{escape(_text(value))}</td></tr>" for title, value in shown if value)
    return f"<table>{''.join(lines)}</table>"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_text(one) for one in value)
    return str(value.get("VALUE", "")) if isinstance(value, dict) else str(value)


def _table(titles: Iterable[str], rows: Sequence[tuple[str, ...]], empty: str) -> str:
    if not rows:
        return f'<p class="none">{empty}</p>'
    head = "".join(f"<th>{title}</th>" for title in titles)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"
