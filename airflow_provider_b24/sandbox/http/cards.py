"""The pages a person sees: cards of contacts and companies with their bindings, and a list of both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from itertools import islice
from typing import Any

from airflow_provider_b24.sandbox.model.state import Record, State

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


def page(state: State, path: str) -> tuple[int, str]:
    """HTTP status and HTML for a path below the portal's address."""
    match = CARD.fullmatch(path)
    if match:
        card = _contact_card if match[1] == "contact" else _company_card
        return card(state, int(match[2]))
    if path in {"/", ""}:
        return 200, _document(state, "Bitrix24 sandbox", "<h1>Bitrix24 sandbox</h1>", *_index(state))
    return 404, _document(state, "Not found", "<h1>Nothing here</h1>", "<p>This address leads nowhere.</p>")


def _contact_card(state: State, contact_id: int) -> tuple[int, str]:
    contact = state.contact(contact_id)
    if contact is None:
        return _absent(state, "Contact", contact_id)
    rows = [
        (_company_link(state, row["COMPANY_ID"]), "Yes" if row["IS_PRIMARY"] == "Y" else "", str(row["SORT"]))
        for row in state.bindings(contact_id)
    ]
    details = _details(contact, "POST", "PHONE", "EMAIL", "TYPE_ID", "SOURCE_ID", "DATE_CREATE")
    table = _table(("Company", "Primary", "Sort"), rows, "No companies")
    return 200, _card(state, "Contact", contact_id, contact_name(contact), details, "Companies", table)


def _company_card(state: State, company_id: int) -> tuple[int, str]:
    company = state.company(company_id)
    if company is None:
        return _absent(state, "Company", company_id)
    rows = [
        (_contact_link(state, contact_id), _primary_and_sort(state, contact_id, company_id))
        for contact_id in state.contacts_of(company_id)[:LISTED]
    ]
    details = _details(company, "INDUSTRY", "PHONE", "EMAIL", "COMPANY_TYPE", "DATE_CREATE")
    table = _table(("Contact", "Primary, sort"), rows, "No contacts")
    return 200, _card(state, "Company", company_id, str(company["TITLE"]), details, "Contacts", table)


def _primary_and_sort(state: State, contact_id: int, company_id: int) -> str:
    row = next(row for row in state.rows(contact_id) if row.company_id == company_id)
    return f"{'Yes, ' if row.primary else ''}{row.sort}"


def _absent(state: State, kind: str, record_id: int) -> tuple[int, str]:
    return 404, _document(state, "Not found", f"<h1>{kind} {record_id} does not exist</h1>")


def _card(state: State, kind: str, record_id: int, name: str, *parts: str) -> str:
    details, heading, table = parts
    head = f'<p class="kind">{kind} {record_id}</p><h1>{escape(name)}</h1>'
    return _document(state, name, head, details, f"<h2>{heading}</h2>", table)


def contact_name(contact: Record) -> str:
    """First and last name, or the id of a nameless contact."""
    name = f"{contact.get('NAME') or ''} {contact.get('LAST_NAME') or ''}".strip()
    return name or f"Contact {contact['ID']}"


def _details(record: Record, *names: str) -> str:
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


def _link(state: State, kind: str, record_id: int, text: str) -> str:
    return f'<a href="{escape(state.prefix)}/crm/{kind}/details/{record_id}/">{escape(text)}</a>'


def _company_link(state: State, company_id: int) -> str:
    company = state.companies.get(company_id)
    text = str(company["TITLE"]) if company else f"Company {company_id} (does not exist)"
    return _link(state, "company", company_id, text)


def _contact_link(state: State, contact_id: int) -> str:
    contact = state.contacts.get(contact_id)
    return _link(state, "contact", contact_id, contact_name(contact) if contact else f"Contact {contact_id}")


def _index(state: State) -> list[str]:
    contacts = [
        (_contact_link(state, number), _companies_of(state, number))
        for number in islice(state.contacts.ids(), LISTED)
    ]
    companies = [
        (_company_link(state, number), str(number)) for number in islice(state.companies.ids(), LISTED)
    ]
    return [
        f"<h2>Contacts ({state.contacts.count()})</h2>",
        _table(("Contact", "Companies"), contacts, "No contacts"),
        f"<h2>Companies ({state.companies.count()})</h2>",
        _table(("Company", "ID"), companies, "No companies"),
    ]


def _companies_of(state: State, contact_id: int) -> str:
    return ", ".join(_company_link(state, row.company_id) for row in state.rows(contact_id))


def _document(state: State, title: str, *parts: str) -> str:
    home = f'<p><a href="{escape(state.prefix)}/">All contacts and companies</a></p>'
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body><main>{''.join(parts)}{home}</main></body></html>"
    )
