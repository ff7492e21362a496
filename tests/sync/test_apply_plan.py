"""A plan that somebody approved is written as it is, except where contacts have changed since."""

import pytest

from airflow_provider_b24.errors import Bitrix24InputError
from tests.sync.conftest import MemoryStore, companies

WANTED = {1: [8], 2: [8, 9], 3: [], 4: [10], 5: [777777]}


@pytest.fixture
def plan(portal, run, path):
    """The report of a dry run: contacts 1 to 3 are planned, 4 is as wanted, 5 names a missing company."""
    portal.bind(1, [(9, 10, True)])
    portal.bind(3, [(8, 10, True)])
    portal.bind(4, [(10, 10, True)])
    summary = run(WANTED, path, dry_run=True, allow_empty=True, max_failures=1)
    assert (summary["planned"], summary["unchanged"], summary["failed"]) == (3, 1, 1)
    portal.reset_counters()
    return path


def applied(plan):
    return plan.with_name("applied.jsonl")


def test_exactly_the_plan_is_written(portal, run, plan):
    summary = run(plan, applied(plan), apply_plan=True)
    assert (summary["contacts"], summary["written"], summary["skipped"]) == (3, 3, 0)
    assert [companies(portal, contact) for contact in WANTED] == [[8], [8, 9], [], [10], []]
    planned = [line["wanted"] for line in plan.lines() if line["status"] == "planned"]
    assert [line["wanted"] for line in applied(plan).lines()] == planned


def test_a_contact_that_changed_since_is_skipped_and_reported(portal, run, plan):
    portal.bind(1, [(31, 10, True)])
    portal.bind(2, [(31, 10, True)])
    summary = run(plan, applied(plan), apply_plan=True)
    assert (summary["written"], summary["skipped"], summary["failed"]) == (1, 2, 0)
    assert [companies(portal, contact) for contact in (1, 2, 3)] == [[31], [31], []]
    skipped = [line for line in applied(plan).lines() if line["status"] == "skipped"]
    assert [line["contact_id"] for line in skipped] == [1, 2]
    assert [line["before"][0]["COMPANY_ID"] for line in skipped] == [31, 31]
    assert "changed since the plan" in skipped[0]["error"]["description"]


def test_a_contact_that_somebody_else_brought_to_the_plan_is_unchanged(portal, run, plan):
    portal.bind(1, [(8, 10, True)])
    summary = run(plan, apply_plan=True)
    assert (summary["written"], summary["unchanged"], summary["skipped"]) == (2, 1, 0)


def test_a_second_time_it_writes_nothing(portal, run, plan):
    run(plan, apply_plan=True)
    portal.reset_counters()
    assert run(plan, apply_plan=True)["unchanged"] == 3
    assert not portal.writes


def test_what_was_applied_can_be_undone(portal, run, plan):
    run(plan, applied(plan), apply_plan=True)
    run(applied(plan), undo=True)
    assert [companies(portal, contact) for contact in (1, 2, 3)] == [[9], [], [8]]


def test_a_try_that_was_stopped_goes_on(portal, run, plan):
    store = MemoryStore()
    run(plan, applied(plan), apply_plan=True, store=store)
    again = MemoryStore(store.saved, number=2)
    assert run(plan, applied(plan), apply_plan=True, store=again)["contacts"] == 3
    assert max(portal.writes.values()) == 1


def test_a_dry_run_of_a_plan_says_what_is_left_of_it(portal, run, plan):
    portal.bind(1, [(31, 10, True)])
    summary = run(plan, apply_plan=True, dry_run=True)
    assert (summary["planned"], summary["skipped"], summary["written"]) == (2, 1, 0)
    assert not portal.writes


def test_a_plan_of_nothing_is_no_error(run, path):
    path._objects[str(path)] = b'{"contact_id": 1, "before": [], "status": "unchanged"}\n'
    assert run(path, apply_plan=True)["contacts"] == 0


@pytest.mark.parametrize("options", [{"undo": True}, {"mode": "replace"}])
def test_what_contradicts_a_plan_is_refused(run, plan, options):
    with pytest.raises(Bitrix24InputError, match="apply_plan"):
        run(plan, apply_plan=True, **options)


@pytest.mark.parametrize(
    "line",
    [
        b'{"contact_id": 1}',
        b'{"contact_id": 1, "status": "planned", "before": null, "wanted": []}',
        b'{"contact_id": 1, "status": "planned", "before": [], "wanted": "x"}',
        b'{"contact_id": "x", "status": "planned", "before": [], "wanted": []}',
        b"not JSON",
    ],
)
def test_a_plan_that_is_damaged_is_refused_whole(portal, run, path, line):
    good = b'{"contact_id": 2, "status": "planned", "before": [], "wanted": [{"COMPANY_ID": 8}]}\n'
    path._objects[str(path)] = good + line + b"\n"
    with pytest.raises(Bitrix24InputError, match="line 2"):
        run(path, apply_plan=True)
    assert not portal.writes
