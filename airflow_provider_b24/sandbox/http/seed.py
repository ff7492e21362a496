"""A portal with sample data for demos and tests, including contact 82 of the documentation's example."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from airflow_provider_b24.sandbox.http.portal import Portal
from airflow_provider_b24.sandbox.model import people
from airflow_provider_b24.sandbox.model.state import Rules

DEMO_CODE = "demo0webhook0code"
READ_ONLY_CODE = "demo0read0only"
NO_CRM_CODE = "demo0no0crm"
NO_SCOPE_CODE = "demo0no0scope"
DEMO_CLIENT_ID = "local.demo.12345678"
DEMO_CLIENT_SECRET = "demo0app0secret"  # noqa: S105 - opens an imitation portal only

COMPANIES = {
    7: ("Fjordline Shipping AS", "DELIVERY"),
    8: ("Aurora Foods GmbH", "OTHER"),
    9: ("Bellweather & Sons Ltd", "CONSULTING"),
    10: ("Cobalt Robotics S.A.", "MANUFACTURING"),
    11: ("Dune Analytics LLC", "IT"),
    12: ("Estrela Textil Lda", "MANUFACTURING"),
    27: ("Granite Peak Outdoor Inc.", "OTHER"),
    31: ("Hikari Denki K.K.", "MANUFACTURING"),
    33: ("Isola Verde S.r.l.", "OTHER"),
    40: ("Jumbo Telecom B.V.", "TELECOM"),
}
CONTACTS = {
    82: ("Ana", "Petrović", "Head of procurement"),
    83: ("Johannes", "Brück", "Chief accountant"),
    84: ("Mei-Ling", "Chen", "Logistics manager"),
    85: ("Kwame", "Asante", "Sales director"),
    86: ("Siobhán", "O'Connor", "IT administrator"),
    87: ("Renato", "Guimarães", "Quality engineer"),
}
BINDINGS = {
    82: [(27, 10, True)],
    83: [(8, 10, True), (31, 20, False)],
    84: [(10, 10, True), (33, 20, False), (7, 30, False)],
    85: [(9, 10, True)],
    86: [(11, 10, True), (40, 20, False)],
}
GENERATED_CONTACTS = range(100, 136)
GENERATED_COMPANIES = range(50, 62)


GENERATED_USERS = 12
SMART_PROCESS = 128
GENERATED_ITEMS = 36


def seeded_portal(
    rules: Rules = "documented",
    clock: Callable[[], float] = time.time,
    speed: float = 1.0,
    sleep: Callable[[float], None] = time.sleep,
    contacts: int = 0,
    companies: int = 0,
    **attributes: Any,
) -> Portal:
    """
    A portal with some fifty contacts, two dozen companies, a smart process, users, webhooks, and an app.

    User 1 is an administrator, user 7 may not change contacts, user 8 has no CRM access, and the webhook of
    user 9 lacks the scope ``crm``. The first four options are those of ``Portal``; contacts 1 to ``contacts``
    and companies 1 to ``companies`` are generated; ``attributes`` of the portal are set, such as ``bucket``,
    ``operating`` or ``latency``.

    :raises TypeError: if the portal has no such attribute.
    """
    portal = Portal(rules, clock, speed, sleep)
    projects = portal.add_smart_process(SMART_PROCESS, "Projects")
    portal.add_generated(
        contacts=contacts, companies=companies, user=GENERATED_USERS, **{projects: GENERATED_ITEMS}
    )
    _add_companies(portal)
    _add_contacts(portal)
    portal.add_webhook(1, DEMO_CODE)
    portal.add_webhook(7, READ_ONLY_CODE, admin=False, can_update=False, name="Ruth", last_name="Ortega")
    portal.add_webhook(8, NO_CRM_CODE, admin=False, crm_access=False, name="Nils", last_name="Aker")
    portal.add_webhook(9, NO_SCOPE_CODE, scope=("im",), admin=False, name="Sam", last_name="Reyes")
    portal.add_app(DEMO_CLIENT_ID, DEMO_CLIENT_SECRET)
    for name, value in attributes.items():
        if not hasattr(portal, name):
            raise TypeError(f"a portal has no attribute {name!r}")
        setattr(portal, name, value)
    return portal


def _add_companies(portal: Portal) -> None:
    for company_id, (title, industry) in COMPANIES.items():
        reach = {"PHONE": people.phone(company_id * 31), "EMAIL": f"office@company{company_id}.example"}
        portal.add_company(company_id, TITLE=title, INDUSTRY=industry, **reach)
    for company_id in GENERATED_COMPANIES:
        portal.add_company(company_id, **people.company(company_id))


def _add_contacts(portal: Portal) -> None:
    for contact_id, (name, last_name, post) in CONTACTS.items():
        reach = {"PHONE": people.phone(contact_id * 37), "EMAIL": f"contact{contact_id}@example.com"}
        portal.add_contact(contact_id, NAME=name, LAST_NAME=last_name, POST=post, **reach)
        portal.bind(contact_id, BINDINGS.get(contact_id, []))
    for contact_id in GENERATED_CONTACTS:
        portal.add_contact(contact_id, **people.contact(contact_id))
        portal.bind(contact_id, [(GENERATED_COMPANIES[contact_id % len(GENERATED_COMPANIES)], 10, True)])
