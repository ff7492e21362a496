"""PHP's coercions, arrays and query strings."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_b24.sandbox.model import php, php_json
from airflow_provider_b24.sandbox.model.php import parse_str


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("82", 82),
        ("82abc", 82),
        ("abc", 0),
        ("", 0),
        (None, 0),
        (-5, -5),
        (8.9, 8),
        (-8.9, -8),
        (True, 1),
        (False, 0),
        ([], 0),
        ([0], 1),
        ({"a": 1}, 1),
        (" 7", 7),
        ("\n7", 7),
        ("1e3", 1000),
        (".5", 0),
        ("+4", 4),
        ("- 4", 0),
        ("0x1A", 0),
        ("²", 0),
        ("99999999999999999999", 2**63 - 1),
        (float("inf"), 0),
    ],
)
def test_values_are_cast_to_int_as_php_does(value, number):
    assert php.to_int(value) == number


@pytest.mark.parametrize(
    ("value", "truth"),
    [
        ("false", True),
        ("0", False),
        ("", False),
        (0, False),
        (1, True),
        ("0.0", True),
        ([], False),
        ("N", True),
    ],
)
def test_truth_is_phps(value, truth):
    assert php.is_truthy(value) is truth


@pytest.mark.parametrize(
    ("query", "parsed"),
    [
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&a=2", {"a": "2"}),
        ("a[]=1&a[]=2", {"a": {0: "1", 1: "2"}}),
        ("items[0][COMPANY_ID]=8&items[0][SORT]=10", {"items": {0: {"COMPANY_ID": "8", "SORT": "10"}}}),
        ("items%5B0%5D%5BCOMPANY_ID%5D=8", {"items": {0: {"COMPANY_ID": "8"}}}),
        ("a[7]=x&a[]=y", {"a": {7: "x", 8: "y"}}),
        ("a[07]=x", {"a": {"07": "x"}}),
        ("a=1&a[b]=2", {"a": {"b": "2"}}),
        ("a[b]=1&a=2", {"a": "2"}),
        ("a.b=1&c d=2", {"a_b": "1", "c_d": "2"}),
        ("a[b=1", {"a_b": "1"}),
        ("a[b]c=1", {"a": {"b": "1"}}),
        ("[a]=1&=2&&", {}),
        ("a", {"a": ""}),
        ("a=x+y%20z", {"a": "x y z"}),
        ("filter[>id]=5&filter[@id][0]=1", {"filter": {">id": "5", "@id": {0: "1"}}}),
        ("a[x.y]=1", {"a": {"x.y": "1"}}),
    ],
)
def test_query_strings_become_nested_arrays(query, parsed):
    assert parse_str(query) == parsed


@given(st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.text(), max_size=5))
def test_flat_parameters_survive_encoding(params):
    params = {name: text.encode("utf-8", "ignore").decode() for name, text in params.items()}
    assert parse_str(urlencode(params)) == params


@given(st.text())
def test_any_query_string_can_be_parsed(text):
    parse_str(text)
    parse_str(quote(text.encode("utf-8", "replace")))


def test_numeric_keys_of_json_objects_become_ints_and_lists_come_back():
    decoded = php_json.to_array({"0": "a", "1": {"x": []}})
    assert decoded == {0: "a", 1: {"x": []}}
    assert php.to_json(decoded) == ["a", {"x": []}]
    assert php.to_json({}) == []
    assert php.to_json({1: "a"}) == {1: "a"}


@pytest.mark.parametrize(("value", "text"), [(True, "1"), (False, ""), (None, ""), (5, "5"), ([1], "Array")])
def test_values_are_put_into_text_as_php_does(value, text):
    assert php.to_text(value) == text
