"""A page of a sync's report."""

import pytest

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.plugins.report import is_below, read_summary, read_timeline, report_page
from tests.sync.conftest import contact_row


def rows(count: int, after: int = 0):
    for number in range(after + 1, count + 1):
        status = "failed" if number % 2 else "written"
        error = Bitrix24InputError(f"Company {number} is missing") if number % 2 else None
        yield number, contact_row(number, number, status, error=error)


def page(lines, limit=3, statuses=(), search=""):
    return report_page(lines, limit=limit, statuses=frozenset(statuses), search=search)


def pages(count, **options):
    """The ids on each page, one after the other."""
    after = 0
    while after is not None:
        found = page(rows(count, after), **options)
        after = found["next"]
        yield [contact["contact_id"] for contact in found["contacts"]]


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        pytest.param(0, [[]], id="none"),
        pytest.param(3, [[1, 2, 3]], id="a full page"),
        pytest.param(7, [[1, 2, 3], [4, 5, 6], [7]], id="three pages"),
    ],
)
def test_pages_follow_one_another_without_gap_or_repetition(count, expected):
    assert list(pages(count)) == expected


def test_one_page_reads_a_bounded_part_of_a_long_report():
    lines = rows(1_000_000)
    found = page(lines, search="nothing like it")
    assert (found, next(lines)[0]) == ({"contacts": [], "next": 20_000}, 20_001)
    assert list(pages(60_001, search="company 60001")) == [[], [], [], [60_001]]


def test_a_status_and_a_text_narrow_the_page():
    assert list(pages(6, statuses=["failed"])) == [[1, 3, 5]]
    assert list(pages(7, statuses=["failed"])) == [[1, 3, 5], [7]]
    assert list(pages(6, search="company 5")) == [[5]]


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
    assert page([(1, row)]) == {"contacts": [], "next": None}


def test_rows_of_every_version_are_shown():
    new = contact_row(1, 82, "written")
    old = {name: value for name, value in new.items() if name not in ("version", "subject", "key")}
    shown = page([(1, new), (2, old)])["contacts"]
    assert [one["contact_id"] for one in shown] == [82, 82]
    assert (shown[0]["version"], shown[0]["subject"], shown[0]["key"]) == (2, "contact.company", 82)
    assert "version" not in shown[1]


def test_fields_that_a_report_does_not_have_are_not_shown():
    line = {**contact_row(1, 82, "written"), "token": "secret"}
    assert "secret" not in str(page([(1, line)]))


def test_only_a_summary_of_this_provider_is_one():
    failure = {"contact_id": 7, "code": "NOT_FOUND", "description": "not found", "token": "x"}
    sync = {"contacts": 2, "failed": 1, "requests": 3, "seconds": 0.5, "token": "x", "failures": [failure]}
    assert read_summary({**sync, "report_path": "/a.jsonl"}) == {
        "counts": {"contacts": 2, "failed": 1, "requests": 3, "seconds": 0.5},
        "paths": ["/a.jsonl"],
        "failures": [
            {
                "contact_id": 7,
                "line": None,
                "status": "failed",
                "before": None,
                "wanted": None,
                "error": {"code": "NOT_FOUND", "description": "not found"},
            }
        ],
    }
    export = read_summary({"rows": 9, "requests": 1, "seconds": 1, "paths": ["/a", 1], "failures": 7})
    assert export == {"counts": {"rows": 9, "requests": 1, "seconds": 1}, "paths": ["/a"], "failures": []}
    assert read_summary({"rows": 9}) is None
    assert read_summary([1]) is None


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        pytest.param(
            {"portal": "https://a.bitrix24.com", "timeline": [[1.5, 2, 3, 0, 0.0]]},
            ([[1.5, 2, 3, 0, 0.0]], "https://a.bitrix24.com"),
            id="as stored",
        ),
        pytest.param(
            {"portal": "javascript:alert(1)", "timeline": [["<b>"], 7]}, ([], None), id="something else"
        ),
        pytest.param(None, ([], None), id="nothing"),
        pytest.param([1], ([], None), id="a list"),
    ],
)
def test_a_timeline_holds_numbers_and_the_portal_is_a_web_address(stored, expected):
    assert read_timeline(stored) == expected


def test_only_files_below_the_named_locations_are_read(tmp_path):
    inside, outside = tmp_path / "reports" / "a.jsonl", tmp_path / "secret.jsonl"
    inside.parent.mkdir()
    inside.touch()
    outside.touch()
    (inside.parent / "link.jsonl").symlink_to(outside)
    locations = (str(inside.parent), "s3://bucket/reports")
    below = {
        str(inside): True,
        "s3://bucket/reports/2026/a.jsonl": True,
        str(outside): False,
        f"{inside.parent}/../secret.jsonl": False,
        str(inside.parent / "link.jsonl"): False,
        str(inside.parent): False,
        str(inside.parent / "missing.jsonl"): False,
        "s3://bucket/reports-of-others/a.jsonl": False,
        "s3://bucket/reports/../a.jsonl": False,
        "http://localhost/a.jsonl": False,
        f"file://{inside}": False,
    }
    assert {path: is_below(path, locations) for path in below} == below
    assert not is_below(str(inside), ())
