from types import SimpleNamespace

import pytest

from airflow_provider_b24.notifications.default_text import default_text

TI = {
    "dag_id": "nightly",
    "task_id": "sync",
    "run_id": "manual__1",
    "map_index": -1,
    "try_number": 1,
    "max_tries": 2,
    "state": "failed",
    "log_url": "http://airflow.example/log",
}


def task_context(exception=None, **changes):
    return {"ti": SimpleNamespace(**(TI | changes)), "exception": exception}


def test_a_failed_task():
    assert default_text(task_context(ValueError("broken\nSELECT * FROM everything"))) == (
        "[B]Task failed[/B]: nightly.sync\n"
        "Run: manual__1\n"
        "Try: 1 of 3\n"
        "ValueError: broken\n"
        "[URL=http://airflow.example/log]Log[/URL]"
    )


@pytest.mark.parametrize(
    ("state", "headline"),
    [
        ("up_for_retry", "[B]Task failed and will be retried[/B]: nightly.sync"),
        ("success", "[B]Task succeeded[/B]: nightly.sync"),
        ("skipped", "[B]Task skipped[/B]: nightly.sync"),
        ("running", "[B]Task is running[/B]: nightly.sync"),
        ("deferred", "[B]Task is deferred[/B]: nightly.sync"),
        (None, "[B]Task is unknown[/B]: nightly.sync"),
    ],
)
def test_the_headline_tells_the_state(state, headline):
    assert default_text(task_context(state=state)).splitlines()[0] == headline


def test_a_mapped_task_instance_has_its_index():
    assert "nightly.sync[3]" in default_text(task_context(map_index=3))


@pytest.mark.parametrize(
    ("exception", "line"),
    [
        (KeyError(), "KeyError"),
        (ValueError("\n"), "ValueError"),
        ("told as text", "told as text"),
        (ValueError("x" * 5_000), "ValueError: " + "x" * 488),
    ],
)
def test_an_exception_is_one_short_line(exception, line):
    assert default_text(task_context(exception)).splitlines()[3] == line


def test_a_dag_run():
    dag = SimpleNamespace(dag_id="nightly")
    failed = {"dag": dag, "run_id": "manual__1", "reason": "task_failure", **task_context()}
    assert default_text(failed) == "[B]DAG run failed[/B]: nightly\nRun: manual__1\nReason: task_failure"
    succeeded = {"dag": dag, "run_id": "manual__1", "reason": "success"}
    assert default_text(succeeded) == "[B]DAG run succeeded[/B]: nightly\nRun: manual__1"


def test_a_missed_deadline():
    context = {
        "dag_run": {"dag_id": "nightly", "dag_run_id": "manual__1"},
        "deadline": {"id": "7", "deadline_time": "2026-11-25T06:00:00+00:00"},
    }
    assert default_text(context) == (
        "[B]Deadline missed[/B]: nightly\nRun: manual__1\nDeadline: 2026-11-25T06:00:00+00:00"
    )


def test_an_sla_miss_of_airflow_2():
    context = {"dag": SimpleNamespace(dag_id="nightly"), "task_list": "sync", "blocking_tis": []}
    assert default_text(context) == "[B]SLA missed[/B]: nightly"


def test_no_context_at_all():
    assert default_text({}) == "[B]Message from Airflow[/B]: unknown DAG"
