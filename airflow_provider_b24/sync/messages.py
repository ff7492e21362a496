"""Messages of a sync: how it begins, stops and ends."""

from __future__ import annotations

import logging

from airflow_provider_b24.runs.progress_log import duration
from airflow_provider_b24.runs.report_rows import LISTED_FAILURES, Tally
from airflow_provider_b24.runs.summary import ReportSummary
from airflow_provider_b24.sync.options import EngineOptions

log = logging.getLogger(__name__)


def counted(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def log_start(what: str, source: str, host: str, options: EngineOptions, done: str) -> None:
    """
    Log what is about to be synced.

    :param what: the records, with their number if it is known.
    :param done: how many an earlier try has finished; empty: none.
    """
    log.info(
        "Syncing %s from %s to %s, mode %s%s%s%s%s",
        *(what, source, host, options.mode),
        ", undo" if options.undo else "",
        ", applying a plan" if options.apply_plan else "",
        ", dry run" if options.dry_run else "",
        f"; {done} already finished" if done else "",
    )


def log_stop(noun: str, tally: Tally, *, resumed: bool) -> None:
    """
    Log how far a run has come that stops.

    :param resumed: another try follows.
    """
    log.warning(
        "Stopped after %s: %d written, %d unchanged, %d failed%s",
        *(counted(tally.total, noun), tally.counts["written"], tally.counts["unchanged"], tally.bad),
        "; the next try resumes there" if resumed else "",
    )


def log_end(noun: str, host: str, tally: Tally, summary: ReportSummary) -> None:
    """Log what was done, then the first failures, then where the report is."""
    counts = tally.counts
    parts = [f"{counts['written']} written", f"{counts['unchanged']} unchanged"]
    if "planned" in summary:
        parts[0] = f"{counts['planned']} would be written"
    parts += [f"{counts['failed']} failed"]
    if counts["skipped"]:
        parts += [f"{counts['skipped']} skipped because they have changed since the plan was made"]
    if counts["unknown"]:
        parts += [f"{counts['unknown']} with unknown result"]
    log.info(
        "Synced %s to %s in %s with %s: %s",
        *(counted(tally.total, noun), host, duration(summary["seconds"])),
        *(counted(summary["requests"], "request"), ", ".join(parts)),
    )
    for failure in tally.failures:
        code = f" ({failure['code']})" if failure["code"] else ""
        what = (noun.capitalize(), failure["key"], failure["line"])
        log.warning("%s %s (line %s): %s%s", *what, failure["description"], code)
    if tally.bad > LISTED_FAILURES:
        where = "; the report lists all" if summary["report_path"] else ""
        log.warning("... and %s%s", counted(tally.bad - LISTED_FAILURES, "more failure"), where)
    if summary["report_path"]:
        log.info("Report: %s", summary["report_path"])
