"""crm.contact.company.*: results, errors in their order, coercions, and the rules of SORT and primary."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_b24.sandbox import Portal, seeded_portal
from airflow_provider_b24.sandbox.http.seed import DEMO_CODE
from airflow_provider_b24.sandbox.methods.binding_rules import normalize, sort_as_documented, sort_by_position

SET = "crm.contact.company.items.set"
GET = "crm.contact.company.items.get"
CLEAR = "crm.contact.company.items.delete"
ADD = "crm.contact.company.add"
DELETE = "crm.contact.company.delete"

DOCUMENTED_EXAMPLE = [
    {"COMPANY_ID": 8, "IS_PRIMARY": "Y", "SORT": 100},
    {"COMPANY_ID": 9, "SORT": 200},
    {"COMPANY_ID": 10, "SORT": 400},
]


def row(company_id: int, sort: int, primary: str = "N", role: int = 0) -> dict[str, Any]:
    return {"COMPANY_ID": company_id, "SORT": sort, "ROLE_ID": role, "IS_PRIMARY": primary}


def ids(portal: Portal, contact_id: int = 82) -> list[int]:
    return [one["COMPANY_ID"] for one in portal.bindings(contact_id)]


def primary(portal: Portal, contact_id: int = 82) -> list[int]:
    return [one["COMPANY_ID"] for one in portal.bindings(contact_id) if one["IS_PRIMARY"] == "Y"]


def test_the_documented_example_gives_the_documented_set(portal, rest):
    assert rest.result(SET, {"id": 82, "items": DOCUMENTED_EXAMPLE}) is True
    assert rest.result(GET, {"id": 82}) == [row(8, 100, "Y"), row(9, 200), row(10, 400)]
    assert portal.contact(82)["COMPANY_ID"] == 8


def test_setting_the_same_again_is_true_and_changes_nothing(portal, rest):
    rest.result(SET, {"id": 82, "items": DOCUMENTED_EXAMPLE})
    before = portal.bindings(82)
    assert rest.result(SET, {"id": 82, "items": DOCUMENTED_EXAMPLE}) is True
    assert portal.bindings(82) == before


def test_fields_names_what_a_binding_has_and_not_its_role(rest):
    fields = rest.result("crm.contact.company.fields")
    assert list(fields) == ["SORT", "IS_PRIMARY", "COMPANY_ID"]
    assert {name: field["type"] for name, field in fields.items()} == {
        "SORT": "integer",
        "IS_PRIMARY": "char",
        "COMPANY_ID": "integer",
    }
    assert [name for name, field in fields.items() if field["isRequired"]] == ["COMPANY_ID"]
    assert set(fields["SORT"]) == {
        "type",
        "isRequired",
        "isReadOnly",
        "isImmutable",
        "isMultiple",
        "isDynamic",
        "title",
    }


QUOTED = "The parameter 'ownerEntityID' is invalid or not defined."
PLAIN = "The parameter ownerEntityID is invalid or not defined."


@pytest.mark.parametrize(
    ("method", "text"),
    [(ADD, QUOTED), (DELETE, QUOTED), (SET, PLAIN), (GET, PLAIN), (CLEAR, PLAIN)],
)
@pytest.mark.parametrize("contact_id", [None, 0, -5, "abc", "", [], False, "-7x"])
def test_a_bad_contact_id_is_refused_first(rest, method, text, contact_id):
    assert rest.error(method, {"id": contact_id}) == (400, "", text)


@pytest.mark.parametrize(
    ("method", "name", "text"),
    [
        (ADD, "fields", "The parameter 'fields' must be array."),
        (DELETE, "fields", "The parameter 'item' must be array."),
        (SET, "items", "The parameter items must be array."),
    ],
)
@pytest.mark.parametrize("value", [None, "8", 8, True])
def test_a_parameter_that_is_no_array_is_refused_before_rights_are_looked_at(
    as_user, method, name, text, value
):
    caller = as_user(admin=False, can_update=False)
    assert caller.error(method, {"id": 82, name: value}) == (400, "", text)
    assert caller.error(method, {"id": 82}) == (400, "", text)


WRITES = [(ADD, {"fields": {"COMPANY_ID": 8}}), (DELETE, {"fields": {"COMPANY_ID": 8}}), (SET, {"items": []})]


@pytest.mark.parametrize(("method", "params"), WRITES)
@pytest.mark.parametrize("contact_id", [82, 9999])
def test_no_right_to_update_is_403_even_for_a_contact_that_is_absent(as_user, method, params, contact_id):
    caller = as_user(admin=False, can_update=False)
    assert caller.error(method, {"id": contact_id, **params}) == (403, "ACCESS_DENIED", "Access denied!")


@pytest.mark.parametrize(("method", "params"), WRITES)
def test_an_absent_contact_is_not_found_with_a_dot(rest, method, params):
    assert rest.error(method, {"id": 9999, **params}) == (400, "", "Not found.")


@pytest.mark.parametrize("method", [ADD, DELETE])
@pytest.mark.parametrize(
    "fields", [[], {}, {"COMPANY_ID": 0}, {"COMPANY_ID": "x"}, {"company_id": 8}, {"COMPANY_ID": -1}]
)
def test_fields_without_a_company_are_the_last_refusal(rest, method, fields):
    assert rest.error(method, {"id": 82, "fields": fields}) == (
        400,
        "",
        "The parameter 'fields' is not valid.",
    )
    assert rest.error(method, {"id": 9999, "fields": fields})[2] == "Not found."


def test_clearing_needs_the_right_to_update_by_the_documentation_and_to_read_by_the_code(portal, as_user):
    caller = as_user(admin=False, can_update=False, can_read=True)
    assert caller.result(GET, {"id": 82}) == [row(27, 10, "Y")]
    assert caller.error(CLEAR, {"id": 82}) == (403, "ACCESS_DENIED", "Access denied!")
    portal.rules = "observed"
    assert caller.result(CLEAR, {"id": 82}) is True
    blind = as_user(admin=False, can_read=False)
    for method in (GET, CLEAR):
        assert blind.error(method, {"id": 82}) == (403, "ACCESS_DENIED", "Access denied!")


def test_a_user_without_crm_is_refused_before_anything_is_read(as_user):
    caller = as_user(admin=False, crm_access=False)
    for method in (SET, GET, CLEAR, ADD, DELETE, "crm.contact.company.fields"):
        assert caller.error(method, {}) == (400, "", "Access denied.")


def test_a_forbidden_contact_is_refused_even_to_an_administrator(portal, rest):
    portal.forbid_contacts([83])
    assert rest.error(SET, {"id": 83, "items": []}) == (403, "ACCESS_DENIED", "Access denied!")
    assert rest.error(GET, {"id": 83})[0] == 403


def test_an_absent_contact_reads_as_empty_and_clears_as_true(rest):
    assert rest.result(GET, {"id": 9999}) == []
    assert rest.result(CLEAR, {"id": 9999}) is True


def test_clearing_is_true_whether_there_was_something_or_not(portal, rest):
    assert rest.result(CLEAR, {"id": 82}) is True
    assert portal.bindings(82) == []
    assert rest.result(CLEAR, {"id": 82}) is True
    assert portal.contact(82)["COMPANY_ID"] is None


@pytest.mark.parametrize("contact_id", ["82", "82abc", " 82", 82.9, "82.9", "8.2e1"])
def test_the_id_is_cast_as_php_casts(portal, rest, contact_id):
    rest.result(SET, {"id": contact_id, "items": DOCUMENTED_EXAMPLE})
    assert ids(portal) == [8, 9, 10]


def test_the_upper_case_id_wins(portal, rest):
    rest.result(SET, {"id": 83, "ID": 82, "items": DOCUMENTED_EXAMPLE})
    assert ids(portal) == [8, 9, 10]
    assert ids(portal, 83) == [8, 31]


def test_true_and_a_filled_array_are_contact_1(portal, rest):
    portal.add_contact(1, NAME="One")
    for value in (True, [5]):
        rest.result(SET, {"id": value, "items": [{"COMPANY_ID": 8}]})
    assert ids(portal, 1) == [8]


@pytest.mark.parametrize("name", ["items", "ITEMS", "Items", "arItems"])
def test_items_are_read_under_four_spellings(portal, rest, name):
    rest.result(SET, {"id": 82, name: DOCUMENTED_EXAMPLE})
    assert ids(portal) == [8, 9, 10]


UNUSABLE = [
    [],
    {},
    {"a": {"COMPANY_ID": 8}},
    [{"company_id": 8}],
    [{"companyId": 8}],
    [{"COMPANY_ID": 0}],
    [{"COMPANY_ID": "abc"}],
    [{"COMPANY_ID": -8}],
    ["8"],
    [8],
    [None],
    {"1": {"COMPANY_ID": 8}},
]


@pytest.mark.parametrize("items", UNUSABLE)
def test_unusable_items_remove_all_bindings_and_are_true(portal, rest, items):
    assert rest.result(SET, {"id": 82, "items": items}) is True
    assert portal.bindings(82) == []
    assert portal.contact(82)["COMPANY_ID"] is None


def test_an_object_with_keys_from_zero_counts_as_a_list(portal, rest):
    rest.result(SET, {"id": 82, "items": {"0": {"COMPANY_ID": 8}, "1": {"COMPANY_ID": 9}}})
    assert ids(portal) == [8, 9]


def test_sparse_keys_lose_the_elements_beyond_the_count(portal, rest):
    rest.result(SET, {"id": 82, "items": {"1": {"COMPANY_ID": 8}, "2": {"COMPANY_ID": 9}}})
    assert ids(portal) == [8]


def test_company_ids_may_be_text_and_missing_companies_are_stored(portal, rest):
    rest.result(SET, {"id": 82, "items": [{"COMPANY_ID": "777777"}]})
    assert portal.bindings(82) == [row(777777, 20, "Y")]
    assert portal.contact(82)["COMPANY_ID"] == 777777


def test_the_role_cannot_be_set_and_is_lost_when_a_row_is_rewritten(portal, rest):
    portal.bind(82, [(8, 10, True, 3), (9, 20, False, 4)])
    rest.result(
        SET, {"id": 82, "items": [{"COMPANY_ID": 8, "SORT": 10}, {"COMPANY_ID": 9, "SORT": 30, "ROLE_ID": 5}]}
    )
    assert portal.bindings(82) == [row(8, 10, "Y", role=3), row(9, 30)]


@pytest.mark.parametrize("flag", [True, 1, "y", "yes", "1", "true"])
def test_only_an_upper_case_y_means_primary(portal, rest, flag):
    rest.result(SET, {"id": 82, "items": [{"COMPANY_ID": 8}, {"COMPANY_ID": 9, "IS_PRIMARY": flag}]})
    assert primary(portal) == [8]


def test_the_first_y_stays_primary_and_later_ones_lose_it(portal, rest):
    items = [{"COMPANY_ID": 8}, {"COMPANY_ID": 9, "IS_PRIMARY": "Y"}, {"COMPANY_ID": 10, "IS_PRIMARY": "Y"}]
    rest.result(SET, {"id": 82, "items": items})
    assert primary(portal) == [9]
    assert portal.contact(82)["COMPANY_ID"] == 9


def test_without_a_y_the_first_survivor_is_primary(portal, rest):
    rest.result(
        SET, {"id": 82, "items": [{"COMPANY_ID": 0, "IS_PRIMARY": "Y"}, {"COMPANY_ID": 9}, {"COMPANY_ID": 8}]}
    )
    assert primary(portal) == [9]


def sorts(items: list[dict[str, Any]], stored: list[tuple[int, int, bool]], rules: Any) -> dict[int, int]:
    portal = seeded_portal(rules=rules)
    portal.bind(82, stored)
    body = json.dumps({"id": 82, "items": items}).encode()
    portal.handle("POST", f"/rest/1/{DEMO_CODE}/{SET}", {"Content-Type": "application/json"}, body)
    return {one["COMPANY_ID"]: one["SORT"] for one in portal.bindings(82)}


NO_SORT = [{"COMPANY_ID": 8}, {"COMPANY_ID": 9}, {"COMPANY_ID": 10}]


@pytest.mark.parametrize(
    ("items", "stored", "documented", "observed"),
    [
        pytest.param(NO_SORT, [], {8: 10, 9: 20, 10: 30}, {8: 10, 9: 20, 10: 30}, id="nothing bound"),
        pytest.param(
            NO_SORT,
            [(9, 500, True)],
            {8: 510, 9: 500, 10: 520},
            {8: 10, 9: 20, 10: 30},
            id="one keeps its own",
        ),
        pytest.param(
            [{"COMPANY_ID": 8}, {"COMPANY_ID": 9, "SORT": 70}],
            [],
            {8: 80, 9: 70},
            {8: 10, 9: 70},
            id="a provided one raises the rest",
        ),
        pytest.param(
            [{"COMPANY_ID": 8}],
            [(27, 40, True)],
            {8: 50},
            {8: 10},
            id="a binding that goes still counts as existing",
        ),
        pytest.param(
            [{"COMPANY_ID": 8, "SORT": 0}, {"COMPANY_ID": 9, "SORT": -3}],
            [(9, 20, True)],
            {8: 0, 9: -3},
            {8: 10, 9: 20},
            id="zero and negative",
        ),
        pytest.param(
            [{"COMPANY_ID": 0}, {"COMPANY_ID": 8}],
            [],
            {8: 10},
            {8: 20},
            id="the server counts dropped elements",
        ),
        pytest.param([{"COMPANY_ID": 8, "SORT": "55x"}], [], {8: 55}, {8: 55}, id="SORT is cast"),
    ],
)
def test_sort_follows_the_page_or_the_code(items, stored, documented, observed):
    assert sorts(items, stored, "documented") == documented
    assert sorts(items, stored, "observed") == observed


def test_of_new_duplicates_the_last_wins_and_the_primary_flag_is_lost(portal, rest):
    items = [
        {"COMPANY_ID": 8, "IS_PRIMARY": "Y", "SORT": 10},
        {"COMPANY_ID": 8, "SORT": 70},
        {"COMPANY_ID": 9, "SORT": 5},
    ]
    rest.result(SET, {"id": 82, "items": items})
    assert portal.bindings(82) == [row(9, 5), row(8, 70)]
    assert portal.contact(82)["COMPANY_ID"] is None


def test_of_stored_duplicates_the_first_whose_sort_differs_wins(portal, rest):
    portal.bind(82, [(8, 10, True)])
    items = [
        {"COMPANY_ID": 8, "SORT": 10, "IS_PRIMARY": "Y"},
        {"COMPANY_ID": 8, "SORT": 30},
        {"COMPANY_ID": 8, "SORT": 40},
    ]
    rest.result(SET, {"id": 82, "items": items})
    assert portal.bindings(82) == [row(8, 30)]


def test_rows_with_the_same_sort_come_by_company(portal, rest):
    rest.result(SET, {"id": 82, "items": [{"COMPANY_ID": 10, "SORT": 10}, {"COMPANY_ID": 8, "SORT": 10}]})
    assert [one["COMPANY_ID"] for one in rest.result(GET, {"id": 82})] == [8, 10]


def test_add_says_false_for_a_bound_company_and_changes_nothing(portal, rest):
    fields = {"COMPANY_ID": 27, "SORT": 99, "IS_PRIMARY": "Y"}
    assert rest.result(ADD, {"id": 82, "fields": fields}) is False
    assert portal.bindings(82) == [row(27, 10, "Y")]


def test_add_appends_ten_after_the_highest(portal, rest):
    assert rest.result(ADD, {"id": 82, "fields": {"COMPANY_ID": 8}}) is True
    assert portal.bindings(82) == [row(27, 10, "Y"), row(8, 20)]


def test_add_to_an_empty_contact_is_primary_with_sort_ten(portal, rest):
    rest.result(ADD, {"id": 87, "fields": {"COMPANY_ID": 8}})
    assert portal.bindings(87) == [row(8, 10, "Y")]


def test_add_as_primary_demotes_the_old_one(portal, rest):
    rest.result(ADD, {"id": 82, "fields": {"COMPANY_ID": 8, "IS_PRIMARY": "Y", "SORT": 5}})
    assert portal.bindings(82) == [row(8, 5, "Y"), row(27, 10)]
    assert portal.contact(82)["COMPANY_ID"] == 8


def test_add_stores_an_explicit_sort_of_zero(portal, rest):
    rest.result(ADD, {"id": 82, "fields": {"COMPANY_ID": 8, "SORT": 0}})
    assert portal.bindings(82)[0] == row(8, 0)


def test_delete_says_false_for_a_company_that_is_not_bound(portal, rest):
    assert rest.result(DELETE, {"id": 82, "fields": {"COMPANY_ID": 8}}) is False
    assert ids(portal) == [27]


def test_deleting_the_primary_promotes_the_lowest_sort(portal, rest):
    portal.bind(82, [(8, 30, True), (9, 20, False), (10, 10, False)])
    assert rest.result(DELETE, {"id": 82, "fields": {"COMPANY_ID": 8}}) is True
    assert portal.bindings(82) == [row(10, 10, "Y"), row(9, 20)]


def test_a_new_portal_wants_the_right_to_read_every_company_touched(portal, rest):
    portal.forbid_companies([8])
    rest.result(SET, {"id": 82, "items": [{"COMPANY_ID": 8}]})
    portal.company_read_check = True
    text = "[Company #8] You do not have permission to view this item"
    assert rest.error(SET, {"id": 82, "items": [{"COMPANY_ID": 9}]}) == (400, "", text)
    assert rest.error(CLEAR, {"id": 82}) == (400, "", text)
    assert rest.error(DELETE, {"id": 82, "fields": {"COMPANY_ID": 8}}) == (400, "", text)
    assert rest.error(ADD, {"id": 84, "fields": {"COMPANY_ID": 8}}) == (400, "", text)
    assert rest.result(ADD, {"id": 83, "fields": {"COMPANY_ID": 8}}) is False
    assert ids(portal) == [8]


def test_every_executed_write_is_counted_by_contact(portal, rest):
    rest.result(SET, {"id": 82, "items": []})
    rest.result(SET, {"id": 82, "items": []})
    rest.error(SET, {"id": 9999, "items": []})
    assert portal.writes == {82: 2}
    assert portal.executed[SET] == 3


def test_deleting_a_company_promotes_nobody(portal, rest):
    portal.bind(82, [(31, 10, True), (9, 20, False), (33, 30, False)])
    portal.delete_company(31)
    assert primary(portal) == []
    assert portal.contact(82)["COMPANY_ID"] == 9


def test_deleting_a_contact_deletes_its_bindings(portal: Portal, as_user: Callable[..., Any], rest):
    assert portal.delete_contact(82)
    assert rest.result(GET, {"id": 82}) == []
    assert rest.error(SET, {"id": 82, "items": []})[2] == "Not found."


ITEM = st.fixed_dictionaries(
    {"COMPANY_ID": st.integers(-1, 6)},
    optional={"SORT": st.integers(-5, 50), "IS_PRIMARY": st.sampled_from(["Y", "N", "y", True])},
)


@given(st.lists(ITEM, max_size=6), st.sampled_from([sort_as_documented, sort_by_position]))
def test_a_set_without_duplicates_has_one_primary_and_every_readable_company(items, sort_rule):
    unique = list({item["COMPANY_ID"]: item for item in items}.values())
    rows = normalize(unique, "COMPANY_ID", {}, sort_rule)
    assert [one.member_id for one in rows] == [
        item["COMPANY_ID"] for item in unique if item["COMPANY_ID"] > 0
    ]
    assert sum(one.primary for one in rows) == (1 if rows else 0)
    assert sort_rule is sort_as_documented or all(one.sort > 0 for one in rows)
