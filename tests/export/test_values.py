"""Values and the promises of their columns."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from airflow_provider_b24.errors import Bitrix24Error
from airflow_provider_b24.export.columns import Column
from airflow_provider_b24.export.values import Converter


def convert(type_, *values, **options):
    column = Column("x", type_, **{name: options.pop(name) for name in ("keeps_false",) if name in options})
    return list(Converter([column], **options).convert([{"x": value} for value in values])[0])


@pytest.mark.parametrize("type_", ["integer", "number", "date", "datetime", "json"])
def test_no_value_is_none(type_):
    assert convert(type_, None, False, "") == [None, None, None]
    assert list(Converter([Column("x", type_)]).convert([{}])[0]) == [None]


def test_an_empty_text_is_a_text_and_false_is_none():
    assert convert("string", None, False, "") == [None, None, ""]


def test_false_in_a_text_that_nobody_promised_may_be_a_flag():
    assert convert("string", True, False, None, keeps_false=True) == ["true", "false", None]


def test_numbers_and_objects_in_a_text_are_json():
    values = convert("string", 5, Decimal("1.50"), ["ü", 1], {"a": Decimal("0.10")})
    assert values == ["5", "1.50", '["ü",1]', '{"a":0.10}']


@pytest.mark.parametrize(
    ("value", "whole"),
    [("5", 5), (" 5 ", 5), ("-7", -7), ("12.000", 12), (Decimal("3.0"), 3), ("007", 7), (0, 0)],
)
def test_whole_numbers(value, whole):
    assert convert("integer", value) == [whole]


@pytest.mark.parametrize(
    "value", ["1_000", "five", "1.5", Decimal("1.5"), True, [], {}, "٣", 2**63, "9" * 5000]
)
def test_what_is_no_whole_number_of_64_bits(value):
    with pytest.raises(Bitrix24Error, match="row 2: column x is of type integer"):
        convert("integer", 1, value)


def test_a_text_file_holds_whole_numbers_of_any_length():
    assert convert("integer", 2**70, bounded=False) == [2**70]


@pytest.mark.parametrize("value", ["10000000000000000.01", "0.10", "-1", ".5", "1e3", 7])
def test_numbers_keep_their_digits(value):
    assert convert("number", value) == [Decimal(value)]
    assert str(convert("number", value)[0]) == str(Decimal(value))


@pytest.mark.parametrize("value", ["nan", "Infinity", "1 000", "1,5", True, [1], "1_0", "1e9999"])
def test_what_is_no_number(value):
    with pytest.raises(Bitrix24Error, match="column x is of type number"):
        convert("number", value)


@pytest.mark.parametrize("value", ["Y", "1", "true", True, 1])
def test_true(value):
    assert convert("boolean", value) == [True]


@pytest.mark.parametrize("value", ["N", "0", "false", False, 0])
def test_false(value):
    assert convert("boolean", value) == [False]


@pytest.mark.parametrize("value", ["D", "T", 2, [], "yes"])
def test_what_is_no_flag(value):
    with pytest.raises(Bitrix24Error, match="column x is of type boolean"):
        convert("boolean", value)


@pytest.mark.parametrize(
    "value",
    [
        "2026-05-10T03:00:00+03:00",
        "2026-05-10T00:00:00+00:00",
        "2026-05-09T20:00:00-04:00",
        "2026-05-10T13:00:00+13:00",
        "2026-05-10",
        "2026-05-10T00:00:00",
    ],
)
def test_a_date_is_the_day_in_utc(value):
    assert convert("date", value) == [date(2026, 5, 10)]


@pytest.mark.parametrize("value", ["10.05.2026", "0001-01-01T00:00:00+03:00", 5, "soon", True])
def test_what_is_no_date(value):
    with pytest.raises(Bitrix24Error, match="column x is of type date"):
        convert("date", value)


@pytest.mark.parametrize("type_", ["date", "datetime"])
@pytest.mark.parametrize("value", ["-0001-11-30T00:00:00+02:30", "0000-00-00 00:00:00", "-0001-11-30"])
def test_the_date_zero_of_mysql_is_no_value(type_, value):
    assert convert(type_, value) == [None]


def test_times_have_an_offset():
    assert convert("datetime", "2026-05-10T03:00:00+03:00") == [datetime(2026, 5, 10, tzinfo=UTC)]
    with pytest.raises(Bitrix24Error, match="no time in ISO 8601 with an offset"):
        convert("datetime", "2026-05-10T03:00:00")


def test_times_that_stay_text_are_checked():
    assert convert("datetime", "2026-05-10T03:00:00+03:00", "", moments=False) == [
        "2026-05-10T03:00:00+03:00",
        None,
    ]
    with pytest.raises(Bitrix24Error):
        convert("datetime", "soon", moments=False)


def test_an_error_names_the_row_by_its_id_and_shortens_the_value():
    converter = Converter([Column("ufCrm_1", "integer")], key="id")
    converter.convert([{"id": 1}])
    with pytest.raises(Bitrix24Error) as caught:
        converter.convert([{"id": 7, "ufCrm_1": 1}, {"id": 82, "ufCrm_1": "x" * 500}])
    text = str(caught.value)
    assert "the row with id 82: column ufCrm_1 is of type integer" in text
    assert "types={'ufCrm_1': 'string'}" in text
    assert len(text) < 300
    assert not caught.value.temporary


def test_a_column_is_read_from_the_name_that_the_rows_have():
    converter = Converter([Column("DEAL_ID", "integer")], {"DEAL_ID": "deal_id"})
    assert converter.convert([{"deal_id": "5"}]) == [[5]]
