"""
Carries out a sync, chunk by chunk: read, plan, note the state before, write, report, save how far it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_b24.crm.bindings import CompanyBinding
from airflow_provider_b24.crm.contact_company import confirm_write, get_companies
from airflow_provider_b24.crm.missing import MissingCompanies, missing_company
from airflow_provider_b24.errors import (
    Bitrix24ApiError,
    Bitrix24Error,
    Bitrix24InputError,
    Bitrix24OperatingLimitError,
)
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.sync.checkpoint import Checkpoint
from airflow_provider_b24.sync.journal import Journal
from airflow_provider_b24.sync.lines import Status, report_line
from airflow_provider_b24.sync.options import SyncOptions
from airflow_provider_b24.sync.plan import (
    CHANGED_SINCE,
    cannot_restore,
    changed_since,
    chunk_writes,
    difference,
    first_write,
    is_odd,
    portion,
    repair_writes,
)
from airflow_provider_b24.sync.progress_log import ProgressLog
from airflow_provider_b24.sync.wanted import Rejected, Wanted, parse_state

if TYPE_CHECKING:
    from airflow_provider_b24.rest.client import Client
    from airflow_provider_b24.rest.replies import Outcome

_ADD = "crm.contact.company.add"


class PlannedContact:
    """One contact of a chunk."""

    __slots__ = ("before", "calls", "error", "item", "odd_target", "status")

    def __init__(self, item: Wanted | Rejected) -> None:
        self.item = item
        self.before: tuple[CompanyBinding, ...] | None = None
        self.calls: list[Call] = []
        self.odd_target: list[CompanyBinding] | None = None
        self.status: Status | None = None
        self.error: Bitrix24Error | None = None
        if isinstance(item, Rejected):
            self.end("failed", Bitrix24InputError(item.reason))

    def end(self, status: Status, error: Bitrix24Error | None = None) -> None:
        """Give the contact its result."""
        self.status, self.error = status, error

    def line(self) -> dict[str, Any]:
        """Its line of the report."""
        wanted = self.item.bindings if isinstance(self.item, Wanted) else None
        return report_line(
            self.item.line,
            self.item.contact_id,
            self.status or "failed",
            wanted=wanted,
            before=self.before,
            error=self.error,
        )


class SyncRun:
    """
    One try of a sync over a stream of contacts.

    :param client: the portal.
    :param options: how it is done.
    :param checkpoint: where it is saved how far the sync is.
    :param journal: where the state before and the results are written down, if there is a report.
    :param missing: the companies that the portal does not show, if they are checked.
    :param total: number of contacts, if known.
    :param done: how many were finished before this try.
    """

    def __init__(
        self,
        client: Client,
        options: SyncOptions,
        *,
        checkpoint: Checkpoint,
        journal: Journal | None,
        missing: MissingCompanies | None,
        total: int | None,
        done: int,
    ) -> None:
        self._client = client
        self._options = options
        self._checkpoint = checkpoint
        self._journal = journal
        self._missing = missing
        self._chunk: list[PlannedContact] = []
        self._progress = ProgressLog(client.clock, total, done, self._counts)
        self._seen = 0
        self._differed = 0

    def run(self, stream: Iterable[Wanted | Rejected]) -> None:
        """
        Bring every contact of the stream to its wanted state; the results are in the cursor and the journal.

        :raises Bitrix24Error: the portal stayed away, refused the credentials, or dictates a longer wait than
            the client sleeps through; the next try goes on behind what is finished.
        :raises SupersededError: another try has taken over.
        """
        contacts = self._open_contacts(stream)
        while True:
            chunk, ended = self._read_chunk(contacts)
            if not chunk:
                break
            # What was read is written even if a limit stops the reading: it need not be read again.
            if ended is None or isinstance(ended, Bitrix24OperatingLimitError):
                ended = self._write_chunk(chunk) or ended
            self._record(chunk)
            if ended is not None:
                raise ended

    def _open_contacts(self, stream: Iterable[Wanted | Rejected]) -> Iterator[Wanted | Rejected]:
        """The contacts that no try before has finished."""
        if self._journal is not None:
            finished = self._journal.finished
            return (item for item in stream if item.line not in finished)
        cursor = self._checkpoint.cursor
        line, done = cursor.line, frozenset(cursor.done)
        return (item for item in stream if item.line > line and item.line not in done)

    # Reading and planning

    def _read_chunk(
        self, contacts: Iterator[Wanted | Rejected]
    ) -> tuple[list[PlannedContact], Bitrix24Error | None]:
        chunk = self._chunk = []
        ended: Bitrix24Error | None = None
        while ended is None and (size := self._portion(chunk)):
            new = [PlannedContact(item) for item in islice(contacts, size)]
            if not new:
                break
            chunk += new
            if self._missing is not None:
                self._reject_missing(new, self._missing)
            unread = []
            for one in new:
                if one.status is None and not self._is_read(one):
                    self._plan(one, None)
                elif one.status is None:
                    unread.append(one)
            self._tell()
            ended = self._read(unread)
        return chunk, ended

    def _portion(self, chunk: list[PlannedContact]) -> int:
        parallel = self._client.max_parallel
        if self._options.mode == "replace" and not self._options.dry_run:
            return 0 if chunk else chunk_writes(parallel)
        pending = sum(bool(one.calls) for one in chunk)
        return portion(len(chunk), pending, self._seen, self._differed, parallel)

    def _is_read(self, one: PlannedContact) -> bool:
        if self._options.mode == "diff":
            return True
        if self._journal is not None and one.item.line in self._journal.noted:
            return True
        return one.item.line <= self._checkpoint.cursor.touched

    def _reject_missing(self, contacts: list[PlannedContact], missing: MissingCompanies) -> None:
        wanted = [(one, one.item) for one in contacts if isinstance(one.item, Wanted)]
        missing.look_up(binding.company_id for _, item in wanted for binding in item.bindings)
        for one, item in wanted:
            if (company := missing.first_in(item.bindings)) is not None:
                one.end("failed", Bitrix24InputError(missing_company(company)))

    def _read(self, contacts: list[PlannedContact]) -> Bitrix24Error | None:
        """Read the companies of contacts and plan what to write; return the error that ended the run."""
        ended: Bitrix24Error | None = None
        calls = (get_companies(one.item.contact_id or 0) for one in contacts)
        for one, outcome in zip(contacts, self._client.bulk(calls), strict=True):
            if outcome.ended_run:  # not this contact's failure; the next try reads it again
                ended = ended or outcome.error
            elif outcome.error is not None:
                one.end("failed", outcome.error)
            elif (current := parse_state(outcome.result)) is None:
                error = "the answer contains no list of bindings"
                one.end("failed", Bitrix24ApiError(error, method=outcome.call.method))
            else:
                self._plan(one, current)
            self._tell()
        self._seen += len(contacts)
        self._differed += sum(bool(one.calls) for one in contacts)
        return ended

    def _plan(self, one: PlannedContact, current: tuple[CompanyBinding, ...] | None) -> None:
        """Decide what to write, if anything."""
        item = one.item
        assert isinstance(item, Wanted)  # noqa: S101 - others have a status
        target: list[CompanyBinding] | None = list(item.bindings)
        if current is not None:
            if self._options.mode == "diff":
                one.before = current
            if item.exact:
                target = None if set(item.bindings) == set(current) else target
            else:
                target = difference(item.bindings, current)
        reason = cannot_restore(item.bindings) if item.exact else None
        if target is not None and item.planned_from is not None and changed_since(item, current):
            one.end("skipped", Bitrix24InputError(CHANGED_SINCE))
        elif target is None:
            # In replace mode only what an earlier try may have written is read.
            one.end("unchanged" if self._options.mode == "diff" else "written")
        elif reason is not None:
            one.end("failed", Bitrix24InputError(reason))
        elif self._options.dry_run:
            one.end("planned")
        else:
            one.calls = [first_write(item.contact_id, target)]
            one.odd_target = target if is_odd(target, current) else None

    # Writing

    def _write_chunk(self, chunk: list[PlannedContact]) -> Bitrix24Error | None:
        """Write what is planned; return the error that ended the run."""
        pending = [one for one in chunk if one.status is None and one.calls]
        if not pending:
            return None
        self._announce(pending)
        ended = self._send(pending)
        odd = [one for one in pending if one.status == "written" and one.odd_target is not None]
        if odd and ended is None:
            ended = self._repair(odd)
        return ended

    def _send(self, contacts: list[PlannedContact]) -> Bitrix24Error | None:
        """Send the calls of contacts, of each contact one after the other."""
        ended: Bitrix24Error | None = None
        step = 0
        while contacts and ended is None:
            calls = (one.calls[step] for one in contacts)
            for one, outcome in zip(contacts, self._client.bulk(calls), strict=True):
                if outcome.ended_run:  # the next try reads it again and writes what still differs
                    ended = ended or outcome.error
                else:
                    self._written(one, outcome, is_last=step + 1 == len(one.calls))
            step += 1
            contacts = [one for one in contacts if one.status is None]
        return ended

    def _repair(self, contacts: list[PlannedContact]) -> Bitrix24Error | None:
        """Look what ``items.set`` has stored of odd targets, and store the rest by other calls."""
        ended, differing = self._differing(contacts)
        for one in differing:
            one.status = None
            one.calls = repair_writes(one.item.contact_id or 0, one.odd_target or [])
        ended = ended or self._send(differing)
        if ended is None:
            ended, differing = self._differing([one for one in differing if one.status == "written"])
            for one in differing:
                one.end("failed", Bitrix24ApiError("the portal stored other bindings than it was sent"))
        return ended

    def _differing(self, contacts: list[PlannedContact]) -> tuple[Bitrix24Error | None, list[PlannedContact]]:
        """Read contacts that were written; return those whose bindings are not as they were sent."""
        ended: Bitrix24Error | None = None
        found = []
        calls = (get_companies(one.item.contact_id or 0) for one in contacts)
        for one, outcome in zip(contacts, self._client.bulk(calls), strict=True):
            current = None if outcome.error is not None else parse_state(outcome.result)
            if outcome.ended_run:
                ended = ended or outcome.error
                one.status = None
            elif current is None:
                one.end(
                    "unknown", outcome.error or Bitrix24ApiError("the answer contains no list of bindings")
                )
            elif difference(one.odd_target or (), current) is not None:
                found.append(one)
        return ended, found

    def _announce(self, pending: list[PlannedContact]) -> None:
        """Before anything is written: make sure that this try may, and note what is about to change."""
        self._check_current()
        if self._journal is not None:
            self._journal.note(
                (one.item.line, one.item.contact_id or 0, one.line()["before"]) for one in pending
            )
        elif self._options.mode == "replace":
            self._checkpoint.cursor.touched = pending[-1].item.line
            self._checkpoint.save()

    def _written(self, one: PlannedContact, outcome: Outcome, *, is_last: bool) -> None:
        error = outcome.error
        if error is None and outcome.call.method != _ADD:  # which answers false if it is bound already
            try:
                confirm_write(outcome.result, outcome.call.method)
            except Bitrix24Error as unconfirmed:
                one.end("unknown", unconfirmed)
                return
        if error is not None:
            one.end("unknown" if outcome.status == "unknown" else "failed", error)
        elif is_last:
            one.end("written")
        self._tell()

    # Recording

    def _record(self, chunk: list[PlannedContact]) -> None:
        """Write down the results of a chunk, and save how far the sync is."""
        finished = [one for one in chunk if one.status is not None]
        lines = [one.line() for one in finished]
        cursor = self._checkpoint.cursor
        for line in lines:
            cursor.tally.add(line)
        self._chunk = []
        if self._journal is not None and lines:
            self._check_current()
            self._journal.append(lines)
        cursor.finish(
            [one.item.line for one in finished], [one.item.line for one in chunk if one.status is None]
        )
        self._checkpoint.save()

    def _check_current(self) -> None:
        self._checkpoint.check()
        if self._journal is not None:
            self._journal.check()

    def _tell(self) -> None:
        self._progress.tell(self._client.refusals)

    def _counts(self) -> Counter[str]:
        """The contacts by status, with those of the open chunk."""
        return self._checkpoint.cursor.tally.counts + Counter(one.status for one in self._chunk if one.status)
