"""A whole sync: check the input, look up the companies, run, report, sum up."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_b24.crm.missing import MissingCompanies
from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError, Bitrix24OperatingLimitError
from airflow_provider_b24.files.paths import StoragePath, permanent_reason
from airflow_provider_b24.rest.timeline import Meter
from airflow_provider_b24.sync.checkpoint import Checkpoint, Cursor, NoProgress, Progress, SupersededError
from airflow_provider_b24.sync.lines import Tally, sync_error
from airflow_provider_b24.sync.options import SyncOptions
from airflow_provider_b24.sync.progress_log import counted, say_end
from airflow_provider_b24.sync.report import Report
from airflow_provider_b24.sync.run import SyncRun
from airflow_provider_b24.sync.source import Checked, Source, check

if TYPE_CHECKING:
    from airflow_provider_b24.rest.client import Client

log = logging.getLogger(__name__)


def sync(
    client: Client,
    wanted: Any,
    options: SyncOptions,
    *,
    report_path: StoragePath | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """
    Bring the companies of any number of contacts to the wanted state; return the summary.

    :param wanted: see ``Bitrix24Hook.sync_contact_companies``; a path instead of text for a file.
    :param report_path: where the report is to be; ``.gz`` at the end compresses it.
    :param progress: where the state is kept, so that a later try goes on where this one stopped.
    :raises Bitrix24InputError: bad rows, or a report that cannot be written.
    :raises Bitrix24SyncError: more contacts failed than ``max_failures``; its ``summary`` has the counts.
    :raises Bitrix24Error: the portal stayed away; the state is saved.
    """
    source = Source(wanted, options)
    if report_path is not None and report_path == source.path:
        raise Bitrix24InputError(f"the report would overwrite its input {report_path}")
    meter = Meter(client)
    checked = check(source, options) if source.rereadable else None
    kept = NoProgress() if progress is None or checked is None else progress
    key = _key(options, checked, client.host, kept)
    unread = options.mode == "replace" and report_path is None and not options.dry_run
    checkpoint = Checkpoint(kept, key, lambda cursor: _measure(meter, cursor), only_record=unread)
    checkpoint.start(client.clock.now())
    cursor = checkpoint.cursor
    meter.resume(cursor.requests, cursor.seconds, cursor.timeline)
    checkpoint.measure()
    report = None
    if report_path is not None:
        report = Report(report_path, key, kept, client.clock.now(), was_finished=checkpoint.was_finished)
    try:
        _run(client, source, options, checked, checkpoint, report)
        return _finish(client, options, kept, checkpoint, report)
    except BaseException as error:  # noqa: BLE001 - also of a task's timeout; raised again
        _stopped(error, client, kept, checkpoint, report)
        raise _explained(error, checkpoint, report) from None


def _measure(meter: Meter, cursor: Cursor) -> None:
    cursor.requests, cursor.seconds = meter.measure(cursor.timeline, cursor.tally.contacts)


def _key(options: SyncOptions, checked: Checked | None, host: str, progress: Progress) -> str:
    """What a run is given; the state of a run that was given something else is not used."""
    if checked is None:
        return ""
    how = (
        options.mode,
        options.allow_empty,
        options.check_companies,
        options.dry_run,
        options.undo,
        options.apply_plan,
    )
    text = f"{progress.run}|{how}|{checked.fingerprint}|{host}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _run(
    client: Client,
    source: Source,
    options: SyncOptions,
    checked: Checked | None,
    checkpoint: Checkpoint,
    report: Report | None,
) -> None:
    journal = None if report is None else report.journal
    done = checkpoint.cursor.tally.contacts if journal is None else len(journal.finished)
    log.info(
        "Syncing %s from %s to %s, mode %s%s%s%s",
        "contacts" if checked is None else counted(checked.contacts),
        *(source, client.host, options.mode),
        ", undo" if options.undo else ", applying a plan" if options.apply_plan else "",
        ", dry run" if options.dry_run else "",
        f"; {counted(done)} already finished" if done else "",
    )
    missing = MissingCompanies(client.bulk) if options.check_companies else None
    if missing is not None and checked is not None:
        missing.look_up(checked.companies)
    run = SyncRun(
        client,
        options,
        checkpoint=checkpoint,
        journal=journal,
        missing=missing,
        total=None if checked is None else checked.contacts,
        done=done,
    )
    run.run(source)


def _finish(
    client: Client, options: SyncOptions, progress: Progress, checkpoint: Checkpoint, report: Report | None
) -> dict[str, Any]:
    """Write the report, sum up, and decide whether too much failed."""
    checkpoint.check()
    tally = checkpoint.cursor.tally if report is None else report.write()
    last_line = checkpoint.cursor.line
    checkpoint.measure()
    summary = _summary(tally, checkpoint.cursor, options, report)
    say_end(client.host, tally, summary)
    failed = tally.exceeds(options.max_failures)
    again = failed and tally.temporary > 0 and progress.retries_left
    if again:  # the next try repeats what may pass; without a report it finds out by reading
        touched = last_line if options.mode == "replace" else 0
        cursor = checkpoint.cursor
        checkpoint.cursor = replace(cursor, line=0, done=[], touched=touched, tally=Tally())
        checkpoint.save()
    elif not checkpoint.finish():  # perhaps an orphan: a next try would find nothing but the report
        again = progress.retries_left
    if report is not None:
        report.close(finished=True, resumed=again)
    if failed:
        raise sync_error(tally, options.max_failures, summary)
    return summary


def _summary(tally: Tally, cursor: Cursor, options: SyncOptions, report: Report | None) -> dict[str, Any]:
    counts = tally.counts
    listed = ("contact_id", "code", "description")
    summary = {
        "contacts": tally.contacts,
        **{status: counts[status] for status in ("unchanged", "written", "failed", "unknown")},
        "requests": cursor.requests,
        "seconds": cursor.seconds,
        "failures": [{name: failure[name] for name in listed} for failure in tally.failures],
        "report_path": None if report is None else str(report.path),
        "timeline": cursor.timeline,
    }
    if options.apply_plan:
        summary["skipped"] = counts["skipped"]
    return {**summary, "planned": counts["planned"]} if options.dry_run else summary


def _stopped(
    error: BaseException, client: Client, progress: Progress, checkpoint: Checkpoint, report: Report | None
) -> None:
    """Say how far the run came; leave what the next try needs, and nothing if there will be none."""
    if isinstance(error, SupersededError) or getattr(error, "summary", None):
        return
    deferred = isinstance(error, Bitrix24OperatingLimitError) and client.max_wait is not None
    permanent = (isinstance(error, Bitrix24Error) and not error.temporary) or permanent_reason(error)
    again = deferred or (progress.retries_left and not permanent)
    tally = checkpoint.cursor.tally
    log.warning(
        "Stopped after %s: %d written, %d unchanged, %d failed%s",
        *(counted(tally.contacts), tally.counts["written"], tally.counts["unchanged"], tally.bad),
        "; the next try resumes there" if again else "",
    )
    if report is not None:
        report.close(finished=False, resumed=bool(again))


def _explained(error: BaseException, checkpoint: Checkpoint, report: Report | None) -> BaseException:
    """A storage's permanent refusal on the way, as one sentence; every other error as it is."""
    reason = None if isinstance(error, Bitrix24Error) else permanent_reason(error)
    if report is None or reason is None or not isinstance(error, OSError):
        return error
    return Bitrix24InputError(
        f"the report {report.path} cannot be written: {reason}. {checkpoint.cursor.tally.counts['written']} "
        f"contacts are recorded as written; the state before each write is in {report.folder}"
    )
