"""A page of a sync's report."""

import pytest

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.plugins.report import report_page, summary_fields
from airflow_provider_b24.sync.lines import report_line


def rows(count: int):
    for number in range(1, count + 1):
        status = "failed" if number % 2 else "written"
        error = Bitrix24InputError(f"Company {number} is missing") if number % 2 else None
        yield number, report_line(number, number, status, error=error)


def ids(page):
    return [contact["contact_id"] for contact in page["contacts"]]


def page(lines, skip=0, limit=3, statuses=(), search=""):
    return report_page(lines, skip=skip, limit=limit, statuses=frozenset(statuses), search=search)


def test_pages_follow_one_another_without_gap_or_repetition():
    assert [ids(page(rows(7), skip)) for skip in (0, 3, 6)] == [[1, 2, 3], [4, 5, 6], [7]]
    assert [page(rows(6), skip)["more"] for skip in (0, 3)] == [True, False]


def test_the_rest_of_a_long_report_is_not_read():
    lines = rows(1_000_000)
    page(lines)
    assert next(lines)[0] == 5


def test_a_status_and_a_text_narrow_the_page():
    assert ids(page(rows(6), statuses=["failed"])) == [1, 3, 5]
    assert ids(page(rows(6), search="company 5")) == [5]


@pytest.mark.parametrize(
    "row",
    [
        pytest.param({"secret": "x"}, id="another file's line"),
        pytest.param(["root:x:0:0"], id="a list"),
        pytest.param(Bitrix24InputError("not JSON"), id="a line that cannot be read"),
        pytest.param({"contact_id": 1, "status": "other"}, id="an unknown status"),
    ],
)
def test_what_is_not_a_line_of_a_report_is_not_shown(row):
    assert page([(1, row)]) == {"contacts": [], "more": False}


def test_fields_that_a_report_does_not_have_are_not_shown():
    line = {**report_line(1, 82, "written"), "token": "secret"}
    assert "secret" not in str(page([(1, line)]))


def test_only_a_summary_of_a_sync_or_an_export_is_one():
    sync = {"contacts": 2, "failed": 1, "requests": 3, "seconds": 0.5, "report_path": "/a.jsonl", "token": "x"}
    assert summary_fields(sync) == {"contacts": 2, "failed": 1, "requests": 3, "seconds": 0.5}
    assert summary_fields({"rows": 9, "requests": 1, "seconds": 1, "path": "/a"}) is not None
    assert summary_fields({"rows": 9}) is None
    assert summary_fields([1]) is None
