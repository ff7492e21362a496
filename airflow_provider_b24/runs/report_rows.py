"""A row of a report: the result of one record of a run; and the counts over all rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from airflow_provider_b24.errors import Bitrix24Error

Status = Literal["unchanged", "written", "failed", "unknown", "planned", "skipped"]
STATUSES: tuple[Status, ...] = ("unchanged", "written", "failed", "unknown", "planned", "skipped")
BAD: tuple[Status, ...] = ("failed", "unknown")

VERSION = 2  # of the rows; those without one, of the first version, have no subject and no key either
LISTED_FAILURES = 20  # in the summary and in the log; the report names all
DESCRIPTION = 90  # characters of a failure's text in the summary, so that it stays under 4 KB


def report_row(
    subject: str,
    key: Mapping[str, Any],
    line_number: int,
    status: Status,
    *,
    wanted: Any = None,
    before: Any = None,
    error: Bitrix24Error | None = None,
) -> dict[str, Any]:
    """
    Return one row of a report, plain JSON.

    :param subject: what the run is about, e.g. ``contact.company``.
    :param key: the record's key by its public name, e.g. ``{"contact_id": 82}``.
    :param line_number: of the input.
    :param wanted: the state that the input asks for, JSON.
    :param before: the state before the write, JSON; None if it was not read.
    """
    failure = error and {"code": error.code, "description": error.description, "temporary": error.temporary}
    return {
        **key,
        "line": line_number,
        "status": status,
        "wanted": wanted,
        "before": before,
        "error": failure,
        "version": VERSION,
        "subject": subject,
        "key": next(iter(key.values())),
    }


@dataclass
class Tally:
    """
    Counts of the rows so far.

    :ivar counts: by status.
    :ivar temporary: how many failed in a way that may pass.
    :ivar failures: the first 20, each with ``key``, ``line``, ``code`` and ``description``.
    """

    counts: Counter[str] = field(default_factory=Counter)
    temporary: int = 0
    failures: list[dict[str, Any]] = field(default_factory=list)

    @property
    def total(self) -> int:
        """The number of rows."""
        return self.counts.total()

    @property
    def bad(self) -> int:
        """How many failed, or may not have been written."""
        return sum(self.counts[status] for status in BAD)

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one row of the report."""
        self.counts[row["status"]] += 1
        error = row["error"]
        if row["status"] not in BAD or error is None:
            return
        self.temporary += bool(error["temporary"])
        if len(self.failures) < LISTED_FAILURES:
            text = error["description"]
            self.failures.append(
                {
                    "key": row.get("key"),
                    "line": row["line"],
                    "code": error["code"][:40],
                    "description": text if len(text) <= DESCRIPTION else f"{text[: DESCRIPTION - 1]}…",
                }
            )

    def exceeds(self, max_failures: int | float) -> bool:
        """Whether more failed than allowed."""
        allowed = max_failures * self.total if isinstance(max_failures, float) else max_failures
        return self.bad > allowed

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON, small."""
        return {"counts": dict(self.counts), "temporary": self.temporary, "failures": self.failures}

    @classmethod
    def from_json(cls, stored: Any) -> Tally:
        """Read what ``to_json`` wrote."""
        return cls(Counter(stored["counts"]), stored["temporary"], list(stored["failures"]))
