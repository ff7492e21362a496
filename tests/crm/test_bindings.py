import json
import logging
from collections import UserDict, UserList
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_b24.crm.bindings import (
    CompanyBinding,
    parse_bindings,
    parse_rows,
    primary_company,
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
        pytest.param(
            [{"COMPANY_ID": Decimal("8"), "IS_PRIMARY": 1, "SORT": 100.0}, *DOCUMENTED[1:]],
            id="numbers of a database",
        ),
        pytest.param([str(row) for row in DOCUMENTED], id="dicts that templates rendered"),
        pytest.param(
            "[{'COMPANY_ID': Decimal('8'), 'IS_PRIMARY': np.True_, 'SORT': np.int64(100)}, "
            "{'COMPANY_ID': 9, 'IS_PRIMARY': False, 'SORT': '200'}, "
            "{'COMPANY_ID': 10.0, 'IS_PRIMARY': 'no', 'SORT': 400}]",
            id="text of what a database gave",
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
        ("", "items is text that is neither JSON nor a Python literal"),
        ("None", "items must be a list, got NoneType"),
        ({8, 9}, "items must be a list, got set"),
        ("{{ ti.xcom_pull() }}", "items must be a list, got set|neither JSON nor"),
        ("8", "items must be a list, got int"),
        ("[8, __import__('os')]", "neither JSON nor a Python literal"),
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
        ([{"COMPANY_ID": None}], r"items\[0\].COMPANY_ID must be a positive whole number, got None"),
        ([{"COMPANY_ID": 8, "SORT": 0.5}], r"items\[0\].SORT must be a whole number, got 0.5"),
        ([{"COMPANY_ID": 8, "SORT": True}], r"items\[0\].SORT must be a whole number, got True"),
        ([{"COMPANY_ID": 8, "IS_PRIMARY": "maybe"}], r"items\[0\].IS_PRIMARY must be True or False"),
        ([{"COMPANY_ID": 8, "IS_PRIMARY": 2}], r"items\[0\].IS_PRIMARY must be True or False"),
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
    assert "marks 2 companies as primary; only the first, company 9, stays primary" in caplog.text


def test_a_long_value_is_cut_in_the_message():
    with pytest.raises(Bitrix24InputError) as caught:
        parse_bindings(["x" * 10_000])
    assert len(str(caught.value)) < 200


def test_what_the_portal_returns_can_be_written_back(caplog):
    rows = [
        {"COMPANY_ID": 8, "SORT": 0, "ROLE_ID": 0, "IS_PRIMARY": "Y"},
        {"COMPANY_ID": 9, "SORT": -5, "ROLE_ID": 0, "IS_PRIMARY": "Y"},
        {"COMPANY_ID": 10, "SORT": 0, "ROLE_ID": 0, "IS_PRIMARY": "N"},
    ]
    assert to_wire(parse_bindings(rows)) == [
        {"COMPANY_ID": 8, "IS_PRIMARY": "Y", "SORT": 0},
        {"COMPANY_ID": 9, "IS_PRIMARY": "N", "SORT": -5},
        {"COMPANY_ID": 10, "IS_PRIMARY": "N", "SORT": 0},
    ]
    assert "marks 2 companies as primary" in caplog.text


@pytest.mark.parametrize("missing", [None, float("nan"), Decimal("NaN"), "", "None", " nan ", "null"])
def test_a_missing_flag_or_sort_is_left_to_the_portal(missing):
    items = [{"company_id": 8, "is_primary": missing, "sort": missing}]
    assert to_wire(parse_bindings(items)) == [{"COMPANY_ID": 8}]


def test_lazy_sequences_and_mappings_of_any_class_are_read():
    assert to_wire(parse_bindings(UserList([UserDict({"company_id": 8}), 9]))) == [
        {"COMPANY_ID": 8},
        {"COMPANY_ID": 9},
    ]


def test_a_data_frame_is_refused_with_the_remedy():
    class DataFrame:
        columns = ("company_id",)

        def to_dict(self, orient):
            raise AssertionError

        def __iter__(self):
            return iter(self.columns)

    with pytest.raises(Bitrix24InputError, match=r"items is a DataFrame; pass its rows: df.to_dict"):
        parse_bindings(DataFrame())


def test_rows_of_items_get_are_read_in_a_stable_order():
    rows = [
        {"COMPANY_ID": "10", "SORT": "20", "ROLE_ID": 0, "IS_PRIMARY": "N"},
        {"COMPANY_ID": 9, "SORT": 20, "ROLE_ID": 0, "IS_PRIMARY": "N"},
        {"COMPANY_ID": 8, "SORT": 10, "ROLE_ID": 0, "IS_PRIMARY": "Y"},
    ]
    assert parse_rows(rows) == [
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
            st.none() | st.integers(-(10**6), 10**6),
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
