"""A line of the report, and the counts over all lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from airflow_provider_b24.crm.bindings import CompanyBinding, to_wire
from airflow_provider_b24.errors import Bitrix24Error, Bitrix24SyncError

Status = Literal["unchanged", "written", "failed", "unknown", "planned", "skipped"]
STATUSES: tuple[Status, ...] = ("unchanged", "written", "failed", "unknown", "planned", "skipped")
BAD: tuple[Status, ...] = ("failed", "unknown")

LISTED_FAILURES = 20  # in the summary and in the log; the report names all
DESCRIPTION = 90  # characters of a failure's text in the summary, so that it stays under 4 KB


def report_line(
    line: int,
    contact_id: int | None,
    status: Status,
    *,
    wanted: Sequence[CompanyBinding] | None = None,
    before: Sequence[CompanyBinding] | None = None,
    error: Bitrix24Error | None = None,
) -> dict[str, Any]:
    """One contact's line of the report, plain JSON."""
    return {
        "contact_id": contact_id,
        "line": line,
        "status": status,
        "wanted": None if wanted is None else to_wire(wanted),
        "before": None if before is None else to_wire(before),
        "error": None
        if error is None
        else {"code": error.code, "description": error.description, "temporary": error.temporary},
    }


@dataclass
class Tally:
    """
    Counts of the contacts so far.

    :ivar counts: by status.
    :ivar temporary: how many failed in a way that may pass.
    :ivar failures: the first 20.
    """

    counts: Counter[str] = field(default_factory=Counter)
    temporary: int = 0
    failures: list[dict[str, Any]] = field(default_factory=list)

    @property
    def contacts(self) -> int:
        return self.counts.total()

    @property
    def bad(self) -> int:
        """How many failed, or may not have been written."""
        return sum(self.counts[status] for status in BAD)

    def add(self, line: dict[str, Any]) -> None:
        """Count one line of the report."""
        self.counts[line["status"]] += 1
        error = line["error"]
        if line["status"] not in BAD or error is None:
            return
        self.temporary += bool(error["temporary"])
        if len(self.failures) < LISTED_FAILURES:
            text = error["description"]
            self.failures.append(
                {
                    "contact_id": line["contact_id"],
                    "line": line["line"],
                    "code": error["code"][:40],
                    "description": text if len(text) <= DESCRIPTION else f"{text[: DESCRIPTION - 1]}…",
                }
            )

    def exceeds(self, max_failures: int | float) -> bool:
        """Whether more contacts failed than allowed."""
        allowed = max_failures * self.contacts if isinstance(max_failures, float) else max_failures
        return self.bad > allowed

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, small."""
        return {"counts": dict(self.counts), "temporary": self.temporary, "failures": self.failures}

    @classmethod
    def from_json(cls, stored: Any) -> Tally:
        """Read what ``to_json`` wrote."""
        return cls(Counter(stored["counts"]), stored["temporary"], list(stored["failures"]))


def sync_error(tally: Tally, max_failures: int | float, summary: dict[str, Any]) -> Bitrix24SyncError:
    """The error of a run in which too many contacts failed; permanent if each of the failures is."""
    first = tally.failures[0] if tally.failures else {}
    where = f"; the report is {summary['report_path']}" if summary["report_path"] else ""
    error = Bitrix24SyncError(
        f"{tally.bad} of {tally.contacts} contacts failed, more than max_failures={max_failures}; "
        f"the first is contact {first.get('contact_id')}: {first.get('description')}{where}",
        temporary=tally.temporary > 0,
    )
    error.summary = summary
    return error
