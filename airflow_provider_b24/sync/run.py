"""Carries out a sync: reads, decides, writes, reports, and can be taken up where it stopped."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_b24.crm.bindings import CompanyBinding, parse_rows, to_wire
from airflow_provider_b24.crm.contact_company import get_companies
from airflow_provider_b24.errors import Bitrix24ApiError, Bitrix24Error, Bitrix24InputError
from airflow_provider_b24.rest.calls import MAX_BATCH, Call
from airflow_provider_b24.sync.plan import Mode, Status, Tally, difference, report_line, write
from airflow_provider_b24.sync.report import Report
from airflow_provider_b24.sync.wanted import Rejected, Wanted

if TYPE_CHECKING:
    from airflow_provider_b24.rest.client import Client
    from airflow_provider_b24.rest.replies import Outcome

log = logging.getLogger(__name__)

MOST_PENDING = 10_000  # contacts that may wait behind an unfinished one before a batch leaves underfilled
AHEAD = 2_000  # contacts of replace mode that are noted as touched before any of them is
CHECKPOINT_SECONDS = 3.0
_READ = "crm.contact.company.items.get"
PROGRESS_SECONDS = 5.0


@dataclass
class Cursor:
    """
    How far a sync has come; plain JSON, small.

    :ivar done: contacts at the head of the input that are finished.
    :ivar touched: contacts at the head of the input that may have been written.
    :ivar ahead: what became of finished contacts behind the first unfinished one, by position.
    :ivar tally: the counts of the finished ones.
    """

    done: int = 0
    touched: int = 0
    tally: Tally = field(default_factory=Tally)
    ahead: dict[int, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "ahead": {str(position): fate for position, fate in self.ahead.items()}}

    @classmethod
    def from_json(cls, stored: Any) -> Cursor:
        """Read what ``to_json`` wrote; the text of another version of this package counts as none."""
        try:
            ahead = {int(position): fate for position, fate in stored["ahead"].items()}
            return cls(stored["done"], stored["touched"], Tally(**stored["tally"]), ahead)
        except (TypeError, ValueError, LookupError, AttributeError):
            return cls()


class _Entry:
    """One contact on its way."""

    __slots__ = ("before", "contact_id", "error", "fate", "line", "position", "wanted")

    def __init__(self, position: int, item: Wanted | Rejected) -> None:
        self.position = position
        self.line = item.line
        self.contact_id = item.contact_id
        self.wanted = item if isinstance(item, Wanted) else None
        self.before: list[CompanyBinding] | None = None
        self.fate: Status | None = None
        self.error: Bitrix24Error | None = None
        if isinstance(item, Rejected):
            self.end("failed", Bitrix24InputError(item.reason))

    def end(self, fate: Status, error: Bitrix24Error | None = None) -> None:
        self.fate, self.error = fate, error


class SyncRun:
    """
    One run over a stream of contacts; ``go`` once.

    :param client: the portal.
    :param mode: ``diff`` reads each contact and writes only differences, ``replace`` writes unread.
    :param dry_run: decide and report, write nothing.
    :param cursor: where an earlier try stopped.
    :param report: where each contact's line goes.
    :param before: by contact, the state that an earlier try noted before it wrote.
    :param save: called with the cursor every few seconds, and before replace mode touches new contacts.
    :param total: number of contacts, for the progress in the log, if known.
    """

    def __init__(
        self,
        client: Client,
        *,
        mode: Mode = "diff",
        dry_run: bool = False,
        cursor: Cursor | None = None,
        report: Report | None = None,
        before: dict[int, Any] | None = None,
        save: Callable[[Cursor], None] | None = None,
        total: int | None = None,
    ) -> None:
        self.cursor = cursor or Cursor()
        self.ended: Bitrix24Error | None = None
        self._client = client
        self._clock = client.clock
        self._mode = mode
        self._dry_run = dry_run
        self._report = report
        self._save = save
        self._total = total
        self._before = before or {}
        self._already = dict(self.cursor.ahead)
        self._uncertain = self.cursor.touched  # of an earlier try: read these, even in replace mode
        self._pending: deque[_Entry] = deque()
        self._writes: deque[tuple[_Entry, Call]] = deque()
        self._sent: deque[tuple[_Entry, Wanted | None]] = deque()  # a read is sent for what is wanted
        self._reads_under_way = 0
        self._started = self._saved = self._said = self._clock.now()
        self._done_before = self.cursor.done
        self._stream: Iterator[Wanted | Rejected] = iter(())
        self._exhausted = False

    def go(self, stream: Iterable[Wanted | Rejected]) -> Tally:
        """
        Bring every contact of the stream to its wanted state.

        :raises Bitrix24Error: the portal stayed away, refused the credentials, or dictates a longer wait than
            the client sleeps through; ``cursor`` tells where to go on.
        """
        self._stream = islice(iter(stream), self.cursor.done, None)
        while self.ended is None and not (self._exhausted and not self._writes):
            for outcome in self._client.bulk(self._calls()):
                self._arrived(outcome)
                self._finish_head()
            self._finish_head()
        self.cursor.ahead = {
            entry.position: entry.fate for entry in self._pending if entry.fate in ("written", "unchanged")
        }
        self._checkpoint()
        if self.ended is not None:
            raise self.ended
        return self.cursor.tally

    def _calls(self) -> Iterator[Call]:
        """
        The calls of the run, as the client asks for them: reads and writes in groups of a whole batch.

        Writes that do not fill one wait for more, until too many contacts wait behind them.
        """
        while self.ended is None:
            if len(self._writes) >= MAX_BATCH or (
                self._writes
                and (len(self._pending) >= MOST_PENDING or (self._exhausted and not self._reads_under_way))
            ):
                yield from self._write_group()
            elif self._exhausted:
                return
            else:
                yield from self._next_group()

    def _write_group(self) -> Iterator[Call]:
        group = [self._writes.popleft() for _ in range(min(MAX_BATCH, len(self._writes)))]
        self._announce([entry for entry, _ in group])
        for entry, call in group:
            self._sent.append((entry, None))
            yield call

    def _next_group(self) -> Iterator[Call]:
        items = list(islice(self._stream, MAX_BATCH))
        self._exhausted = len(items) < MAX_BATCH
        for item in items:
            entry = _Entry(self._next_position(), item)
            self._pending.append(entry)
            if isinstance(item, Rejected):
                continue
            if earlier := self._already.pop(entry.position, None):
                self._recall(entry, "written" if earlier == "written" else "unchanged")
            elif self._mode == "diff" or entry.position < self._uncertain:
                self._sent.append((entry, item))
                self._reads_under_way += 1
                yield get_companies(item.contact_id)
            else:
                self._decide(entry, list(item.bindings))
        self._finish_head()

    def _next_position(self) -> int:
        return self._pending[-1].position + 1 if self._pending else self.cursor.done

    def _announce(self, group: list[_Entry]) -> None:
        """Before anything is written: note that it may be."""
        if self._report is not None and self._mode == "diff":
            for entry in group:
                if entry.contact_id not in self._before:
                    self._report.about_to_write(entry.contact_id or 0, to_wire(entry.before or []))
            self._report.flush()
        last = max(entry.position for entry in group)
        if self._mode == "replace" and last >= self.cursor.touched:
            self.cursor.touched = last + AHEAD
            self._checkpoint()

    def _arrived(self, outcome: Outcome) -> None:
        entry, wanted = self._sent.popleft()
        if wanted is not None:
            self._reads_under_way -= 1
        if outcome.ended_run:  # not this contact's failure; the next try takes it up again
            self.ended = self.ended or outcome.error
        elif not outcome.ok:
            entry.end(
                "unknown" if wanted is None and outcome.status == "unknown" else "failed", outcome.error
            )
        elif wanted is None and outcome.result:
            entry.end("written")
        elif wanted is None:
            text = f"the portal answered {outcome.result!r:.40} to a write, neither done nor refused"
            entry.end("unknown", Bitrix24ApiError(text, method=outcome.call.method))
        else:
            self._compare(entry, wanted, outcome.result)

    def _compare(self, entry: _Entry, wanted: Wanted, result: Any) -> None:
        try:
            current = parse_rows(result)
        except (TypeError, ValueError, KeyError, AttributeError):
            entry.end("failed", Bitrix24ApiError("the portal's answer holds no bindings", method=_READ))
            return
        target = difference(wanted.bindings, current)
        if self._mode == "diff":
            known = self._before.get(entry.contact_id or 0)  # an earlier try may have changed it since
            entry.before = current if known is None else parse_rows(known)
        if target is not None:
            self._decide(entry, target)
        elif entry.contact_id in self._before or self._mode == "replace":
            self._recall(entry, "written")
        else:
            entry.end("unchanged")

    def _recall(self, entry: _Entry, fate: Status) -> None:
        """An earlier try finished this contact, or wrote it and died before the answer."""
        before = self._before.get(entry.contact_id or 0)
        entry.before = None if before is None else parse_rows(before)
        entry.end(fate)

    def _decide(self, entry: _Entry, target: list[CompanyBinding]) -> None:
        if self._dry_run:
            entry.end("planned")
        else:
            self._writes.append((entry, write(entry.contact_id or 0, target)))

    def _finish_head(self) -> None:
        """Take finished contacts off the head, so that the report and the cursor follow the input."""
        finished = 0
        while self._pending and self._pending[0].fate is not None:
            entry = self._pending.popleft()
            line = report_line(
                entry.wanted, entry.line, entry.contact_id, entry.fate or "", entry.before, entry.error
            )
            self.cursor.tally.add(line)
            self.cursor.done += 1
            finished += 1
            if self._report is not None:
                self._report.add(line)
        if finished:
            if self._report is not None:
                self._report.flush()
            self._now_and_then()

    def _now_and_then(self) -> None:
        now = self._clock.now()
        if now - self._saved >= CHECKPOINT_SECONDS:
            self._checkpoint()
        if now - self._said >= PROGRESS_SECONDS:
            self._said = now
            self._say_progress(now)

    def _checkpoint(self) -> None:
        self._saved = self._clock.now()
        if self._report is not None:
            self._report.checkpoint()
        if self._save is not None:
            self._save(self.cursor)

    def _say_progress(self, now: float) -> None:
        tally = self.cursor.tally
        rate = (self.cursor.done - self._done_before) / max(now - self._started, 0.001)
        left = (
            ""
            if self._total is None
            else f", {(self._total - self.cursor.done) / max(rate, 0.001):.0f} s left"
        )
        log.info(
            "%d%s contacts done, %.0f per second, %d written, %d failed, %d times throttled%s",
            self.cursor.done,
            "" if self._total is None else f" of {self._total}",
            rate,
            tally.written,
            tally.failed_or_unknown,
            self._client.refusals,
            left,
        )
