"""Names beside codes."""

import pytest

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.sandbox import Portal
from tests.export.conftest import json_rows
from tests.rest.conftest import CODE

SMALL = {"entityTypeId": 2, "filter": {"<=id": 120}}


def test_codes_of_deals_get_the_names_that_the_portal_shows(export, deals):
    deals.update_record("deal", 7, STAGE_ID="WON", SOURCE_ID="TRADE_SHOW", CATEGORY_ID=1, UF_CRM_KIND=2)
    summary, path = export("deals.jsonl", params=SMALL, readable=True)
    row = json_rows(path)[6]
    assert (row["stageId"], row["stageIdName"]) == ("WON", "Won")
    assert (row["sourceIdName"], row["categoryIdName"], row["ufCrmKindName"]) == (
        "Trade show",
        "Retail",
        "Old",
    )
    assert row["assignedByIdName"] == "Alex Morgan"
    assert json_rows(path)[0]["ufCrmKindName"] is None
    assert summary["columns"] == len(row)


def test_old_lists_name_their_codes_in_capital_letters(export):
    params = {"filter": {"<=ID": 20}, "select": ["ID", "STAGE_ID", "TYPE_ID"]}
    _, path = export("deals.jsonl", "crm.deal.list", params, readable=True)
    rows = json_rows(path)
    assert rows[0].keys() == {"ID", "STAGE_ID", "TYPE_ID", "STAGE_ID_NAME", "TYPE_ID_NAME"}
    assert all(row["STAGE_ID_NAME"] and row["TYPE_ID_NAME"] for row in rows)


def test_each_code_that_has_several_values_has_several_names(export, deals):
    deals.add_user_field(2, "UF_CRM_MANY", "enumeration", multiple=True, options=[(1, "A"), (2, "B")])
    deals.update_record("deal", 1, UF_CRM_MANY=[2, 1])
    _, path = export("deals.jsonl", params=SMALL, readable=True)
    assert json_rows(path)[0]["ufCrmManyName"] == ["B", "A"]


@pytest.mark.parametrize("name", ["none.csv", "none.parquet"])
def test_names_are_columns_also_where_there_is_no_row(export, name):
    pytest.importorskip("pyarrow")
    params = {"entityTypeId": 2, "filter": {">id": 30_000}, "select": ["id", "stageId"]}
    summary, _ = export(name, params=params, readable=True)
    assert summary["columns"] == 3


def test_users_stay_without_names_if_they_cannot_be_read(make_client, export, clock):
    portal = Portal(clock=clock.now, sleep=clock.sleep)
    portal.add_webhook(user_id=1, code=CODE, scope=("crm",))
    portal.add_generated(deal=10)
    log = []
    client = make_client(portal=portal)
    _, path = export("deals.jsonl", params=SMALL, readable=True, client=client, log=log)
    assert "stageIdName" in json_rows(path)[0]
    assert "assignedByIdName" not in json_rows(path)[0]
    assert "scope 'user'" in log[0]


def test_lists_outside_the_crm_have_no_names(export, deals):
    with pytest.raises(Bitrix24InputError, match="lists of the CRM only"):
        export("tasks.jsonl", "tasks.task.list", {}, readable=True)


def test_names_are_read_once_for_all_tries(export, deals):
    export("deals.jsonl", params={"entityTypeId": 2}, readable=True)
    assert deals.executed["crm.status.list"] == deals.executed["user.get"] == 1
