"""Lists: filters, order, paging and result shapes of every list method, and large generated tables."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_b24.sandbox import Answer, Portal, RestError
from airflow_provider_b24.sandbox.model.records import Records

ALL_SCOPES = ("crm", "im", "task", "user", "department", "telephony", "lists")
OLD = ["contact", "company", "deal", "lead", "quote"]


@pytest.fixture
def everything(portal: Portal, as_user) -> Any:
    """A caller with every scope, and 120 records in every table."""
    tables = [name for name in portal.state.tables if name not in {"contact", "company"}]
    portal.add_generated(contacts=120, companies=120, **dict.fromkeys(tables, 120))
    portal.add_smart_process(128, "Projects")
    portal.add_generated(dynamic_128=120)
    return as_user(scope=ALL_SCOPES)


@pytest.mark.parametrize("kind", OLD)
@pytest.mark.parametrize(
    "condition", [{"id": 5}, {"NO_SUCH_FIELD": 1}, {"@ID": []}, {"=TITLE": {}}, {">ID": ""}]
)
def test_old_lists_ignore_unknown_and_wrongly_cased_fields_and_empty_lists(everything, kind, condition):
    """The server's code: names are case-sensitive, and an empty array is no condition."""
    _, every = everything(f"crm.{kind}.list")
    _, found = everything(f"crm.{kind}.list", {"filter": condition})
    assert found["total"] == every["total"] >= 120


@pytest.mark.parametrize("name", ["filter", "order"])
@pytest.mark.parametrize("value", ["ID", 5, True])
def test_a_filter_or_order_that_is_no_array_is_refused(rest, name, value):
    text = f"Parameter '{name}' must be array."
    assert rest.error("crm.contact.list", {name: value}) == (400, "", text)


def test_item_filter_or_order_that_is_no_array_is_refused(rest):
    status, code, _ = rest.error("crm.item.list", {"entityTypeId": 3, "filter": "x"})
    assert (status, code) == (400, "100")


@pytest.mark.parametrize("type_id", [1, 2, 3, 4, 7, 128])
def test_an_empty_list_is_no_condition_in_item_lists(everything, type_id):
    params = {"entityTypeId": type_id, "select": ["id"]}
    _, every = everything("crm.item.list", params)
    _, found = everything("crm.item.list", {**params, "filter": {"@id": []}})
    assert found["total"] == every["total"]


def ids(caller, condition: Any, **more: Any) -> list[int]:
    params = {"entityTypeId": 3, "filter": condition, "select": ["id"], **more}
    return [item["id"] for item in caller.result("crm.item.list", params)["items"]]


def test_item_filters_take_logic_and_nested_groups(rest):
    """The documentation of crm.item.list: ``logic`` joins the entries of its level."""
    either = {"logic": "OR", "0": {"=id": 82}, "1": {"lastName": "Chen"}}
    assert ids(rest, either) == [82, 84]
    assert ids(rest, {">id": 82, "0": either}) == [84]
    assert ids(rest, {**either, "=id": 87}) == [82, 84, 87]
    assert ids(rest, [{">=id": 82}, {"<=id": 83}]) == [82, 83]


@pytest.mark.parametrize("name", ["id", "ID"])
def test_item_lists_can_be_ordered_by_id_in_both_spellings(rest, name):
    assert ids(rest, {"<=id": 84}, order={name: "DESC"}) == [84, 83, 82]


@pytest.mark.parametrize(
    ("moment", "found"),
    [
        ("2027-01-15 08:00:00", True),
        ("2027-01-15T11:00:00+03:00", True),
        ("2027-01-15T08:00:01Z", False),
        ("2027-01-15", True),
        ("15.01.2027 08:00:00", True),
        ("2027-01-15T08:00:00.000000+00:00", False),
        ("yesterday", False),
    ],
)
def test_times_in_filters_are_compared_as_times(rest, moment, found):
    assert (82 in ids(rest, {">=updatedTime": moment})) is found


def test_a_portal_in_another_zone_tells_and_reads_its_own_time(portal, rest):
    portal.utc_offset = 3
    assert rest.result("server.time") == "2027-01-15T11:00:00+03:00"
    assert rest("scope")[1]["time"]["date_start"] == "2027-01-15T11:00:00+03:00"
    portal.update_record("contact", 83, POST="Director")
    assert portal.record("contact", 83)["DATE_MODIFY"] == "2027-01-15T11:00:00+03:00"
    for moment, found in (
        ("2027-01-15 11:00:00", True),
        ("2027-01-15 11:00:01", False),
        ("15.01.2027 11:00", True),
    ):
        assert (83 in ids(rest, {">=updatedTime": moment})) is found
        rows = rest.result("crm.contact.list", {"filter": {">=DATE_MODIFY": moment}, "select": ["ID"]})
        assert ("83" in [row["ID"] for row in rows]) is found
    assert 83 in ids(rest, {">=updatedTime": "2027-01-15T08:00:00Z"})


def test_a_change_moves_the_time_of_modification_and_bindings_do_not(portal, rest, clock):
    """The server's code: binding methods change no DATE_MODIFY."""
    clock.sleep(60)
    rest.result("crm.contact.company.items.set", {"id": 83, "items": []})
    rest.result("crm.contact.update", {"id": 82, "fields": {"POST": "Director"}})
    rest.result("crm.item.update", {"entityTypeId": 3, "id": 84, "fields": {"post": "Director"}})
    portal.update_record("contact", 85, POST="Director")
    assert ids(rest, {">updatedTime": "2027-01-15T08:00:00+00:00"}) == [82, 84, 85]


@pytest.mark.parametrize("kind", OLD)
def test_old_rows_are_upper_case_with_numbers_as_text(everything, kind):
    row = everything.result(f"crm.{kind}.list")[0]
    assert all(isinstance(value, str | None) for value in row.values()), row
    assert set(row) <= set(everything.result(f"crm.{kind}.fields"))
    assert not {"CONTACT_IDS", "COMPANY_IDS", "PHONE"} & set(row)


@pytest.mark.parametrize("type_id", [1, 2, 3, 4, 7, 128])
def test_items_are_typed_and_described_by_their_fields(everything, type_id):
    fields = everything.result("crm.item.fields", {"entityTypeId": type_id})["fields"]
    item = everything.result("crm.item.get", {"entityTypeId": type_id, "id": 5})["item"]
    assert fields.keys() <= item.keys()
    for name, field in fields.items():
        if field["type"] in {"integer", "user"} and not field["isMultiple"]:
            assert isinstance(item[name], int), name
        if field["type"] == "double":
            assert isinstance(item[name], float), name
    assert fields["updatedTime"] == {
        "type": "datetime",
        "isRequired": False,
        "isReadOnly": True,
        "isImmutable": False,
        "isMultiple": False,
        "isDynamic": False,
        "title": "Modified on",
        "upperName": "DATE_MODIFY",
    }


def test_users_fields_are_described_stored_and_listed(portal, rest):
    portal.add_generated(deal=3)
    portal.add_user_field(
        2, "UF_CRM_1700000001", "enumeration", "Region", options=[(7, "North"), (8, "South")]
    )
    portal.add_user_field(2, "UF_CRM_1700000002", "double", "Weight", multiple=True)
    field = rest.result("crm.deal.fields")["UF_CRM_1700000001"]
    assert (field["isDynamic"], field["listLabel"]) == (True, "Region")
    assert field["items"] == [{"ID": "7", "VALUE": "North"}, {"ID": "8", "VALUE": "South"}]
    fields = rest.result("crm.item.fields", {"entityTypeId": 2})["fields"]
    assert fields["ufCrm_1700000002"]["upperName"] == "UF_CRM_1700000002"
    changed = {"ufCrm_1700000001": 7, "ufCrm_1700000002": [1.5, 2]}
    item = rest.result("crm.item.update", {"entityTypeId": 2, "id": 2, "fields": changed})["item"]
    assert {name: item[name] for name in changed} == changed
    params = {"filter": {"UF_CRM_1700000001": 7}, "select": ["ID", "UF_CRM_1700000001"]}
    assert rest.result("crm.deal.list", params) == [{"ID": "2", "UF_CRM_1700000001": "7"}]
    assert "UF_CRM_1700000001" not in rest.result("crm.deal.list")[0]


@pytest.mark.parametrize(
    ("name", "camel"), [("UF_CRM_5_1700000001", "ufCrm5_1700000001"), ("UF_CRM_REGION", "ufCrmRegion")]
)
def test_users_fields_have_the_names_of_the_documentation_in_items(portal, rest, name, camel):
    table = portal.add_smart_process(150, "Projects")
    portal.add_user_field(150, name)
    portal.add_record(table, **{name: "x"})
    assert rest.result("crm.item.get", {"entityTypeId": 150, "id": 1})["item"][camel] == "x"


# How each list is walked by offset: its method, parameters, the key of the rows, and the rows' id.
OFFSET_LISTS = [
    *((f"crm.{kind}.list", {}, None, "ID") for kind in OLD),
    *(("crm.item.list", {"entityTypeId": number}, "items", "id") for number in (1, 2, 3, 4, 7, 128)),
    ("tasks.task.list", {}, "tasks", "id"),
    ("user.get", {}, None, "ID"),
    ("department.get", {}, None, "ID"),
    ("voximplant.statistic.get", {}, None, "ID"),
    ("crm.stagehistory.list", {"entityTypeId": 2}, "items", "ID"),
    ("crm.activity.list", {}, None, "ID"),
    ("lists.element.get", {"IBLOCK_TYPE_ID": "lists", "IBLOCK_ID": 1}, None, "ID"),
]


@pytest.mark.parametrize(("method", "params", "key", "id_name"), OFFSET_LISTS)
def test_a_walk_by_next_sees_every_row_once(everything, method, params, key, id_name):
    seen: list[int] = []
    start: int | None = 0
    while start is not None:
        _, body = everything(method, {**params, "start": start})
        rows = body["result"][key] if key else body["result"]
        seen += [int(row[id_name]) for row in rows]
        start = body.get("next")
    assert body["total"] == len(seen) == len(set(seen))
    assert set(range(1, 121)) <= set(seen)


KEYSET_LISTS = [
    *((f"crm.{kind}.list", {}, None, "ID", "ID") for kind in OLD),
    *(("crm.item.list", {"entityTypeId": number}, "items", "id", "id") for number in (1, 2, 3, 4, 7, 128)),
    ("tasks.task.list", {}, "tasks", "id", "ID"),
    ("crm.stagehistory.list", {"entityTypeId": 2}, "items", "ID", "ID"),
    ("crm.activity.list", {}, None, "ID", "ID"),
]


@pytest.mark.parametrize(("method", "params", "key", "id_name", "filter_name"), KEYSET_LISTS)
def test_a_chained_batch_walks_by_id_and_begins_again_after_the_end(
    everything, method, params, key, id_name, filter_name
):
    """A reference to a missing row finds the rows before it, of which PHP makes 1: the list begins again."""
    given = "&".join(f"{name}={value}" for name, value in params.items())
    common = f"{method}?{given}&order[{filter_name}]=ASC&start=-1&filter[>{filter_name}]="
    path = f"[{key}]" if key else ""
    steps = (f"$result[c{number - 1}]{path}[49][{id_name}]" if number else "0" for number in range(5))
    maps = everything.batch({f"c{number}": common + step for number, step in enumerate(steps)})
    assert maps["result_error"] == []
    pages = [page[key] if key else page for page in maps["result"].values()]
    found = [[int(row[id_name]) for row in page] for page in pages]
    ends = [number for number, page in enumerate(found) if len(page) < 50]
    until_end = list(itertools.chain(*found[: ends[0] + 1]))
    assert until_end == sorted(set(until_end))
    assert set(range(1, 121)) <= set(until_end)
    assert found[ends[0] + 1][0] in (1, 2)


def test_tasks_are_camel_case_and_text(everything):
    task = everything.result("tasks.task.list", {"select": ["ID", "TITLE", "CHANGED_DATE"]})["tasks"][0]
    assert set(task) == {"id", "title", "changedDate"}
    assert task["id"] == "1"


def test_calls_and_users_are_ordered_by_sort_and_order(everything):
    rows = everything.result(
        "voximplant.statistic.get", {"SORT": "ID", "ORDER": "DESC", "FILTER": {"<ID": 10}}
    )
    assert [row["ID"] for row in rows] == [str(number) for number in range(9, 0, -1)]
    users = everything.result("user.get", {"sort": "ID", "order": "desc"})
    assert users[0]["ID"] == "120"
    assert everything.result("department.get", {"ID": 3})[0]["NAME"] == "Department 3"


def test_stage_history_has_numbers_and_needs_a_type(everything):
    row = everything.result("crm.stagehistory.list", {"entityTypeId": 2})["items"][0]
    assert (row["ID"], row["OWNER_ID"]) == (1, 1)
    assert everything.error("crm.stagehistory.list")[1] == "100"


def test_stage_history_of_leads_has_statuses(portal, rest):
    portal.add_generated(status_change=60)
    rows = rest.result("crm.stagehistory.list", {"entityTypeId": 1, "filter": {"STATUS_ID": "JUNK"}})["items"]
    assert {row["STATUS_ID"] for row in rows} == {"JUNK"}
    assert {row["STATUS_SEMANTIC_ID"] for row in rows} == {"F"}
    assert rest.result("crm.stagehistory.list", {"entityTypeId": 31}) == {"items": []}


def test_smart_processes_are_listed_filtered_and_ordered(portal, rest):
    portal.add_smart_process(128, "Deliveries")
    portal.add_smart_process(156, "Purchases")
    types = rest.result("crm.type.list", {"order": {"entityTypeId": "DESC"}})["types"]
    assert [(row["id"], row["entityTypeId"], row["title"]) for row in types] == [
        (2, 156, "Purchases"),
        (1, 128, "Deliveries"),
    ]
    found = rest.result("crm.type.list", {"filter": {"%title": "deliv"}})["types"]
    assert [row["entityTypeId"] for row in found] == [128]


def test_the_full_list_of_scopes_is_more_than_the_webhook_has(rest):
    own, full = rest.result("scope"), rest.result("scope", {"full": True})
    assert {*own} < {*full}
    assert {"booking", "telephony", "tasks"} & {*full} == {"booking", "telephony"}


def test_an_address_list_tells_the_total_of_its_page_and_no_next(everything):
    """fast_bitrix24 issue 260: ``total`` is 50 and ``next`` is missing although there are more rows."""
    _, first = everything("crm.address.list")
    assert (len(first["result"]), first["total"], "next" in first) == (50, 50, False)
    assert "ID" not in first["result"][0]
    _, last = everything("crm.address.list", {"start": 100})
    assert (len(last["result"]), last["total"]) == (20, 20)


def test_recent_dialogs_are_paged_by_offset_and_limit(everything):
    _, first = everything("im.recent.list", {"OFFSET": 0, "LIMIT": 100})
    assert (len(first["result"]["items"]), first["result"]["hasMore"], first["total"]) == (100, True, -1)
    last = everything.result("im.recent.list", {"offset": 100, "limit": 100})
    assert (len(last["items"]), last["hasMore"]) == (20, False)


def test_elapsed_items_are_paged_by_nav_params_and_ignore_start(everything):
    params = {"ORDER": {"ID": "ASC"}, "PARAMS": {"NAV_PARAMS": {"nPageSize": 50, "iNumPage": 3}}}
    _, body = everything("task.elapseditem.getlist", params)
    assert [row["ID"] for row in body["result"]] == [str(number) for number in range(101, 121)]
    assert (body["total"], "next" in body) == (120, False)
    assert everything.result("task.elapseditem.getlist", {"start": 50})[0]["ID"] == "1"


def test_statuses_come_at_once_and_categories_in_an_object(everything):
    _, stages = everything("crm.status.list", {"filter": {"ENTITY_ID": "DEAL_STAGE"}})
    assert "WON" in [row["STATUS_ID"] for row in stages["result"]]
    assert (stages["total"], "next" in stages) == (len(stages["result"]), False)
    categories = everything.result("crm.category.list", {"entityTypeId": 2})["categories"]
    assert [category["id"] for category in categories] == [0, 1]
    assert everything.result("crm.type.list")["types"][0]["entityTypeId"] == 128


CHANGES = st.lists(st.tuples(st.sampled_from(["add", "add_new", "delete"]), st.integers(1, 30)), max_size=15)


@given(st.integers(0, 20), CHANGES, st.integers(0, 30), st.none() | st.integers(0, 35), st.integers(0, 9))
def test_ids_of_a_table_are_those_of_a_plain_set(generated, changes, low, high, skip):
    records, model = Records(), set(range(1, generated + 1))
    records.generate(generated)
    for change, number in changes:
        if change == "delete":
            assert records.delete(number) is (number in model)
            model.discard(number)
        else:
            model.add(records.add(number if change == "add" else None, {}))
    expected = sorted(number for number in model if number >= low and (high is None or number <= high))
    assert list(records.ids(low, high, skip=skip)) == expected[skip:]
    assert list(records.ids(low, high, descending=True, skip=skip)) == expected[::-1][skip:]
    assert records.count(low, high) == len(expected)


def test_deleted_rows_leave_every_page_and_their_ids_are_not_given_again(portal, rest):
    portal.add_generated(deal=120)
    assert rest.result("crm.item.delete", {"entityTypeId": 2, "id": 120}) == []
    assert rest.result("crm.deal.delete", {"id": 7}) is True
    assert portal.delete_record("deal", 60)
    assert rest.result("crm.deal.add", {"fields": {"TITLE": "New"}}) == 121
    _, body = rest("crm.deal.list", {"start": 50, "select": ["ID"]})
    assert body["total"] == 118
    assert [row["ID"] for row in body["result"]][:3] == ["52", "53", "54"]
    assert rest.error("crm.deal.delete", {"id": 7}) == (400, "ERROR_CORE", "Element not found")


def test_a_seed_gives_other_data_of_the_same_shape():
    first, same, other = Portal(), Portal(), Portal()
    for portal, seed in ((first, 1), (same, 1), (other, 2)):
        portal.add_generated(deal=50, seed=seed)
    rows = [[portal.record("deal", number) for number in range(1, 51)] for portal in (first, same, other)]
    assert rows[0] == rows[1] != rows[2]
    assert rows[0][0].keys() == rows[2][0].keys()


def test_a_million_rows_need_no_memory_and_any_page_is_quick(portal, rest):
    portal.add_generated(deal=1_000_000)
    portal.delete_record("deal", 5)
    calls = [
        ("crm.deal.list", {"start": 999_950}),
        ("crm.deal.list", {"start": 100_000, "order": {"ID": "DESC"}}),
        ("crm.deal.list", {"start": -1, "order": {"ID": "ASC"}, "filter": {">ID": 900_000}}),
        ("crm.item.list", {"entityTypeId": 2, "start": 100_000, "filter": {">id": 100}}),
    ]
    for method, params in calls:
        rest.result(method, params)
        started = time.process_time()
        rest.result(method, params)
        assert time.process_time() - started < 0.05
    assert [row["ID"] for row in rest.result(*calls[2])[:2]] == ["900001", "900002"]
    assert [row["ID"] for row in rest.result(*calls[0])][-1] == "1000000"


def test_users_can_add_methods_of_their_own(portal, rest):
    rows = [{"ID": number} for number in range(120)]

    def rows_of(call):
        if call.params.get("IBLOCK") != 5:
            raise RestError(400, "ERROR_PARAMS", "IBLOCK is required")
        return Answer.page(rows, call.start)

    portal.add_method("catalog.product.list", rows_of)
    portal.add_method("Custom.Hello", lambda call: {"user": call.caller.user.id})
    _, body = rest("catalog.product.list", {"IBLOCK": 5, "start": 50})
    assert (body["result"][0], body["total"], body["next"]) == ({"ID": 50}, 120, 100)
    assert rest.error("catalog.product.list") == (400, "ERROR_PARAMS", "IBLOCK is required")
    assert rest.batch({"a": "custom.hello"})["result"]["a"] == {"user": 1}
    assert rest.result("method.get", {"name": "custom.hello"})["isExisting"] is True
    assert Portal().methods.get("custom.hello") is None
