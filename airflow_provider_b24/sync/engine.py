"""
Carries out a sync, chunk by chunk: read, plan, note the state before, write, report, save how far it is.

The engine knows no kind of record: what it is, how it is read, compared and written is up to its subject.
It is one module because its steps share one chunk and make sense only in their order.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic

from airflow_provider_b24.errors import (
    Bitrix24ApiError,
    Bitrix24Error,
    Bitrix24InputError,
    Bitrix24OperatingLimitError,
)
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.runs.journal import Journal
from airflow_provider_b24.runs.progress_log import ProgressLog
from airflow_provider_b24.runs.report_rows import BAD, Status, report_row
from airflow_provider_b24.runs.state import Checkpoint
from airflow_provider_b24.sync.chunks import chunk_writes, portion
from airflow_provider_b24.sync.options import EngineOptions
from airflow_provider_b24.sync.state import SyncState
from airflow_provider_b24.sync.subject import Rejected, S, Subject, Wanted

if TYPE_CHECKING:
    from airflow_provider_b24.rest.client import Client
    from airflow_provider_b24.rest.replies import Outcome

log = logging.getLogger(__name__)

KNOWN_RATE = 100  # records after which their rate means something


class Change(Generic[S]):
    """
    One record of a chunk, from its row to its result.

    :ivar before: its state before, if it was read.
    :ivar target: the state that is written; None if there is nothing to write.
    :ivar calls: that write it, one after the other.
    """

    __slots__ = ("before", "calls", "error", "item", "needs_read_back", "status", "target")

    def __init__(self, item: Wanted[S] | Rejected) -> None:
        self.item = item
        self.before: S | None = None
        self.target: S | None = None
        self.calls: Sequence[Call] = ()
        self.needs_read_back = False
        self.status: Status | None = None
        self.error: Bitrix24Error | None = None
        if isinstance(item, Rejected):
            self.fail(item.reason)

    def end(self, status: Status, error: Bitrix24Error | None = None) -> None:
        """Give the record its result."""
        self.status, self.error = status, error

    def fail(self, reason: str) -> None:
        """Give the record its result: it cannot be written."""
        self.end("failed", Bitrix24InputError(reason))

    @property
    def key(self) -> int:
        """The record's key; only a row that was rejected may have none."""
        return self.item.key or 0


class Engine(Generic[S]):
    """
    One try of a sync over a stream of records.

    :param client: the portal.
    :param checkpoint: where it is saved how far the sync is.
    :param journal: records the states before and the results, if there is a report.
    :param total: number of records, if known.
    :param done: how many were finished before this try.
    """

    def __init__(
        self,
        client: Client,
        subject: Subject[S],
        options: EngineOptions,
        checkpoint: Checkpoint[SyncState],
        journal: Journal | None,
        *,
        total: int | None,
        done: int,
    ) -> None:
        self._client = client
        self._subject = subject
        self._options = options
        self._checkpoint = checkpoint
        self._journal = journal
        self._chunk: list[Change[S]] = []
        self._progress = ProgressLog(
            client.clock.now,
            log.info,
            f"{subject.noun}s done",
            total=total,
            before=done,
            least=KNOWN_RATE,
        )
        self._uncounted = done - self._counts().total()
        self._seen = 0
        self._differed = 0

    def run(self, stream: Iterable[Wanted[S] | Rejected]) -> None:
        """
        Bring every record of the stream to its wanted state; the results are in the state and the journal.

        :raises Bitrix24Error: the portal was unavailable, refused the credentials, or dictates a longer wait
            than the client sleeps through; the next try resumes behind what is finished.
        :raises SupersededError: another try has taken over.
        """
        unfinished = self._unfinished(stream)
        while True:
            ended = self._read_chunk(unfinished)
            if not self._chunk:
                break
            # What was read is written even if a limit stops the reading: it need not be read again.
            if ended is None or isinstance(ended, Bitrix24OperatingLimitError):
                ended = self._write_chunk() or ended
            self._record()
            if ended is not None:
                raise ended

    def _unfinished(self, stream: Iterable[Wanted[S] | Rejected]) -> Iterator[Wanted[S] | Rejected]:
        """The records that no earlier try has finished."""
        if self._journal is not None:
            finished = self._journal.finished
            return (item for item in stream if item.line_number not in finished)
        position, done = self._checkpoint.state.position, frozenset(self._checkpoint.state.done)
        return (item for item in stream if item.line_number > position and item.line_number not in done)

    # Reading and planning

    def _read_chunk(self, items: Iterator[Wanted[S] | Rejected]) -> Bitrix24Error | None:
        """Take records for a chunk and read them; return the error that ended the run."""
        chunk = self._chunk = []
        ended: Bitrix24Error | None = None
        while ended is None and (size := self._portion()):
            new = [Change(item) for item in islice(items, size)]
            if not new:
                break
            chunk += new
            self._refuse(new)
            unread = []
            for one in new:
                if one.status is None and not self._is_read(one):
                    self._plan(one, None)
                elif one.status is None:
                    unread.append(one)
            self._log_progress()
            ended = self._read(unread)
        return ended

    def _portion(self) -> int:
        parallel = self._client.max_parallel
        if self._options.mode == "replace" and not self._options.dry_run:
            return 0 if self._chunk else chunk_writes(parallel)
        pending = sum(bool(one.calls) for one in self._chunk)
        return portion(len(self._chunk), pending, self._seen, self._differed, parallel)

    def _is_read(self, one: Change[S]) -> bool:
        if self._options.mode == "diff":
            return True
        if self._journal is not None and one.item.line_number in self._journal.noted:
            return True
        return one.item.line_number <= self._checkpoint.state.touched

    def _refuse(self, changes: Iterable[Change[S]]) -> None:
        """Fail the records that must not be written, by what their subject looks up."""
        wanted = [(one, one.item) for one in changes if isinstance(one.item, Wanted)]
        for _, item in wanted:
            self._subject.collect(item)
        self._subject.look_up()
        for one, item in wanted:
            if (reason := self._subject.refusal(item)) is not None:
                one.fail(reason)

    def _read(self, changes: Sequence[Change[S]]) -> Bitrix24Error | None:
        """Read records and plan what to write; return the error that ended the run."""
        ended: Bitrix24Error | None = None
        readings = self._subject.read([one.key for one in changes])
        for one, reading in zip(changes, readings, strict=True):
            if reading.ended_run:  # not this record's failure; the next try reads it again
                ended = ended or reading.error
            elif reading.error is not None or reading.state is None:
                one.end("failed", reading.error)
            else:
                self._plan(one, reading.state)
            self._log_progress()
        self._seen += len(changes)
        self._differed += sum(bool(one.calls) for one in changes)
        return ended

    def _plan(self, one: Change[S], current: S | None) -> None:
        """Decide what to write, if anything."""
        item, subject = one.item, self._subject
        assert isinstance(item, Wanted)  # noqa: S101 - others have a status
        target: S | None = item.state
        if current is not None:
            if self._options.mode == "diff":
                one.before = current
            if item.exact:
                target = None if item.state == current else item.state
            else:
                target = subject.difference(item.state, current)
        if target is None:
            # In replace mode only what an earlier try may have written is read.
            one.end("unchanged" if self._options.mode == "diff" else "written")
        elif item.planned_from is not None and item.planned_from != current:
            one.end("skipped", Bitrix24InputError(subject.changed_since))
        elif item.exact and (reason := subject.cannot_write(item.state)) is not None:
            one.fail(reason)
        elif self._options.dry_run:
            one.end("planned")
        else:
            one.target = target
            one.calls = [subject.write(item.key, target)]
            one.needs_read_back = subject.needs_read_back(target, current)

    # Writing

    def _write_chunk(self) -> Bitrix24Error | None:
        """Write what is planned; return the error that ended the run."""
        pending = [one for one in self._chunk if one.status is None and one.calls]
        if not pending:
            return None
        self._announce(pending)
        ended = self._send(pending)
        read_back = [one for one in pending if one.status == "written" and one.needs_read_back]
        return self._repair(read_back) if read_back and ended is None else ended

    def _announce(self, pending: Sequence[Change[S]]) -> None:
        """Before anything is written: make sure that this try may, and note what is about to change."""
        self._check_current()
        if self._journal is not None:
            self._journal.note(
                {"line": one.item.line_number, "key": one.key, "before": self._to_json(one.before)}
                for one in pending
            )
        elif self._options.mode == "replace":
            self._checkpoint.state.touched = pending[-1].item.line_number
            self._checkpoint.save()

    def _send(self, changes: Sequence[Change[S]]) -> Bitrix24Error | None:
        """Send the calls of records, of each record one after the other."""
        ended: Bitrix24Error | None = None
        step = 0
        while changes and ended is None:
            calls = (one.calls[step] for one in changes)
            for one, outcome in zip(changes, self._client.bulk(calls), strict=True):
                if outcome.ended_run:  # the next try reads it again and writes what still differs
                    ended = ended or outcome.error
                else:
                    self._sent(one, outcome, is_last=step + 1 == len(one.calls))
            step += 1
            changes = [one for one in changes if one.status is None]
        return ended

    def _sent(self, one: Change[S], outcome: Outcome, *, is_last: bool) -> None:
        if outcome.error is not None:
            one.end("unknown" if outcome.status == "unknown" else "failed", outcome.error)
        else:
            try:
                self._subject.confirm(outcome.call, outcome.result)
            except Bitrix24Error as unconfirmed:
                one.end("unknown", unconfirmed)
            else:
                if is_last:
                    one.end("written")
        self._log_progress()

    def _repair(self, changes: Sequence[Change[S]]) -> Bitrix24Error | None:
        """Read back what the portal has stored, and store by other calls what differs."""
        ended, differing = self._differing(changes)
        for one in differing:
            one.status = None
            one.calls = self._subject.repairs(one.key, one.target) if one.target is not None else ()
        ended = ended or self._send(differing)
        if ended is None:
            ended, differing = self._differing([one for one in differing if one.status == "written"])
            for one in differing:
                one.end("failed", Bitrix24ApiError("the portal stored something else than it was sent"))
        return ended

    def _differing(self, changes: Sequence[Change[S]]) -> tuple[Bitrix24Error | None, list[Change[S]]]:
        """Read records that were written; return those whose state is not as it was sent."""
        ended: Bitrix24Error | None = None
        found = []
        for one, reading in zip(changes, self._subject.read([one.key for one in changes]), strict=True):
            if reading.ended_run:
                ended = ended or reading.error
                one.status = None
            elif reading.state is None:
                one.end("unknown", reading.error)
            elif one.target is not None and self._subject.difference(one.target, reading.state) is not None:
                found.append(one)
        return ended, found

    # Recording

    def _record(self) -> None:
        """Record the results of the chunk, and save how far the sync is."""
        finished = [one for one in self._chunk if one.status is not None]
        still_open = [one.item.line_number for one in self._chunk if one.status is None]
        rows = [self._report_row(one) for one in finished]
        state = self._checkpoint.state
        for row in rows:
            state.tally.add(row)
        self._chunk = []
        if self._journal is not None and rows:
            self._check_current()
            self._journal.append(rows)
        state.finish([one.item.line_number for one in finished], still_open)
        self._checkpoint.save()

    def _report_row(self, one: Change[S]) -> dict[str, Any]:
        return report_row(
            self._subject.name,
            {self._subject.key_name: one.item.key},
            one.item.line_number,
            one.status or "failed",
            wanted=self._to_json(one.item.state if isinstance(one.item, Wanted) else None),
            before=self._to_json(one.before),
            error=one.error,
        )

    def _to_json(self, state: S | None) -> Any:
        return None if state is None else self._subject.to_json(state)

    def _check_current(self) -> None:
        self._checkpoint.check()
        if self._journal is not None:
            self._journal.check()

    def _log_progress(self) -> None:
        self._progress.update(self._describe_progress)

    def _describe_progress(self) -> tuple[int, str]:
        counts = self._counts()
        failed = sum(counts[status] for status in BAD)
        refusals = self._client.refusals
        details = f"{counts['written']} written, {failed} failed, {refusals} requests rate-limited"
        return self._uncounted + counts.total(), details

    def _counts(self) -> Counter[str]:
        """The records by status, with those of the open chunk."""
        return self._checkpoint.state.tally.counts + Counter(one.status for one in self._chunk if one.status)
