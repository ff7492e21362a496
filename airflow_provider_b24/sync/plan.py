"""
Wanted and current state in, steps and a report out; nothing here talks to anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from airflow_provider_b24.crm import contact_company
from airflow_provider_b24.crm.bindings import CompanyBinding, primary_company, to_wire
from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError, Bitrix24SyncError
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.sync.wanted import Wanted

Mode = Literal["diff", "replace"]
Status = Literal["unchanged", "written", "failed", "unknown", "planned"]

SORT_STEP = 10  # the portal's own distance of a new binding to the last one
LISTED_FAILURES = 20  # in the summary; the report names all
DESCRIPTION = 90  # characters of a failure's text in the summary, so that it stays under 4 KB


def difference(
    wanted: Sequence[CompanyBinding], current: Sequence[CompanyBinding]
) -> list[CompanyBinding] | None:
    """
    Return the bindings to write, every field said outright, or None if the contact has them already.

    By the documented rules: the first item is primary if none is marked; a binding that exists keeps its
    SORT, a new one gets the highest + 10. https://apidocs.bitrix24.com/api-reference/crm/contacts/company/
    """
    if not wanted:
        return [] if current else None
    known = {binding.company_id: binding for binding in current}
    primary = primary_company(wanted)
    highest = max([binding.sort or 0 for binding in (*current, *wanted)])
    full = []
    for binding in wanted:
        sort = binding.sort
        if sort is None and binding.company_id in known:
            sort = known[binding.company_id].sort
        if not sort:
            highest += SORT_STEP
            sort = highest
        full.append(CompanyBinding(binding.company_id, binding.company_id == primary, sort))
    return None if {one.company_id: one for one in full} == known else full


def write(contact_id: int, bindings: Sequence[CompanyBinding]) -> Call:
    """The call that makes these the contact's companies; a batch cannot carry an empty list."""
    if not bindings:
        return contact_company.clear_companies(contact_id)
    return contact_company.set_companies(contact_id, bindings)


def parse_max_failures(value: Any) -> int | float:
    """
    Read ``max_failures``: a count (int), or a share (float between 0 and 1).

    :raises Bitrix24InputError: anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value != value:
        raise Bitrix24InputError(f"max_failures must be a count or a share, got {value!r:.80}")
    if isinstance(value, float) and value > 1:
        raise Bitrix24InputError(f"max_failures as a share lies between 0 and 1, got {value!r}")
    return value


def report_line(
    wanted: Wanted | None,
    line: int,
    contact_id: int | None,
    fate: str,
    before: Sequence[CompanyBinding] | None,
    error: Bitrix24Error | None,
) -> dict[str, Any]:
    """One contact's line of the report."""
    return {
        "contact_id": contact_id,
        "line": line,
        "outcome": fate,
        "wanted": None if wanted is None else to_wire(wanted.bindings),
        "before": None if before is None else to_wire(before),
        "error": None if error is None else describe(error),
    }


def describe(error: Bitrix24Error) -> dict[str, Any]:
    """An error as plain JSON."""
    return {"code": error.code, "description": error.description, "temporary": error.temporary}


@dataclass
class Tally:
    """What became of the contacts so far."""

    unchanged: int = 0
    written: int = 0
    failed: int = 0
    unknown: int = 0
    planned: int = 0
    temporary: int = 0
    failures: list[dict[str, Any]] = field(default_factory=list)

    @property
    def contacts(self) -> int:
        return self.unchanged + self.written + self.failed + self.unknown + self.planned

    @property
    def failed_or_unknown(self) -> int:
        return self.failed + self.unknown

    def add(self, line: dict[str, Any]) -> None:
        """Count one line of the report."""
        fate = line["outcome"]
        setattr(self, fate, getattr(self, fate) + 1)
        error = line["error"]
        if fate not in ("failed", "unknown") or error is None:
            return
        self.temporary += bool(error["temporary"])
        if len(self.failures) < LISTED_FAILURES:
            text = error["description"]
            self.failures.append(
                {
                    "contact_id": line["contact_id"],
                    "code": error["code"][:40],
                    "description": text if len(text) <= DESCRIPTION else f"{text[: DESCRIPTION - 1]}…",
                }
            )

    def exceeds(self, max_failures: int | float) -> bool:
        """Whether more contacts failed than allowed."""
        allowed = max_failures * self.contacts if isinstance(max_failures, float) else max_failures
        return self.failed_or_unknown > allowed

    def error(self, max_failures: int | float, report: str | None) -> Bitrix24SyncError:
        """The error of a run in which too many failed: permanent if each of them is."""
        first = self.failures[0] if self.failures else {}
        where = f"; the report is {report}" if report else ""
        return Bitrix24SyncError(
            f"{self.failed_or_unknown} of {self.contacts} contacts failed, more than max_failures="
            f"{max_failures}; the first is contact {first.get('contact_id')}: "
            f"{first.get('description')}{where}",
            temporary=self.temporary > 0,
        )
