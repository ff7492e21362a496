"""Whatever is bound and wanted: one run reaches it, the next one writes nothing, undo restores it exactly."""

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_b24.crm.bindings import CompanyBinding
from airflow_provider_b24.rest.auth.webhook import WebhookAuth
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.config import PortalConfig, Webhook
from airflow_provider_b24.rest.transport import Transport
from airflow_provider_b24.sandbox import Fault, Portal
from airflow_provider_b24.sync.job import sync_contact_companies
from tests.rest.conftest import CODE, FakeClock, PortalAdapter
from tests.sync.conftest import MemoryPath

COMPANIES = 12
sorts = st.integers(-20, 500)
one_bound = st.tuples(st.integers(1, COMPANIES), sorts, st.booleans())
bound = st.lists(one_bound, unique_by=lambda row: row[0], max_size=5)
one_wanted = st.builds(
    CompanyBinding, st.integers(1, COMPANIES), st.sampled_from([None, False, True]), st.none() | sorts
)
wanted_rows = st.lists(one_wanted, unique_by=lambda row: row.company_id, max_size=5)
contacts = st.dictionaries(st.integers(1, 40), st.tuples(bound, wanted_rows), min_size=1, max_size=20)
faults = st.lists(
    st.tuples(
        st.sampled_from(["reset", "html_502", "truncated", "query_limit", "server_error"]), st.booleans()
    ),
    max_size=3,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(contacts, faults, st.sampled_from(["documented", "observed"]))
def test_one_run_reaches_what_is_wanted_the_next_writes_nothing_and_undo_restores(contacts, faults, rules):
    clock = FakeClock()
    portal = Portal(rules, clock=clock.now, sleep=clock.sleep)
    portal.add_webhook(1, CODE)
    portal.add_generated(contacts=40, companies=COMPANIES)
    for contact, (rows, _) in contacts.items():  # no REST method writes companies without one primary
        primary = next((company for company, _, marked in rows if marked), rows[0][0] if rows else 0)
        portal.bind(contact, [(company, sort, company == primary) for company, sort, _ in rows])
    for number, (kind, after) in enumerate(faults):
        portal.add_fault(Fault(kind, on=number + 1, after=after))
    webhook = Webhook(1, CODE)
    transport = Transport(PortalConfig("https://portal.example", webhook), adapter=PortalAdapter(portal))
    client = Client(transport, WebhookAuth(webhook), clock=clock)
    before = {contact: portal.bindings(contact) for contact in contacts}
    wanted = {contact: with_one_primary(rows) for contact, (_, rows) in contacts.items()}
    report = MemoryPath({}, "store://bucket/report.jsonl")

    first = sync_contact_companies(client, wanted, allow_empty=True, report_path=report)
    assert (first["failed"], first["unknown"]) == (0, 0)
    for contact, rows in wanted.items():
        found = portal.bindings(contact)
        assert {row["COMPANY_ID"] for row in found} == {row.company_id for row in rows}
        assert [row["IS_PRIMARY"] for row in found].count("Y") == min(1, len(rows))
        stated = {row.company_id: row.sort for row in rows if row.sort is not None}
        assert stated.items() <= {row["COMPANY_ID"]: row["SORT"] for row in found}.items()

    second = sync_contact_companies(client, wanted, allow_empty=True)
    assert (second["written"], second["unchanged"]) == (0, len(wanted))

    sync_contact_companies(client, report, allow_empty=True, undo=True)
    assert {contact: portal.bindings(contact) for contact in contacts} == before


def with_one_primary(rows):
    marked = [row.company_id for row in rows if row.is_primary][:1]
    return [
        CompanyBinding(row.company_id, True if row.company_id in marked else None, row.sort) for row in rows
    ]
