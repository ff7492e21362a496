"""What the tries of a run leave for one another, and the report that it becomes."""

import pytest

from airflow_provider_b24.runs.fence import Fence, SupersededError
from airflow_provider_b24.runs.journal import Journal


def row(line, status="written", before=None, temporary=None):
    error = None if temporary is None else {"code": "", "description": "x", "temporary": temporary}
    return {"key": line, "line": line, "status": status, "wanted": [], "before": before, "error": error}


@pytest.fixture
def begin(tmp_path):
    def begin(try_number, generation="0"):
        journal = Journal(tmp_path / "parts", "run", generation, tmp_path / "report.jsonl")
        journal.start(Fence(try_number, now=100.0), was_finished=False)
        return journal

    return begin


def test_a_later_try_repeats_only_what_may_pass(begin):
    first = begin(1)
    first.note([{"line": line, "key": line, "before": [line]} for line in (1, 2, 3, 4)])
    first.append([row(1), row(2, "failed", temporary=True), row(3, "failed", temporary=False)])
    second = begin(2)
    assert [line for line in range(1, 6) if line in second.finished] == [1, 3]
    assert [line for line in range(1, 6) if line in second.noted] == [2, 4]


def test_the_report_has_the_newest_result_and_the_oldest_state_before(begin):
    first = begin(1)
    first.note([{"line": 1, "key": 1, "before": ["first"]}, {"line": 2, "key": 2, "before": ["first"]}])
    second = begin(2)
    second.append([row(1, "unchanged", before=["second"]), row(3, "unchanged", before=["second"])])
    assert [(one["line"], one["status"], one["before"]) for one in second.report_rows()] == [
        (1, "written", ["first"]),
        (3, "unchanged", ["second"]),
    ]


def test_results_of_another_generation_do_not_count(begin):
    begin(1).append([row(1, before=["first"])])
    cleared = begin(2, generation="1")
    assert 1 not in cleared.finished
    cleared.append([row(1, before=["second"])])
    assert [one["before"] for one in cleared.report_rows()] == [["first"]]


def test_only_the_latest_try_is_current(begin):
    first = begin(1)
    first.check()
    second = begin(1)
    second.check()
    with pytest.raises(SupersededError):
        first.check()
    with pytest.raises(SupersededError):
        begin(0)
    second.delete()
    with pytest.raises(SupersededError):
        second.check()
