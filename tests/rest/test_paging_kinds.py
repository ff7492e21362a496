"""Every kind of list of the imitation portal, complete under every fault."""

import pytest

from airflow_provider_b24.sandbox import Fault, Portal
from tests.rest.conftest import CODE

SCOPE = ("crm", "im", "task", "user", "department", "telephony", "lists")
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
    pytest.param("deal", "crm.deal.list", {"order": {"TITLE": "ASC"}, "select": ["ID"]}, "ID", id="ordered"),
]
KIND_NAMES = ("table", "method", "params", "key")
FAULTS = {
    "reset": {"every": 3},
    "lost": {"kind": "reset", "every": 3, "after": True},
    "html_502": {"every": 3},
    "truncated": {"every": 3, "after": True},
    "query_limit": {"every": 3},
    "time_limit": {"every": 3},
    "command": {"kind": "time_limit", "every": 7, "per_command": True},
}


@pytest.fixture
def read(clock, make_client):
    """Fill a table, read its list, and return the portal, the keys read, and those there are."""

    def read(table, method, params, key, size, *faults):
        portal = Portal(clock=clock.now, sleep=clock.sleep)
        portal.add_webhook(user_id=1, code=CODE, scope=SCOPE)
        portal.add_smart_process(128, "Projects")
        portal.add_generated(**{"contacts" if table == "contact" else table: size}) if size else None
        portal.faults = [Fault(**fault) for fault in faults]
        wanted = set(portal.state.table(table).ids())
        rows = make_client(portal=portal).pages(method, params)
        return portal, [int(row[key]) for row in rows], wanted

    return read


@pytest.mark.parametrize("size", [0, 1, 49, 50, 51, 99, 2_500, 2_501, 7_777])
@pytest.mark.parametrize(KIND_NAMES, KINDS)
def test_every_row_comes_once(read, table, method, params, key, size):
    _, keys, wanted = read(table, method, params, key, size)
    if table == "address":  # an address has the number of its owner
        assert len(keys) == len(wanted)
    else:
        assert sorted(keys) == sorted(wanted)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(KIND_NAMES, KINDS)
def test_faults_lose_and_double_no_row(read, table, method, params, key, fault):
    _, keys, wanted = read(table, method, params, key, 7_777, {"kind": fault} | FAULTS[fault])
    if table == "address":
        assert len(keys) == len(wanted)
    else:
        assert sorted(keys) == sorted(wanted)


@pytest.mark.parametrize(KIND_NAMES, KINDS)
def test_a_list_of_three_rows_takes_at_most_two_commands(read, table, method, params, key):
    portal, _, wanted = read(table, method, params, key, 3)
    assert sum(portal.executed.values()) <= (2 if len(wanted) < 50 else 3)
