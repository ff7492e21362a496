import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_b24.crm.bindings import CompanyBinding
from airflow_provider_b24.errors import Bitrix24InputError, Bitrix24NotFoundError
from airflow_provider_b24.sync.plan import Tally, difference, parse_max_failures, report_line, write
from airflow_provider_b24.sync.wanted import Rejected, Wanted, parse_wanted, together


def B(company, primary=None, sort=None):
    return CompanyBinding(company, primary, sort)


def read(rows, **options):
    return list(parse_wanted(enumerate(rows, start=1), **options))


@pytest.mark.parametrize(
    ("wanted", "current", "expected"),
    [
        ([B(8)], [], [B(8, True, 10)]),
        ([B(8)], [B(8, True, 100)], None),
        ([B(8), B(9)], [B(8, True, 100)], [B(8, True, 100), B(9, False, 110)]),
        ([B(9), B(8)], [B(8, True, 100)], [B(9, True, 110), B(8, False, 100)]),
        ([B(8, sort=5)], [B(8, True, 100)], [B(8, True, 5)]),
        ([B(8), B(9, True)], [B(8, True, 10), B(9, False, 20)], [B(8, False, 10), B(9, True, 20)]),
        ([B(8)], [B(8, False, 10)], [B(8, True, 10)]),
        ([B(8)], [B(8, True, 10), B(9, False, 90)], [B(8, True, 10)]),
        ([B(10)], [B(9, True, 90)], [B(10, True, 100)]),
        ([], [], None),
        ([], [B(8, True, 10)], []),
        ([B(8), B(9, sort=300), B(10)], [], [B(8, True, 310), B(9, False, 300), B(10, False, 320)]),
    ],
)
def test_the_difference_says_everything_outright_or_nothing(wanted, current, expected):
    assert difference(wanted, current) == expected


bindings = st.lists(
    st.builds(B, st.integers(1, 50), st.sampled_from([None, False, True]), st.none() | st.integers(1, 500)),
    unique_by=lambda binding: binding.company_id,
    max_size=6,
)


@given(bindings, bindings)
def test_what_was_written_differs_no_more(wanted, current):
    marked = [one for one in wanted if one.is_primary]
    wanted = [B(one.company_id, one in marked[:1] or None, one.sort) for one in wanted]
    stored = [B(one.company_id, index == 0, one.sort or 10) for index, one in enumerate(current)]
    written = difference(wanted, stored)
    if written is not None:
        assert difference(wanted, written) is None
        assert {one.company_id for one in written} == {one.company_id for one in wanted}
        assert sum(bool(one.is_primary) for one in written) == min(1, len(written))


def test_an_empty_set_is_written_by_items_delete():
    assert write(82, []).method == "crm.contact.company.items.delete"
    assert write(82, [B(8)]).method == "crm.contact.company.items.set"


def test_records_and_flat_rows_and_tuples_say_the_same():
    expected = [Wanted(1, 82, (B(8, True, 100), B(9, False, 200)))]
    items = [
        {"COMPANY_ID": 8, "IS_PRIMARY": "Y", "SORT": 100},
        {"COMPANY_ID": 9, "IS_PRIMARY": "N", "SORT": 200},
    ]
    assert read([{"contact_id": 82, "items": items}]) == expected
    assert read([{"contact_id": 82, **row} for row in items]) == expected
    assert read([{"CONTACT_ID": "82", **row} for row in items]) == expected
    columns = ["contact_id", "company_id", "is_primary", "sort"]
    assert read([(82, 8, "Y", 100), ["82", "9", "N", "200"]], columns=columns) == expected


def test_neighbouring_flat_rows_of_a_contact_are_one_set():
    rows = [(82, 8), (82, 9), (83, 8)]
    assert read(rows, columns=["contact_id", "company_id"]) == [
        Wanted(1, 82, (B(8), B(9))),
        Wanted(3, 83, (B(8),)),
    ]


def test_an_outer_joins_row_without_a_company_is_an_empty_set():
    columns = ["contact_id", "company_id"]
    (rejected,) = read([(82, None)], columns=columns)
    assert "allow_empty" in rejected.reason
    assert read([(82, None)], columns=columns, allow_empty=True) == [Wanted(1, 82, ())]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"contact_id": "abc", "items": [8]}, "contact_id must be a positive whole number, got 'abc'"),
        ({"contact_id": 82}, "a row needs contact_id with items"),
        ({"contact_id": 82, "items": []}, "items is empty"),
        ({"contact_id": 82, "items": [8], "name": "x"}, "a row needs contact_id with items"),
        ({"contact_id": 82, "items": None}, "items must be a list, got NoneType"),
        ({"contact_id": 82, "items": [{"companyid": 8}]}, r"items\[0\] has an unknown key 'companyid'"),
        ({"company_id": 8}, "contact_id must be a positive whole number, got None"),
        (
            {"contact_id": 82, "company_id": "abc"},
            "line 2.COMPANY_ID must be a positive whole number, got 'abc'",
        ),
        ({"contact_id": 82, "company_id": 8, "name": "x"}, "line 2 has an unknown key 'name'"),
        ((82, 8, 9), "a row must be a dict, or a tuple as long as columns"),
        (82, "a row must be a dict"),
        (None, "a row must be a dict"),
        (Bitrix24InputError("not a line of JSON: '{'"), "not a line of JSON"),
    ],
)
def test_a_bad_row_names_its_line_and_the_others_are_read(row, reason):
    rows = [{"contact_id": 1, "items": [8]}, row, {"contact_id": 3, "items": [8]}]
    first, bad, last = read(rows, columns=["contact_id", "company_id"])
    assert (first.contact_id, last.contact_id) == (1, 3)
    assert isinstance(bad, Rejected)
    assert bad.line == 2
    assert re.search(reason, bad.reason), bad.reason


def test_a_contact_that_comes_again_is_rejected():
    rows = [(82, 8), (83, 8), (82, 9)]
    assert [type(item) for item in read(rows, columns=["contact_id", "company_id"])] == [
        Wanted,
        Wanted,
        Rejected,
    ]


def test_the_flat_rows_of_a_list_are_brought_together_but_records_are_not():
    columns = ["contact_id", "company_id"]
    rows = together([(82, 8), (83, 8), ("82", 9)], columns)
    assert [item.contact_id for item in parse_wanted(rows, columns=columns)] == [82, 83]
    records = together([{"contact_id": 82, "items": [8]}, {"contact_id": 82, "items": [9]}], None)
    assert isinstance(list(parse_wanted(records))[1], Rejected)


def test_a_report_is_undone_line_by_line():
    lines = [
        report_line(Wanted(1, 82, (B(8),)), 1, 82, "written", [B(9, True, 10)], None),
        report_line(Wanted(2, 83, (B(8),)), 2, 83, "unchanged", [B(8, True, 10)], None),
        report_line(Wanted(3, 84, (B(8),)), 3, 84, "failed", [], Bitrix24NotFoundError("Not found.")),
        report_line(Wanted(4, 85, (B(8),)), 4, 85, "unknown", [], None),
        report_line(Wanted(5, 86, (B(8),)), 5, 86, "written", None, None),
    ]
    undone = read([json.loads(json.dumps(line)) for line in lines], undo=True)
    assert undone[:2] == [Wanted(1, 82, (B(9, True, 10),)), Wanted(4, 85, ())]
    assert "does not hold the state before" in undone[2].reason
    assert isinstance(read([{"contact_id": 82, "items": [8]}], undo=True)[0], Rejected)


def test_the_summary_stays_small_and_the_share_counts():
    tally = Tally()
    for contact in range(1, 1001):
        error = Bitrix24NotFoundError("x" * 500) if contact <= 50 else None
        tally.add(report_line(None, contact, contact, "failed" if error else "written", None, error))
    assert len(json.dumps(tally.failures).encode()) < 3500
    assert (tally.failed, tally.written, tally.contacts) == (50, 950, 1000)
    assert tally.exceeds(49)
    assert not tally.exceeds(50)
    assert tally.exceeds(0.049)
    assert not tally.exceeds(0.05)
    assert not tally.error(49, None).temporary


@pytest.mark.parametrize("value", [True, -1, 1.5, "5", None, float("nan")])
def test_max_failures_is_a_count_or_a_share(value):
    with pytest.raises(Bitrix24InputError, match="max_failures"):
        parse_max_failures(value)
