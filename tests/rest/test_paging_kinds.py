"""Every kind of list of the imitation portal, complete under every fault."""

from dataclasses import replace

import pytest

from airflow_provider_b24.rest.auth.application import OAuthAuth
from airflow_provider_b24.rest.auth.tokens import MemoryTokenStore
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.config import OAuthApp, PortalConfig
from airflow_provider_b24.rest.transport import Transport
from airflow_provider_b24.sandbox import Fault, Operating, Portal
from tests.rest.conftest import CODE, PortalAdapter

SCOPE = (
    *("crm", "im", "task", "user", "department", "telephony", "lists"),
    *("sign.b2e", "calendar", "biconnector"),
)
KINDS = [
    pytest.param("deal", "crm.deal.list", {"select": ["ID"]}, "ID", id="deals"),
    pytest.param("lead", "crm.lead.list", {"select": ["ID"]}, "ID", id="leads"),
    pytest.param("quote", "crm.quote.list", {}, "ID", id="quotes"),
    pytest.param("company", "crm.company.list", {"select": ["ID"]}, "ID", id="companies"),
    pytest.param("deal", "crm.item.list", {"entityTypeId": 2, "select": ["id"]}, "id", id="items"),
    pytest.param("dynamic_128", "crm.item.list", {"entityTypeId": 128}, "id", id="smart-process"),
    pytest.param("activity", "crm.activity.list", {}, "ID", id="activities"),
    pytest.param("stage_change", "crm.stagehistory.list", {"entityTypeId": 2}, "ID", id="stage-history"),
    pytest.param("task", "tasks.task.list", {"select": ["ID"]}, "id", id="tasks"),
    pytest.param("elapsed_item", "task.elapseditem.getlist", {}, "ID", id="elapsed-items"),
    pytest.param("user", "user.get", {}, "ID", id="users"),
    pytest.param("department", "department.get", {}, "ID", id="departments"),
    pytest.param("call", "voximplant.statistic.get", {}, "ID", id="phone-calls"),
    pytest.param("address", "crm.address.list", {}, "ENTITY_ID", id="addresses"),
    pytest.param("list_element", "lists.element.get", {"IBLOCK_ID": 1}, "ID", id="list-elements"),
    pytest.param("dialog", "im.recent.list", {}, "chat_id", id="dialogs"),
    pytest.param("signed_document", "sign.b2e.personal.tail", {}, "id", id="limit-and-offset"),
    pytest.param("calendar_event", "calendar.event.get", {"type": "user"}, "ID", id="not-paged"),
    pytest.param("data_source", "biconnector.source.list", {}, "id", id="page-numbers"),
    pytest.param("deal", "crm.deal.list", {"order": {"TITLE": "ASC"}, "select": ["ID"]}, "ID", id="ordered"),
]
KIND_NAMES = ("table", "method", "params", "key")
SIZES = [0, 1, 49, 50, 51, 99, 2_500, 2_501, 7_777]
FEW_SIZES = [51, 2_501]
FAULTS = {
    "reset": [Fault("reset", every=3)],
    "lost": [Fault("reset", every=3, after=True)],
    "html_502": [Fault("html_502", every=3)],
    "truncated": [Fault("truncated", every=3, after=True)],
    "query_limit": [Fault("query_limit", every=3)],
    "time_limit": [Fault("time_limit", every=3)],
    "expired_token": [Fault("expired_token", every=3)],
    "command": [Fault("time_limit", every=7, per_command=True)],
    "operating": [],  # a limit that is in force
}


@pytest.fixture
def make_kind_portal(clock):
    """A portal with a number of rows in a table, and a fault."""

    def make(table, size, fault=""):
        portal = Portal(clock=clock.now, sleep=clock.sleep)
        portal.add_webhook(user_id=1, code=CODE, scope=SCOPE)
        portal.add_smart_process(128, "Projects")
        portal.add_generated(**{table: size})
        portal.faults = [replace(one) for one in FAULTS.get(fault, [])]
        if fault == "operating":
            portal.operating = Operating(limit=48, default_cost=1.0)
        return portal

    return make


@pytest.fixture
def make_app_client(clock, tmp_path):
    """A client that may renew its access token, as a webhook's cannot."""

    def make(portal):
        portal.add_app("local.app", "canary0secret", SCOPE)
        access, refresh = portal.issue_tokens("local.app")
        app = OAuthApp("local.app", "canary0secret", access, refresh, server="https://portal.example")
        transport = Transport(PortalConfig("https://portal.example", app), adapter=PortalAdapter(portal))
        auth = OAuthAuth(
            app,
            transport.post_form,
            MemoryTokenStore(),
            on_new_secret=lambda secret: None,
            clock=clock,
            lock_folder=tmp_path,
        )
        return Client(transport, auth, clock=clock)

    return make


@pytest.fixture
def assert_complete(make_kind_portal, make_client, make_app_client):
    """Read a list of a size and check that each of its rows came once."""

    def check(table, method, params, key, size, fault=""):
        portal = make_kind_portal(table, size, fault)
        client = make_app_client(portal) if fault == "expired_token" else make_client(portal=portal)
        keys = sorted(int(row[key]) for row in client.pages(method, params))
        wanted = sorted(portal.state.table(table).ids())
        if table == "address":  # an address has the number of its owner
            assert len(keys) == len(wanted)
        else:
            assert keys == wanted

    return check


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(KIND_NAMES, KINDS)
def test_every_row_comes_once(assert_complete, table, method, params, key, size):
    assert_complete(table, method, params, key, size)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(KIND_NAMES, KINDS)
def test_faults_lose_and_double_no_row(assert_complete, table, method, params, key, fault):
    for size in FEW_SIZES:
        assert_complete(table, method, params, key, size, fault)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(KIND_NAMES, KINDS)
def test_faults_lose_and_double_no_row_of_a_list_of_any_other_size(
    assert_complete, table, method, params, key, fault
):
    for size in sorted({*SIZES} - {*FEW_SIZES}):
        assert_complete(table, method, params, key, size, fault)


@pytest.mark.parametrize(KIND_NAMES, KINDS)
def test_a_list_of_three_rows_takes_at_most_two_commands(
    make_kind_portal, make_client, table, method, params, key
):
    portal = make_kind_portal(table, 3)
    rows = [*make_client(portal=portal).pages(method, params)]
    assert sum(portal.executed.values()) <= (2 if len(rows) < 50 else 3)
