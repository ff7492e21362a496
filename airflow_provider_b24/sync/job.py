"""One sync from beginning to end: check the input, look up what it names, run, report, sum up."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

from airflow_provider_b24.crm.families import CONTACT_COMPANY
from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError, Bitrix24OperatingLimitError
from airflow_provider_b24.files.paths import StoragePath, permanent_reason
from airflow_provider_b24.runs.fence import Fence, SupersededError
from airflow_provider_b24.runs.identity import RunIdentity
from airflow_provider_b24.runs.meter import Meter
from airflow_provider_b24.runs.state import Checkpoint, StateStore
from airflow_provider_b24.runs.summary import ReportSummary
from airflow_provider_b24.sync.engine import Engine
from airflow_provider_b24.sync.messages import counted, log_end, log_start, log_stop
from airflow_provider_b24.sync.options import EngineOptions, InputOptions, pick
from airflow_provider_b24.sync.report import Report
from airflow_provider_b24.sync.source import Checked, Source, check
from airflow_provider_b24.sync.state import SyncState
from airflow_provider_b24.sync.subject import S, Subject
from airflow_provider_b24.sync.subjects.bindings import BindingSubject
from airflow_provider_b24.sync.subjects.options import BINDING_SYNC, BindingOptions
from airflow_provider_b24.sync.summary import summarize, sync_error

if TYPE_CHECKING:
    from airflow_provider_b24.rest.client import Client

ONLY_RECORD = "Without a report, nothing else records what is written. Set report_path, or use mode='diff'"


def sync_contact_companies(
    client: Client,
    wanted: Any,
    *,
    report_path: StoragePath | None = None,
    store: StateStore | None = None,
    **options: Any,
) -> ReportSummary:
    """
    Bring the companies of any number of contacts to the wanted state; return the summary.

    :param options: those of ``EngineOptions``, ``InputOptions`` and ``BindingOptions``.
    """
    if unknown := options.keys() - {*BINDING_SYNC}:
        raise TypeError(f"unknown options of a sync: {', '.join(sorted(unknown))}")
    form = pick(InputOptions, options)
    subject = BindingSubject(CONTACT_COMPANY, pick(BindingOptions, options), form, client.bulk)
    engine = pick(EngineOptions, options)
    return sync(client, subject, wanted, engine, form, report_path=report_path, store=store)


def sync(
    client: Client,
    subject: Subject[S],
    wanted: Any,
    options: EngineOptions,
    form: InputOptions,
    *,
    report_path: StoragePath | None = None,
    store: StateStore | None = None,
) -> ReportSummary:
    """
    Bring any number of records to the wanted state; return the summary.

    :param wanted: see ``Bitrix24Hook.sync_contact_companies``; a path instead of text for a file.
    :param form: how ``wanted`` is read.
    :param report_path: where the report is to be; ``.gz`` at the end compresses it.
    :param store: where the state is kept, so that a later try resumes where this one stopped.
    :raises Bitrix24InputError: bad rows, or a report that cannot be written.
    :raises Bitrix24SyncError: more records failed than ``max_failures``; its ``summary`` has the counts.
    :raises Bitrix24Error: the portal was unavailable; the state is saved.
    """
    source = Source(wanted, subject, options, form)
    if report_path is not None and report_path == source.path:
        raise Bitrix24InputError(f"the report would overwrite its input {report_path}")
    meter = Meter(client)
    checked = check(source, subject, options, form) if source.rereadable else None
    if checked is None:
        store = None
    run, now = store.run if store else RunIdentity(), client.clock.now()
    fence = Fence(run.try_number, now)
    key = _key(options, subject, checked, f"{run.run_id}|{client.host}")
    unread = options.mode == "replace" and report_path is None and not options.dry_run
    checkpoint = Checkpoint(
        *(store, fence, key, SyncState()),
        lambda state: _measure(meter, state),
        only_record=ONLY_RECORD if unread else "",
    )
    checkpoint.start()
    state = checkpoint.state
    meter.resume(state.requests, state.seconds, state.timeline)
    checkpoint.measure()
    report = None
    if report_path is not None:
        report = Report(report_path, key, run, fence, now, was_finished=checkpoint.was_finished)
    job = _Job(client, subject, options, run.retries_left, checkpoint, report)
    try:
        job.run(source, checked)
        return job.finish()
    except BaseException as error:  # noqa: BLE001 - also of a task's timeout; raised again
        job.stop(error)
        raise job.explain(error) from None


def _measure(meter: Meter, state: SyncState) -> None:
    state.requests, state.seconds = meter.measure(state.timeline, state.tally.total)


def _key(options: EngineOptions, subject: Subject[S], checked: Checked | None, where: str) -> str:
    """Identify what a run is given; the state of a run that was given something else is not used."""
    if checked is None:
        return ""
    how = (options.mode, options.dry_run, options.undo, options.apply_plan, subject.fingerprint)
    return hashlib.sha256(f"{how}|{checked.fingerprint}|{where}".encode()).hexdigest()[:32]


@dataclass(frozen=True)
class _Job(Generic[S]):
    """One try of a sync, whose input is valid and whose report is claimed."""

    client: Client
    subject: Subject[S]
    options: EngineOptions
    retries_left: bool
    checkpoint: Checkpoint[SyncState]
    report: Report | None

    def run(self, source: Source[S], checked: Checked | None) -> None:
        """Look up what the input names, and go through it."""
        journal = None if self.report is None else self.report.journal
        done = self.checkpoint.state.tally.total if journal is None else len(journal.finished)
        noun, total = self.subject.noun, None if checked is None else checked.total
        log_start(
            f"{noun}s" if total is None else counted(total, noun),
            *(str(source), self.client.host, self.options),
            counted(done, noun) if done else "",
        )
        self.subject.look_up()
        engine = Engine(
            *(self.client, self.subject, self.options, self.checkpoint, journal), total=total, done=done
        )
        engine.run(source)

    def finish(self) -> ReportSummary:
        """
        Write the report, sum up, and decide whether too much failed.

        :raises Bitrix24SyncError: it did.
        """
        checkpoint, report, options = self.checkpoint, self.report, self.options
        checkpoint.check()
        state = checkpoint.state
        tally = state.tally if report is None else report.write()
        checkpoint.measure()
        path = None if report is None else str(report.path)
        summary = summarize(self.subject, options, tally, state, path)
        log_end(self.subject.noun, self.client.host, tally, summary)
        failed = tally.exceeds(options.max_failures)
        again = failed and tally.temporary > 0 and self.retries_left
        if again:  # the next try repeats what may pass; without a report it finds out by reading
            state.start_over(touched=state.position if options.mode == "replace" else 0)
            checkpoint.save()
        elif not checkpoint.finish():  # perhaps an orphan: a next try would find nothing but the report
            again = self.retries_left
        if report is not None:
            report.close(finished=True, resumed=again)
        if failed:
            raise sync_error(self.subject.noun, tally, options.max_failures, summary)
        return summary

    def stop(self, error: BaseException) -> None:
        """Log how far the run came; leave what the next try needs, and nothing if there will be none."""
        if isinstance(error, SupersededError) or getattr(error, "summary", None):
            return
        deferred = isinstance(error, Bitrix24OperatingLimitError) and self.client.max_wait is not None
        permanent = (isinstance(error, Bitrix24Error) and not error.temporary) or permanent_reason(error)
        resumed = bool(deferred or (self.retries_left and not permanent))
        log_stop(self.subject.noun, self.checkpoint.state.tally, resumed=resumed)
        if self.report is not None:
            self.report.close(finished=False, resumed=resumed)

    def explain(self, error: BaseException) -> BaseException:
        """Return a storage's permanent refusal as one sentence, and every other error as it is."""
        reason = None if isinstance(error, Bitrix24Error) else permanent_reason(error)
        if self.report is None or reason is None or not isinstance(error, OSError):
            return error
        written = counted(self.checkpoint.state.tally.counts["written"], self.subject.noun)
        return Bitrix24InputError(
            f"the report {self.report.path} cannot be written: {reason}. {written} recorded as written; "
            f"the state before each write is in {self.report.folder}"
        )
