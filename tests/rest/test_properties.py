"""Outcomes of a batch stay with their calls and tell the truth; a list is complete, or an error."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_b24.crm.bindings import CompanyBinding
from airflow_provider_b24.crm.contact_company import add_company, get_companies, set_companies
from airflow_provider_b24.errors import Bitrix24Error
from airflow_provider_b24.rest.auth.webhook import WebhookAuth
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.config import PortalConfig, Webhook
from airflow_provider_b24.rest.transport import Transport
from airflow_provider_b24.sandbox import Fault, Portal
from tests.rest.conftest import CODE, FakeClock, PortalAdapter

CONTACTS = 400
KINDS = [
    *("reset", "hang", "empty", "html_502", "html_504", "html_413", "truncated", "not_json"),
    *("query_limit", "time_limit", "server_error"),
]
NOT_EXECUTED = ("query_limit", "time_limit", "html_413")  # such an answer says so


def make_fault(kind, *, after, **options):
    return Fault(kind, after=after and kind not in NOT_EXECUTED, **options)


one_fault = st.builds(
    make_fault,
    st.sampled_from(KINDS),
    every=st.integers(2, 6),
    times=st.integers(1, 6),
    after=st.booleans(),
)
command_fault = st.builds(
    make_fault,
    st.sampled_from(["query_limit", "time_limit", "server_error"]),
    every=st.integers(3, 40),
    times=st.integers(1, 20),
    after=st.booleans(),
    per_command=st.just(True),
)
faults = st.lists(one_fault | command_fault, max_size=3)
call_kinds = st.sampled_from(["set", "get", "add", "create", "missing", "unknown", "refused", "alone"])
mixes = st.lists(st.tuples(call_kinds, st.integers(1, CONTACTS)), min_size=1, max_size=260)


def portal_and_client(faults):
    clock = FakeClock()
    portal = Portal(clock=clock.now, sleep=clock.sleep)
    portal.add_webhook(1, CODE)
    portal.add_generated(contacts=CONTACTS, companies=100)
    for fault in faults:
        portal.add_fault(fault)
    webhook = Webhook(1, CODE)
    transport = Transport(PortalConfig("https://portal.example", webhook), adapter=PortalAdapter(portal))
    return portal, Client(transport, WebhookAuth(webhook), clock=clock)


def call_of(kind, contact, index):
    return {
        "set": set_companies(contact, [CompanyBinding(index % 100 + 1)]),
        "get": get_companies(contact),
        "add": add_company(contact, CompanyBinding(index % 100 + 1)),
        "create": Call("crm.contact.add", {"fields": {"NAME": f"Ann {index}"}}),
        "missing": Call("crm.contact.get", {"id": CONTACTS + 500 + index}),
        "unknown": Call("crm.no.such.get", {"id": index}),
        "refused": Call("crm.contact.list", {"filter": {"@ID": []}}),
        "alone": Call("crm.contact.add", {"fields": {"NAME": f"Ann {index}", "COMPANY_IDS": []}}),
    }[kind]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(mixes, faults)
def test_every_outcome_belongs_to_its_call_and_tells_the_truth(mix, faults):
    portal, client = portal_and_client(faults)
    calls = [call_of(kind, contact, index) for index, (kind, contact) in enumerate(mix)]
    outcomes = list(client.bulk(calls))
    assert [outcome.call for outcome in outcomes] == calls
    names = [row["NAME"] for row in added(portal)]
    for index, ((kind, _), outcome) in enumerate(zip(mix, outcomes, strict=True)):
        if kind in ("missing", "unknown", "refused"):
            assert outcome.status in ("failure", "unknown", "skipped")
        if kind == "get" and outcome.ok:
            assert isinstance(outcome.result, list)
        if kind in ("create", "alone"):
            times = names.count(f"Ann {index}")
            allowed = {"success": (1,), "unknown": (0, 1)}.get(outcome.status, (0,))
            assert times in allowed, (outcome, times)
            if outcome.ok:
                assert portal.contact(int(outcome.result))["NAME"] == f"Ann {index}"


def added(portal):
    return [portal.contact(number) for number in range(CONTACTS + 1, portal.contacts.last_id + 1)]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.sampled_from(["crm.contact.list", "crm.item.list"]),
    st.sampled_from([{}, {"order": {"ID": "DESC"}}, {"order": {"ID": "ASC"}}]),
    st.integers(0, 300),
    st.sets(st.integers(1, 300), max_size=120),
    faults,
)
def test_a_list_is_complete_or_an_error(method, order, last, deleted, faults):
    portal, client = portal_and_client(faults)
    for contact in deleted:
        portal.delete_contact(contact)
    key = "id" if method == "crm.item.list" else "ID"
    params = {"filter": {f"<={key}": last}, **({"entityTypeId": 3} if key == "id" else {})}
    if order:
        params["order"] = {key: order["order"]["ID"]}
    expected = [contact for contact in range(1, last + 1) if contact not in deleted]
    found = None
    with contextlib.suppress(*[Bitrix24Error][: len(faults)]):
        found = [int(row[key]) for row in client.pages(method, params)]
    assert found is None or sorted(found) == expected


@pytest.mark.parametrize("size", [1, 49, 50, 51, 2500])
def test_a_list_without_faults_is_complete(size):
    portal, client = portal_and_client([])
    portal.add_generated(deal=size)
    rows = client.pages("crm.item.list", {"entityTypeId": 2, "select": ["id"]})
    assert [int(row["id"]) for row in rows] == [*range(1, size + 1)]
