"""Names of fields and parameters in all their spellings."""

import pytest

from airflow_provider_b24.rest.names import find_name, is_parameter, same_name, split_condition, value_of


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("CHANGED_DATE", "changedDate"),
        ("CHANGED_DATE", "changed_date"),
        ("ID", "id"),
        ("UF_CRM_1", "ufCrm_1"),
        ("UF_CRM_12_3", "ufCrm12_3"),
        ("UF_CRM_1699999999", "ufCrm_1699999999"),
        ("ADDRESS_2", "address2"),
    ],
)
def test_spellings_of_one_name(left, right):
    assert same_name(left, right)
    assert find_name(left, ["other", right]) == right
    assert value_of({"other": 1, right: 2}, left) == 2


@pytest.mark.parametrize(
    ("left", "right"), [("UF_CRM_12_3", "UF_CRM_1_23"), ("ID", "IDS"), ("dateCreate", "dateModify")]
)
def test_names_that_differ(left, right):
    assert not same_name(left, right)
    assert find_name(left, [right]) is None
    assert value_of({right: 1}, left) is None


def test_a_name_that_is_written_the_same_goes_before_another_spelling():
    assert value_of({"id": 1, "ID": 2}, "ID") == 2


@pytest.mark.parametrize("name", ["filter", "FILTER", "Filter", "arFilter", "ARFILTER"])
def test_spellings_of_a_parameter(name):
    assert is_parameter(name, "filter")
    assert is_parameter(name, "FILTER")
    assert not is_parameter(name, "order")
    assert not is_parameter(name, "")


@pytest.mark.parametrize(
    ("key", "parts"),
    [
        (">=ID", (">=", "ID")),
        ("ID", ("", "ID")),
        ("!@uf_crm_1", ("!@", "uf_crm_1")),
        ("::LOGIC", ("::", "LOGIC")),
    ],
)
def test_a_condition_is_an_operator_and_a_name(key, parts):
    assert split_condition(key) == parts
