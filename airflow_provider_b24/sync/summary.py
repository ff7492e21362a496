"""The summary of a sync, and the error of one in which too many records failed."""

from __future__ import annotations

from typing import cast

from airflow_provider_b24.errors import Bitrix24SyncError
from airflow_provider_b24.runs.report_rows import Tally
from airflow_provider_b24.runs.summary import ReportSummary
from airflow_provider_b24.sync.options import EngineOptions
from airflow_provider_b24.sync.state import SyncState
from airflow_provider_b24.sync.subject import S, Subject


def summarize(
    subject: Subject[S], options: EngineOptions, tally: Tally, state: SyncState, report_path: str | None
) -> ReportSummary:
    """
    Return the summary of a sync.

    :returns: besides the keys of ``ReportSummary`` the number of records by their name, e.g. ``contacts``.
    """
    statuses = ["unchanged", "written", "failed", "unknown"]
    statuses += ["planned"] * options.dry_run + ["skipped"] * options.apply_plan
    failures = [
        {subject.key_name: one["key"], "code": one["code"], "description": one["description"]}
        for one in tally.failures
    ]
    summary = {
        f"{subject.noun}s": tally.total,
        **{status: tally.counts[status] for status in statuses},
        "requests": state.requests,
        "seconds": state.seconds,
        "failures": failures,
        "report_path": report_path,
        "timeline": state.timeline,
    }
    return cast(ReportSummary, summary)


def sync_error(
    noun: str, tally: Tally, max_failures: int | float, summary: ReportSummary
) -> Bitrix24SyncError:
    """The error of a run in which too many records failed; permanent if each of the failures is."""
    first = tally.failures[0] if tally.failures else {}
    where = f"; the report is {summary['report_path']}" if summary["report_path"] else ""
    error = Bitrix24SyncError(
        f"{tally.bad} of {tally.total} {noun}s failed, more than max_failures={max_failures}; "
        f"the first is {noun} {first.get('key')}: {first.get('description')}{where}",
        temporary=tally.temporary > 0,
    )
    error.summary = dict(summary)
    return error
