"""Where runs begin: watermarks by list, tied to runs, without Airflow."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_b24.errors import Bitrix24ConfigError, Bitrix24InputError
from airflow_provider_b24.export.list_key import list_key
from airflow_provider_b24.export.watermark import MOST_LISTS, MOST_RUNS, Run, Watermarks

NOW = datetime(2026, 11, 25, tzinfo=UTC)
DEALS = {"entityTypeId": 2, "filter": {"stageId": "WON", ">opportunity": 5}}


def at(minute):
    return (NOW + timedelta(minutes=minute)).isoformat(timespec="seconds")


class Task:
    """A task whose state goes through text at each step, as it does between processes."""

    def __init__(self, text=None):
        self.text = text
        self.statuses = {}
        self.minute = 0
        self.warnings = []

    def begin(self, run_id, key="deals", index=-1, **facts):
        self.minute += 1
        run = Run(run_id, index, **facts)
        state = Watermarks(self.text, "The Variable")
        asked = state.unconfirmed(key, run)
        known = {one: status for one, status in self.statuses.items() if one[0] in asked}
        self.warnings = state.confirm(key, run, known)
        begin = state.begin(key, run, (NOW + timedelta(minutes=self.minute)).timestamp(), {"method": key})
        self.warnings += begin.warnings
        self.text = state.dump()
        return begin.since

    def finish(self, run_id, since, until=None, key="deals", index=-1, status="success"):
        state = Watermarks(self.text, "The Variable")
        run = Run(run_id, index)
        until = until or at(self.minute)
        state.note(key, run, since, until, (NOW + timedelta(minutes=self.minute)).timestamp(), {})
        assert state.has(key, run, since, until)
        self.text = state.dump()
        self.statuses[run_id, index] = status
        return until

    def run(self, run_id, key="deals", status="success", index=-1, **facts):
        since = self.begin(run_id, key, index, **facts)
        return since, self.finish(run_id, since, key=key, status=status, index=index)


def test_each_run_begins_where_the_last_one_that_succeeded_began_to_read():
    task = Task()
    assert task.run("a") == (None, at(1))
    assert task.run("b") == (at(1), at(2))
    assert task.run("c", status="failed") == (at(2), at(3))  # it lost its result after it had returned
    assert task.run("d") == (at(2), at(4))
    assert task.warnings == ["The run c has not succeeded. What it read is read again"]
    assert task.run("e") == (at(4), at(5))
    assert task.warnings == []


def test_a_run_that_never_finished_moves_nothing():
    task = Task()
    task.run("a")
    task.begin("b")
    assert task.begin("c") == at(1)
    assert task.warnings == []


def test_a_retry_and_a_clear_begin_where_the_run_began():
    task = Task()
    task.run("a")
    since, _ = task.run("b", status="up_for_retry")
    assert task.run("b")[0] == since
    task.run("c")
    task.run("d")
    assert task.run("b", cleared=True) == (at(1), at(6))
    assert task.run("a", cleared=True)[0] is None


def test_an_older_run_that_is_cleared_does_not_move_the_watermark():
    """What it reads anew is in its own, older output: a reader of the outputs in order would overwrite it."""
    task = Task()
    for name in "abc":
        task.run(name)
    task.run("b", cleared=True)
    assert task.run("d")[0] == at(3)


def test_a_run_that_ends_later_with_an_older_mark_does_not_move_it_back():
    task = Task()
    task.run("a")
    first, second = task.begin("b"), task.begin("c")
    assert first == second == at(1)
    task.finish("c", second, at(3))
    task.finish("b", first, at(2))
    assert task.run("d")[0] == at(3)
    assert task.run("e")[0] == at(4)


def test_a_portal_whose_clock_goes_back_does_not_move_it_back():
    task = Task()
    task.run("a")
    since = task.begin("b")
    task.finish("b", since, at(-5))
    assert task.run("c")[0] == at(1)
    assert task.run("d")[0] == at(3)


def test_a_run_of_which_airflow_has_no_record_is_read_again():
    task = Task()
    task.run("a")
    task.run("b")
    del task.statuses["b", -1]
    assert task.begin("c") == at(1)
    assert "no record of the run b" in task.warnings[0]


def test_another_list_is_read_completely_with_a_warning():
    task = Task()
    task.run("a")
    assert task.run("b", key="leads")[0] is None
    assert "only for others" in task.warnings[0]
    assert task.run("c", key="leads")[0] == at(2)
    assert task.run("d")[0] == at(1)


def test_a_bare_time_of_an_earlier_version_counts_for_any_list():
    task = Task(at(-60))
    assert task.run("a", key="leads")[0] == at(-60)
    assert task.warnings == []
    assert task.run("b", key="leads")[0] == at(1)


def test_a_run_before_the_remembered_ones_reads_everything_when_it_is_cleared():
    task = Task()
    for number in range(MOST_RUNS + 10):
        task.run(f"run {number}")
    assert len(json.loads(task.text)["lists"]["deals"]["runs"]) == MOST_RUNS
    watermark = at(task.minute)
    assert task.begin("run 9", cleared=True, due=NOW + timedelta(minutes=9)) is None
    assert "only the last 50 runs are kept" in task.warnings[0]
    assert task.begin("run 30", cleared=True) is not None  # this one is remembered
    # Its first tries failed before it could begin, and it is younger than all that is forgotten.
    late = NOW + timedelta(minutes=task.minute)
    assert task.begin("young", cleared=True, due=late) == watermark
    assert task.begin("run 8", cleared=True, due=None) is None


def test_a_cleared_run_that_read_everything_moves_nothing():
    task = Task(at(-60))
    assert task.run("old", cleared=True)[0] is None
    assert task.run("new")[0] == at(-60)


def test_instances_that_read_the_same_list_move_it_together():
    task = Task()
    task.run("a", index=0)
    task.run("a", index=1)
    assert task.run("b", index=0)[0] == at(1)  # the earlier end of the two
    assert task.run("b", index=1, status="failed")[0] == at(1)
    assert task.run("c", index=0)[0] == at(1)
    assert task.run("c", index=1)[0] == at(1)
    task.statuses["c", 1] = "removed"  # the list that the task is mapped over became shorter
    assert task.begin("d", index=0) == at(5)


def test_a_watermark_that_somebody_sets_back_stays_back():
    task = Task()
    task.run("a")
    since = task.begin("b")
    task.text = at(-500)
    task.finish("b", since)
    assert task.begin("c") == at(-500)


def test_a_watermark_that_somebody_deletes_is_gone():
    task = Task()
    task.run("a")
    since = task.begin("b")
    task.text = None
    task.finish("b", since)
    assert task.begin("c") is None


@pytest.mark.parametrize("years", [1, 1000, 7973])
def test_a_watermark_in_the_future_is_not_believed(years):
    lie = NOW.replace(year=NOW.year + years).isoformat()
    task = Task(lie)
    assert task.run("a") == (None, at(1))
    assert f"The watermark {lie} is in the future" in task.warnings[0]
    assert task.run("b")[0] == at(1)
    assert task.warnings == []


def test_a_portal_whose_clock_is_a_little_ahead_is_believed():
    assert Task(at(9)).begin("a") == at(9)


def test_the_number_of_lists_is_bounded():
    task = Task()
    for day in range(MOST_LISTS + 5):
        task.run(f"run {day}", key=f"filter of day {day}")
    assert len(json.loads(task.text)["lists"]) == MOST_LISTS
    assert len(task.text) < 10_000


@pytest.mark.parametrize(
    "text",
    [
        *(
            "garbage",
            "5",
            "[]",
            "{}",
            '{"lists": []}',
            '{"lists": {"a": 5}}',
            "2026-11-25",
            "2026-11-25T00:00:00",
        ),
        '{"lists": {"a": {"watermark": "x", "run": "", "forgotten": "x", "runs": {}}}}',
        "[" * 100_000,
        5,
    ],
)
def test_what_is_no_watermark_is_named_with_the_remedy(text):
    with pytest.raises(
        Bitrix24ConfigError, match=r"The Variable x holds no watermarks.*Delete it to read"
    ) as raised:
        Watermarks(text, "The Variable x")
    assert len(str(raised.value)) < 400


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(st.sampled_from(["run", "fail", "begin", "parallel", "retry", "clear"]), st.integers(0, 9)),
        max_size=25,
    )
)
def test_the_outputs_of_runs_that_succeeded_hold_every_change(steps):
    """Each run has an output of its own, which its last success fills with what changed in a span of time."""
    task, outputs, failed = Task(), {}, []
    for number, (what, which) in enumerate([*steps, ("run", 0)]):
        name = f"run {number}"
        if what == "retry" and failed:
            name = failed.pop(which % len(failed))
        elif what == "clear" and outputs:
            name = list(outputs)[which % len(outputs)]
        since = task.begin(name, cleared=what == "clear")
        if what == "parallel":
            other = task.begin(f"{name} b")
            outputs[f"{name} b"] = (other, task.finish(f"{name} b", other, at(task.minute)))
            outputs[name] = (since, task.finish(name, since, at(task.minute - 1)))
        elif what in ("begin", "fail"):
            failed.append(name)
            if what == "fail":
                task.finish(name, since, status="failed")
        else:
            outputs[name] = (since, task.finish(name, since))
    held = at(-1)  # nothing changed before
    for since, until in sorted((since or at(-1), until) for since, until in outputs.values()):
        if since <= held:
            held = max(held, until)
    assert task.begin("next") <= held


def key(
    params=DEALS,
    portal="https://mycompany.bitrix24.com",
    method="crm.item.list",
    field="updatedTime",
    task="t",
):
    return list_key(portal, method, params, field, task)


@pytest.mark.parametrize(
    "same",
    [
        key({"filter": {">opportunity": "5", "stageId": "WON"}, "entityTypeId": "2"}),
        key({**DEALS, "select": ["id"], "order": {"id": "ASC"}, "start": 50}),
        key({"FILTER": DEALS["filter"], "entityTypeId": 2}),
        key(portal="https://user:secret@MyCompany.Bitrix24.com/"),
        key(method="CRM.Item.List"),
        key(field="UPDATED_TIME"),
    ],
)
def test_the_same_list_has_the_same_key_however_it_is_written(same):
    assert same == key()


@pytest.mark.parametrize(
    "other",
    [
        key({**DEALS, "entityTypeId": 4}),
        key({**DEALS, "filter": {"stageId": "WON"}}),
        key({**DEALS, "filter": {}}),
        key({**DEALS, "categoryId": 1}),
        key({**DEALS, "filter": {"stageId": "WON", ">opportunity": 5, "opened": True}}),
        key(portal="https://other.bitrix24.com"),
        key(portal="https://mycompany.bitrix24.com/branch"),
        key(method="crm.deal.list"),
        key(field="createdTime"),
        key(task="u"),
    ],
)
def test_another_list_has_another_key(other):
    assert other != key()


def test_a_key_does_not_show_what_is_filtered():
    found = key({"filter": {"email": "ada@example.org"}})
    assert "ada" not in found
    assert len(found) == 16


def test_parameters_that_cannot_be_sent_have_no_key():
    with pytest.raises(Bitrix24InputError):
        key({"filter": {"@id": []}})
