import math
from decimal import Decimal
from fractions import Fraction

import pytest

from airflow_provider_b24.crm.values import (
    is_missing,
    parse_flag,
    parse_id,
    parse_optional_int,
    parse_switch,
    parse_text,
)
from airflow_provider_b24.errors import Bitrix24InputError


class Index:
    """An integer of a library: no subclass of int, but usable as an index."""

    def __repr__(self):
        return "Index(8)"

    def __index__(self):
        return 8


class Scalar:
    """A scalar of numpy, as far as this package can tell."""

    ndim = 0

    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return f"Scalar({self.value!r})"

    def item(self):
        return self.value


class Array(Scalar):
    """An array of numpy with one value: no scalar."""

    ndim = 1


class NAType:
    """pandas.NA, which has no truth value."""

    def __ne__(self, other):
        return self

    def __bool__(self):
        raise TypeError("boolean value of NA is ambiguous")

    __hash__ = None


WHOLE = [8, 8.0, "8", " 8 ", "8.0", "8.", "+8", Decimal(8), Decimal("8.00"), Fraction(8), Index()]


@pytest.mark.parametrize("value", [*WHOLE, Scalar(8), Scalar(8.0)], ids=repr)
def test_an_id_is_recognized_by_its_value(value):
    assert parse_id(value, "contact_id") == 8
    assert type(parse_id(value, "contact_id")) is int


@pytest.mark.parametrize(
    "value",
    [
        *(8.5, "8.5", Decimal("8.5"), "8.0.0", "8e0", "0x8", "8abc", "1_000", "\u00b2", b"8", Array(8)),
        *(0, -1, "-1", True, False, Scalar(True), None, "", "None", [8], {}, 2**63, "9" * 5000, 10**5000),
        *(math.nan, math.inf, Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("1E+999999")),
    ],
    ids=lambda value: "a huge number" if isinstance(value, int) and value > 2**70 else f"{value!r:.20}",
)
def test_anything_else_is_no_id(value):
    with pytest.raises(Bitrix24InputError, match="contact_id must be a positive whole number"):
        parse_id(value, "contact_id")


@pytest.mark.parametrize("value", [0, -5, "-5", "0", Decimal("-5.0"), -5.0])
def test_a_sort_is_any_whole_number(value):
    assert parse_optional_int(value, "sort") == int(float(value))


@pytest.mark.parametrize(
    ("value", "flag"),
    [
        *((value, True) for value in (True, 1, 1.0, Decimal(1), "Y", "y", " Yes ", "TRUE", "1", "1.0")),
        *((value, False) for value in (False, 0, 0.0, "N", "n", "no", " False", "0", Scalar(False))),
        *((value, None) for value in (None, math.nan, Decimal("NaN"), "", "None", "NaN", NAType())),
    ],
)
def test_a_flag_is_read_in_every_common_form(value, flag):
    assert parse_flag(value, "is_primary") is flag


@pytest.mark.parametrize("value", [2, -1, 0.5, "maybe", "t", [], {}, object()])
def test_anything_else_is_no_flag(value):
    with pytest.raises(Bitrix24InputError, match="is_primary must be True or False"):
        parse_flag(value, "is_primary")


@pytest.mark.parametrize("value", [None, "", "None", math.nan])
def test_a_switch_must_be_given(value):
    with pytest.raises(Bitrix24InputError, match="allow_empty must be True or False"):
        parse_switch(value, "allow_empty")


@pytest.mark.parametrize("value", [0, False, "0", [], {}, "N", Decimal("0")])
def test_what_is_false_is_not_missing(value):
    assert not is_missing(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[8, 9]", [8, 9]),
        ("{'a': True, 'b': None}", {"a": True, "b": None}),
        ('{"a": true, "b": null}', {"a": True, "b": None}),
        ("[Decimal('8'), Decimal('12.50')]", ["8", "12.50"]),
        ("[np.int64(8), np.float64(nan), nan, np.False_]", [8, None, None, False]),
        ("True", True),
    ],
)
def test_text_is_read_as_json_or_as_a_python_literal(text, value):
    assert parse_text(text, "items") == value


@pytest.mark.parametrize(
    "text", ["[8, __import__('os')]", "np.load('x', 1)", "a b", "[" * 500, "os.getcwd()"]
)
def test_text_of_anything_else_is_refused_and_never_run(text):
    with pytest.raises(Bitrix24InputError, match="neither JSON nor a Python literal"):
        parse_text(text, "items")
