"""
Watermarks: up to when a task has read its lists, and where its runs began.

A watermark belongs to a list, not to a position: to the portal, the method and what selects the rows. The
state of a task is one JSON text::

    {"lists": {"<key>": {"method": ..., "portal": ..., "watermark": "2026-11-25T00:00:00+00:00",
                         "run": "<the run that moved it>", "forgotten": ...,
                         "runs": {"<run id>": {"since": ..., "begun": ..., "until": {"-1": ...}}}}}}

A run notes where it begins before it reads, and when it has finished, until when it has read. That moves the
watermark only when a later run finds that Airflow recorded the task as a success: after it has returned, a
task may still fail, and lose its result. So a run that failed is read again, by its own retry and by the runs
that follow, and a run that is cleared begins where it began.

Nothing here knows Airflow: ids, statuses and times are handed in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_b24.errors import Bitrix24ConfigError
from airflow_provider_b24.export.incremental import KeptTime
from airflow_provider_b24.rest.calls import shown
from airflow_provider_b24.rest.times import APART, iso, read_time

MOST_RUNS = 50  # whose begins are kept, of each list
MOST_LISTS = 20  # of one task
SUCCESS, REMOVED, MISSING = "success", "removed", "missing"  # statuses; the last: Airflow has no record


@dataclass(frozen=True)
class Run:
    """
    A run of a task that is about to read a list.

    :ivar run_id: Airflow's id of the DAG run.
    :ivar index: position of a mapped task instance; -1: not mapped.
    :ivar due: the earliest time at which the run can have begun; None: unknown.
    :ivar cleared: whether it had ended and was cleared.
    """

    run_id: str
    index: int = -1
    due: datetime | None = None
    cleared: bool = False


@dataclass
class Begin:
    """
    Where a run begins.

    :ivar since: the time since which changes are read; None: everything.
    :ivar warnings: why it begins earlier than one would expect.
    """

    since: KeptTime | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass
class _Run:
    since: str | None
    begun: str
    until: dict[str, str | None]  # by the index of a mapped instance: several may read the same list

    @property
    def end(self) -> str | None:
        """Until when all instances have read; None: one of them has not finished."""
        ends = [end for end in self.until.values() if end is not None]
        return min(ends, key=_seconds) if ends and len(ends) == len(self.until) else None


@dataclass
class _List:
    about: dict[str, Any]
    watermark: str | None
    run: str  # which moved the watermark
    forgotten: str  # runs that began until then are not in `runs`
    runs: dict[str, _Run] = field(default_factory=dict)  # in the order in which they first began


class Watermarks:
    """
    The state of one task.

    :param text: what is stored: JSON, a bare time (of an earlier version; it counts for any list), or None.
    :param name: where it is stored, for messages.
    :raises Bitrix24ConfigError: it is something else.
    """

    def __init__(self, text: Any, name: str) -> None:
        self._lists: dict[str, _List] = {}
        self._bare: str | None = None
        if text is None or text == "":
            return
        if isinstance(text, str) and read_time(text) is not None:
            self._bare = text.strip()
            return
        try:
            lists = json.loads(text)["lists"]
            self._lists = {str(key): _read_list(one) for key, one in lists.items()}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise Bitrix24ConfigError(
                f"{name} holds no watermarks: {shown(text)}",
                advice="Delete it to read everything again, or set it to a time with an offset, such as "
                "2026-11-25T00:00:00+00:00, to read what changed since then",
            ) from None

    def dump(self) -> str:
        """Return the text to store."""
        lists = {key: _list_json(one) for key, one in self._lists.items()}
        return json.dumps({"lists": lists}, ensure_ascii=False)

    def unconfirmed(self, key: str, current: Run) -> list[str]:
        """Return the ids of other runs that have read the list; it is not known yet how they ended."""
        return [run_id for run_id, _ in self._candidates(key, current)]

    def confirm(self, key: str, current: Run, statuses: Mapping[tuple[str, int], str | None]) -> list[str]:
        """
        Move the watermark of a list to the last run that succeeded.

        It moves forward only. A run that began before the one that moved it last does not move it: what it
        read anew is in an older output.

        :param statuses: how Airflow recorded task instances, by run id and index.
        :returns: a warning for each run after it that does not count.
        """
        warnings: list[str] = []
        for run_id, noted in list(self._candidates(key, current)):
            found = {statuses.get((run_id, int(index)), MISSING) for index in noted.until}
            if found == {MISSING}:
                warnings.append(
                    f"Airflow has no record of the run {run_id} any more, so it is unknown whether it "
                    "succeeded. What it read is read again"
                )
            elif SUCCESS not in found or found - {SUCCESS, REMOVED, MISSING}:
                warnings.append(f"The run {run_id} has not succeeded. What it read is read again")
            else:
                _move(self._lists[key], run_id, noted)
                warnings.clear()
        return warnings

    def begin(self, key: str, run: Run, now: float, about: Mapping[str, Any]) -> Begin:
        """
        Note where a run begins; a run that has begun before begins at the same time again.

        :param now: seconds since the epoch.
        :param about: what the list is, for people who read the state.
        """
        moment = iso(datetime.fromtimestamp(now, UTC))
        warnings = []
        if key not in self._lists:
            if self._lists:
                warnings.append(
                    "No watermark is kept for this list, only for others that this task has read (another "
                    "portal, method, type, filter or field of change). Reading the complete list"
                )
            self._lists[key] = _List(dict(about), self._bare, "", moment)
        one = self._lists[key] = self._lists.pop(key)  # the last used is the last
        since = one.watermark
        if run.run_id in one.runs:
            since = one.runs[run.run_id].since
        elif since is not None and run.cleared and _is_forgotten(run, one):
            since = None
            warnings.append(
                f"Where the run {run.run_id} began is not known: only the last {MOST_RUNS} runs are kept. "
                "Reading the complete list"
            )
        if since is not None and _seconds(since) > now + APART:
            warnings.append(
                f"The watermark {since} is in the future, so a clock was or is wrong. "
                "Reading the complete list"
            )
            if since == one.watermark:
                one.watermark, one.run = None, ""
            since = None
        noted = one.runs.setdefault(run.run_id, _Run(since, moment, {}))
        noted.since = since
        noted.until[str(run.index)] = None
        self._forget(one, run.run_id)
        return Begin(None if since is None else KeptTime(since), warnings)

    def note(
        self,
        key: str,
        run: Run,
        since: str | None,
        until: str | None,
        now: float,
        about: Mapping[str, Any],
    ) -> None:
        """
        Note where a run began and until when it has read; both, since another run may have overwritten it.

        :param until: the portal's time before the first row was read; None: the run has not finished.
        """
        moment = iso(datetime.fromtimestamp(now, UTC))
        one = self._lists.setdefault(key, _List(dict(about), self._bare, "", moment))
        noted = one.runs.setdefault(run.run_id, _Run(since, moment, {}))
        noted.since = since
        noted.until[str(run.index)] = until
        self._forget(one, run.run_id)

    def has(self, key: str, run: Run, since: str | None, until: str | None) -> bool:
        """Whether this is noted of a run."""
        noted = self._lists[key].runs.get(run.run_id) if key in self._lists else None
        index = str(run.index)
        if noted is None or index not in noted.until:
            return False
        return (noted.since, noted.until[index]) == (since, until)

    def knows(self, key: str) -> bool:
        """Whether anything is known about a list."""
        return key in self._lists or self._bare is not None

    def _candidates(self, key: str, current: Run) -> Iterator[tuple[str, _Run]]:
        """Yield finished runs that may move the watermark: which moved it last, and which began later."""
        if key not in self._lists:
            return
        one = self._lists[key]
        ids = list(one.runs)
        for run_id in ids[ids.index(one.run) if one.run in one.runs else 0 :]:
            end = one.runs[run_id].end
            if run_id == current.run_id or end is None:
                continue
            if one.watermark is None or _is_after(end, one.watermark):
                yield run_id, one.runs[run_id]

    def _forget(self, one: _List, current: str) -> None:
        for run_id in [name for name in one.runs if name != current][: max(0, len(one.runs) - MOST_RUNS)]:
            one.forgotten = max(one.forgotten, one.runs.pop(run_id).begun, key=_seconds)
        for key in list(self._lists)[: max(0, len(self._lists) - MOST_LISTS)]:
            del self._lists[key]


def _move(one: _List, run_id: str, noted: _Run) -> None:
    """Move the watermark to the end of a run, unless what is between the two is in no run."""
    if one.watermark is None or noted.since is None:
        follows = one.watermark is None and noted.since is None
    else:
        follows = not _is_after(noted.since, one.watermark)
    if follows:
        one.watermark, one.run = noted.end, run_id


def _is_after(time: str, other: str) -> bool:
    return _seconds(time) > _seconds(other)


def _is_forgotten(run: Run, one: _List) -> bool:
    """Whether a run may have begun before those that are remembered."""
    return run.due is None or run.due.timestamp() <= _seconds(one.forgotten)


def _seconds(text: str) -> float:
    moment = read_time(text)
    if moment is None:
        raise ValueError(text)
    return (moment - datetime.fromtimestamp(0, UTC)) / timedelta(seconds=1)


def _read_list(one: Mapping[str, Any]) -> _List:
    known = ("watermark", "run", "forgotten", "runs")
    about = {name: value for name, value in one.items() if name not in known}
    runs = {str(name): _read_run(noted) for name, noted in one["runs"].items()}
    watermark = one["watermark"]
    return _List(about, _time(watermark, True), str(one["run"]), _time(one["forgotten"]) or "", runs)


def _read_run(noted: Mapping[str, Any]) -> _Run:
    until = {str(int(index)): _time(end, True) for index, end in noted["until"].items()}
    return _Run(_time(noted["since"], True), _time(noted["begun"]) or "", until)


def _time(text: Any, optional: bool = False) -> str | None:
    if optional and text is None:
        return None
    if not isinstance(text, str):
        raise TypeError(text)
    _seconds(text)
    return text


def _list_json(one: _List) -> dict[str, Any]:
    runs = {
        name: {"since": noted.since, "begun": noted.begun, "until": noted.until}
        for name, noted in one.runs.items()
    }
    return {
        **one.about,
        "watermark": one.watermark,
        "run": one.run,
        "forgotten": one.forgotten,
        "runs": runs,
    }
