"""A whole sync: input, companies, run, report, summary."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.files.rows import storage_path
from airflow_provider_b24.rest.bulk import WINDOW_BATCHES
from airflow_provider_b24.rest.calls import MAX_BATCH
from airflow_provider_b24.sync.plan import Mode, Tally, parse_max_failures
from airflow_provider_b24.sync.report import Report
from airflow_provider_b24.sync.run import Cursor, SyncRun
from airflow_provider_b24.sync.source import Checked, MissingCompanies, Source, check

if TYPE_CHECKING:
    from airflow_provider_b24.rest.client import Client


class Progress(Protocol):
    """Where the cursor of a sync is kept between tries."""

    run: str

    def load(self) -> dict[str, Any] | None:
        """Return what was saved last, if anything."""

    def save(self, cursor: dict[str, Any]) -> None:
        """Keep a small JSON object."""

    def clear(self) -> None:
        """Forget it: the run is over."""


class NoProgress:
    """Nothing is kept; a run starts at the beginning."""

    run = ""

    def load(self) -> dict[str, Any] | None:
        return None

    def save(self, cursor: dict[str, Any]) -> None:
        pass

    def clear(self) -> None:
        pass


class SyncJob:
    """
    One sync with all it needs; ``go`` returns the summary.

    The parameters are those of ``Bitrix24Hook.sync_contact_companies``.
    """

    def __init__(
        self,
        client: Client,
        wanted: Any,
        *,
        columns: Sequence[str] | None,
        mode: Mode,
        allow_empty: bool,
        check_companies: bool,
        max_failures: int | float,
        report_path: str | None,
        dry_run: bool,
        undo: bool,
        progress: Progress | None,
    ) -> None:
        if mode not in ("diff", "replace"):
            raise Bitrix24InputError(f"mode must be 'diff' or 'replace', got {mode!r:.80}")
        for name, value in {
            "allow_empty": allow_empty,
            "check_companies": check_companies,
            "dry_run": dry_run,
            "undo": undo,
        }.items():
            if not isinstance(value, bool):  # e.g. an XComArg, which would count as true
                raise Bitrix24InputError(f"{name} must be True or False, got {value!r:.80}")
        self._client = client
        self._source = Source(wanted, columns, allow_empty=allow_empty, undo=undo)
        self._mode: Mode = mode
        self._ghosts = MissingCompanies(client) if check_companies else None
        self._max_failures = parse_max_failures(max_failures)
        self._report_path = None if report_path in (None, "") else storage_path(report_path, "report_path")
        if self._report_path is not None and self._report_path == self._source.path:
            raise Bitrix24InputError(f"the report would overwrite its input {self._report_path}")
        self._dry_run = dry_run
        self._options = (mode, allow_empty, check_companies, dry_run, undo)
        self._progress = progress or NoProgress()

    def go(self) -> dict[str, Any]:
        """
        Carry it out.

        :raises Bitrix24InputError: bad rows in a list or a file; nothing was written.
        :raises Bitrix24SyncError: more contacts failed than ``max_failures``; its ``summary`` says all.
        :raises Bitrix24Error: the portal stayed away; the cursor is saved.
        """
        started, requests = self._client.clock.now(), self._client.transport.requests
        checked = check(self._source) if self._source.rereadable else None
        if checked is not None and self._ghosts is not None:
            self._ghosts.look_up(checked.companies)
        run = self._prepare(checked)
        tally = run.go(self._stream())
        report = self._report.finish() if self._report is not None else None
        summary = {
            "contacts": tally.contacts,
            "unchanged": tally.unchanged,
            "written": tally.written,
            "failed": tally.failed,
            "unknown": tally.unknown,
            "requests": self._client.transport.requests - requests,
            "seconds": round(self._client.clock.now() - started, 3),
            "failures": tally.failures,
            "report_path": report,
        }
        if self._dry_run:
            summary["planned"] = tally.planned
        self._conclude(tally, report, summary)
        return summary

    def _stream(self) -> Any:
        if self._ghosts is None:
            return self._source
        if self._source.rereadable:
            return self._ghosts.reject(self._source)
        return self._ghosts.check_as_it_flows(self._source)

    def _prepare(self, checked: Checked | None) -> SyncRun:
        """Take up an earlier try of the same run over the same input, where there is one."""
        self._run_name = name = "" if checked is None else self._name(checked)
        saved = self._progress.load() if name else None
        cursor = Cursor.from_json(saved["cursor"]) if saved and saved.get("name") == name else Cursor()
        self._report = Report(self._report_path, name) if self._report_path is not None else None
        before: dict[int, Any] = {}
        if self._report is not None:
            found = self._report.resume()
            before = found.before
            if found.done != cursor.done:  # only what the report holds may be passed over
                cursor.ahead = {}
            if found.done:
                window = WINDOW_BATCHES * self._client.transport.config.max_parallel * MAX_BATCH
                cursor.touched = max(cursor.touched, found.done + window + MAX_BATCH)
            cursor.done, cursor.tally = found.done, found.tally
        return SyncRun(
            self._client,
            mode=self._mode,
            dry_run=self._dry_run,
            cursor=cursor,
            report=self._report,
            before=before,
            save=(lambda one: self._progress.save({"name": name, "cursor": one.to_json()})) if name else None,
            total=None if checked is None else checked.contacts,
        )

    def _name(self, checked: Checked) -> str:
        """What this run is: the task's run, its options and its input; empty if nothing can be resumed."""
        if not self._progress.run:
            return ""
        text = f"{self._progress.run}|{self._options}|{checked.fingerprint}|{self._client.transport.host}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def _conclude(self, tally: Tally, report: str | None, summary: dict[str, Any]) -> None:
        if not tally.exceeds(self._max_failures):
            self._progress.clear()
            return
        error = tally.error(self._max_failures, report)
        error.summary = summary
        if error.temporary and self._mode == "replace":
            # The next try reads everything this one may have written, and writes only what is missing.
            self._progress.save({"name": self._run_name, "cursor": Cursor(touched=tally.contacts).to_json()})
        else:
            self._progress.clear()
        raise error
