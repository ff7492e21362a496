import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_b24.crm.bindings import (
    CompanyBinding,
    parse_bindings,
    parse_id,
    primary_company,
    read_rows,
    to_wire,
)
from airflow_provider_b24.errors import Bitrix24InputError

DOCUMENTED = [
    {"COMPANY_ID": 8, "IS_PRIMARY": "Y", "SORT": 100},
    {"COMPANY_ID": 9, "IS_PRIMARY": "N", "SORT": 200},
    {"COMPANY_ID": 10, "IS_PRIMARY": "N", "SORT": 400},
]


@pytest.mark.parametrize(
    "items",
    [
        pytest.param(DOCUMENTED, id="the API's names"),
        pytest.param(
            [{key.lower(): value for key, value in row.items()} for row in DOCUMENTED], id="snake case"
        ),
        pytest.param([{**row, "ROLE_ID": 0} for row in DOCUMENTED], id="as items.get returns them"),
        pytest.param(tuple(DOCUMENTED), id="a tuple"),
        pytest.param((row for row in DOCUMENTED), id="a generator"),
        pytest.param(json.dumps(DOCUMENTED), id="JSON text"),
        pytest.param(f"  {DOCUMENTED!r}\n", id="text of a Python list, as Jinja renders it"),
        pytest.param(
            [CompanyBinding(8, True, 100), CompanyBinding(9, False, 200), CompanyBinding(10, False, 400)],
            id="bindings",
        ),
        pytest.param(
            [{"COMPANY_ID": "8", "IS_PRIMARY": True, "SORT": "100"}, *DOCUMENTED[1:]], id="numbers as text"
        ),
    ],
)
def test_everything_people_have_becomes_the_documented_items(items):
    assert to_wire(parse_bindings(items)) == DOCUMENTED


def test_a_list_of_ids_says_nothing_of_primary_and_sort():
    assert to_wire(parse_bindings([8, "9"])) == [{"COMPANY_ID": 8}, {"COMPANY_ID": 9}]
    assert primary_company(parse_bindings([8, 9])) == 8


@pytest.mark.parametrize("items", [[], (), "[]", iter(())], ids=["list", "tuple", "text", "iterator"])
def test_an_empty_set_is_refused_unless_it_is_meant(items):
    with pytest.raises(Bitrix24InputError, match=r"items is empty.*allow_empty=True"):
        parse_bindings(items)


def test_an_empty_set_that_is_meant_passes():
    assert parse_bindings([], allow_empty=True) == []
    assert parse_bindings("[]", allow_empty=True) == []


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (None, "items must be a list, got NoneType"),
        ({}, "items must be a list, got dict"),
        ({"COMPANY_ID": 8}, "items must be a list, got dict"),
        (8, "items must be a list, got int"),
        (b"[8]", "items must be a list, got bytes"),
        ("", "items is text that is neither JSON nor a Python list"),
        ("None", "items must be a list, got NoneType"),
        ({8, 9}, "items must be a list, got set"),
        ("{{ ti.xcom_pull() }}", "items must be a list, got set|neither JSON nor"),
        ("8", "items must be a list, got int"),
        ("[8, __import__('os')]", "neither JSON nor a Python list"),
        ([None], r"items\[0\] must be a positive whole number, got None"),
        ([8, 0], r"items\[1\] must be a positive whole number, got 0"),
        ([-8], r"items\[0\] must be a positive whole number, got -8"),
        ([True], r"items\[0\] must be a positive whole number, got True"),
        ([8.5], r"items\[0\] must be a positive whole number, got 8.5"),
        ([float("nan")], r"items\[0\] must be a positive whole number, got nan"),
        (["8abc"], r"items\[0\] must be a positive whole number, got '8abc'"),
        (["²"], r"items\[0\] must be a positive whole number, got '²'"),
        ([2**64], r"items\[0\] must be a positive whole number"),
        ([[8]], r"items\[0\] must be a positive whole number, got \[8\]"),
        ([{"companyid": 8}], r"items\[0\] has an unknown key 'companyid'"),
        ([8, {"COMPANY": 9}], r"items\[1\] has an unknown key 'COMPANY'"),
        ([{8: 9}], r"items\[0\] has an unknown key 8"),
        ([{}], r"items\[0\] has no COMPANY_ID"),
        ([{"SORT": 8}], r"items\[0\] has no COMPANY_ID"),
        ([{"COMPANY_ID": "abc"}], r"items\[0\].COMPANY_ID must be a positive whole number, got 'abc'"),
        ([{"COMPANY_ID": 8, "company_id": 9}], r"items\[0\] names COMPANY_ID twice"),
        ([{"COMPANY_ID": 8, "SORT": 0}], r"items\[0\].SORT must be a positive whole number, got 0"),
        ([{"COMPANY_ID": 8, "IS_PRIMARY": "yes"}], r"items\[0\].IS_PRIMARY must be True, False"),
        ([{"COMPANY_ID": 8, "IS_PRIMARY": 1}], r"items\[0\].IS_PRIMARY must be True, False"),
        ([8, 9, {"COMPANY_ID": "8"}], r"items\[2\] repeats company 8 of items\[0\]"),
    ],
)
def test_bad_items_name_the_place_and_the_value(items, message):
    with pytest.raises(Bitrix24InputError, match=message) as caught:
        parse_bindings(items)
    assert isinstance(caught.value, ValueError)


def test_of_several_primaries_the_first_stays_with_a_warning(caplog):
    items = [{"COMPANY_ID": 8}, {"COMPANY_ID": 9, "IS_PRIMARY": "Y"}, {"COMPANY_ID": 10, "IS_PRIMARY": "Y"}]
    with caplog.at_level(logging.WARNING):
        bindings = parse_bindings(items)
    assert [binding.is_primary for binding in bindings] == [None, True, False]
    assert "marks 2 primary companies; the first, company 9, stays" in caplog.text


def test_a_long_value_is_cut_in_the_message():
    with pytest.raises(Bitrix24InputError) as caught:
        parse_bindings(["x" * 10_000])
    assert len(str(caught.value)) < 200


def test_a_column_of_ids_with_gaps_comes_as_floats():
    assert parse_id(8.0, "contact_id") == 8


def test_rows_of_items_get_are_read_in_a_stable_order():
    rows = [
        {"COMPANY_ID": "10", "SORT": "20", "ROLE_ID": 0, "IS_PRIMARY": "N"},
        {"COMPANY_ID": 9, "SORT": 20, "ROLE_ID": 0, "IS_PRIMARY": "N"},
        {"COMPANY_ID": 8, "SORT": 10, "ROLE_ID": 0, "IS_PRIMARY": "Y"},
    ]
    assert read_rows(rows) == [
        CompanyBinding(8, True, 10),
        CompanyBinding(9, False, 20),
        CompanyBinding(10, False, 20),
    ]


@given(
    st.lists(
        st.builds(
            CompanyBinding,
            st.integers(1, 2**40),
            st.sampled_from([None, False]),
            st.none() | st.integers(1, 10**6),
        ),
        min_size=1,
        unique_by=lambda binding: binding.company_id,
    )
)
def test_what_is_written_reads_back_the_same(bindings):
    assert parse_bindings(to_wire(bindings)) == bindings
    assert parse_bindings(repr(to_wire(bindings))) == bindings


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner)))
def test_anything_else_is_an_input_error_or_a_list_of_bindings(items):
    try:
        bindings = parse_bindings(items)
    except Bitrix24InputError:
        return
    assert bindings
    assert all(binding.company_id > 0 for binding in bindings)
