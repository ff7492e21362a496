"""The summaries of runs, as tasks return them."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class RunSummary(TypedDict):
    """
    What every summary has.

    :ivar requests: sent by all tries.
    :ivar seconds: that they took.
    :ivar timeline: see ``runs.meter``; operators move it to an XCom of its own.
    """

    requests: int
    seconds: float
    timeline: NotRequired[list[list[float]]]


class ReportSummary(RunSummary):
    """
    Of a run with a report: how many rows have each status.

    :ivar planned: only of a dry run.
    :ivar skipped: only of an applied plan.
    :ivar failures: the first 20.
    """

    unchanged: int
    written: int
    failed: int
    unknown: int
    planned: NotRequired[int]
    skipped: NotRequired[int]
    failures: list[dict[str, Any]]
    report_path: str | None
