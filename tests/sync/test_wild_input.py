"""Whatever a sync is given: it is done, or refused before anything is sent."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError, Bitrix24SyncError
from tests.sync.conftest import make_source
from tests.wild import ODD, wild

patiently = settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

SYNC = {
    "bindings": lambda run, one, two: run(one, check_companies=False, max_failures=1.0),
    "rows": lambda run, one, two: run([one, two]),
    "items": lambda run, one, two: run({82: one}),
    "flat rows": lambda run, one, two: run([{"contact_id": 82, "company_id": one, "sort": two}]),
    "columns": lambda run, one, two: run([[82, 8]], columns=one),
    "delimiter": lambda run, one, two: run([[82, 8]], delimiter=one, encoding=two),
    "mode": lambda run, one, two: run({82: [8]}, mode=one),
    "flags": lambda run, one, two: run({82: [8]}, allow_empty=one, dry_run=two),
    "more flags": lambda run, one, two: run({82: [8]}, check_companies=one, undo=two),
    "file flags": lambda run, one, two: run({82: [8]}, ignore_extra_columns=one, allow_no_rows=two),
    "failures": lambda run, one, two: run({82: [8]}, max_failures=one),
    "undo": lambda run, one, two: run([{"contact_id": 82, "status": "written", "before": one}], undo=True),
}


def error_of(work):
    try:
        work()
    except Bitrix24Error as error:
        return error
    return None


def refused_or_done(portal, work):
    """Do some work; if it is refused as input, nothing may have been sent."""
    before = portal.requests
    error = error_of(work)
    if isinstance(error, Bitrix24SyncError):
        assert error.summary["failed"]  # rows of an iterator, or of a report, fail alone
    elif isinstance(error, Bitrix24InputError):
        assert portal.requests == before, "something was sent"
        assert len(str(error)) < 4_000
    elif error is not None:
        assert portal.requests > before, "the portal itself refused"
        assert not error.temporary


@pytest.mark.parametrize("work", SYNC.values(), ids=SYNC.keys())
def test_a_sync_does_or_refuses_before_anything_is_sent(portal, run, work):
    @patiently
    @given(wild, wild)
    def holds(one, two):
        refused_or_done(portal, lambda: work(run, one, two))

    holds()
    for value in ODD:
        refused_or_done(portal, lambda value=value: work(run, value, value))


@given(st.text())
def test_text_of_anything_is_read_or_refused(text):
    error = error_of(lambda: list(make_source(text)))
    assert error is None or len(str(error)) < 400
