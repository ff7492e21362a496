"""A page of a sync's report, from its lines. Nothing but known fields leaves this module."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from airflow_provider_b24.sync.lines import STATUSES

SUMMARY_FIELDS = (
    *("contacts", "unchanged", "written", "failed", "unknown", "planned"),
    *("rows", "columns", "files", "requests", "seconds", "watermark", "deleted"),
)


def summary_fields(value: Any) -> dict[str, Any] | None:
    """Return the counts of a sync or an export; None if the value is not one of their summaries."""
    if not isinstance(value, dict) or not {"requests", "seconds"} <= value.keys():
        return None
    fields = {name: value[name] for name in SUMMARY_FIELDS if isinstance(value.get(name), int | float | str)}
    return fields if {"contacts", "rows"} & fields.keys() else None


def report_page(
    rows: Iterable[tuple[int, Any]], *, skip: int, limit: int, statuses: frozenset[str], search: str
) -> dict[str, Any]:
    """
    Return one page of the contacts that match.

    :param rows: line numbers and rows; only one page of them is held in memory.
    :param skip: how many matching contacts come before the page.
    :param limit: how many contacts a page has.
    :param statuses: of the contacts that match; empty: all.
    :param search: text in the contact's id, error code or reason, in any case; empty: all.
    """
    page: list[dict[str, Any]] = []
    seen = 0
    for _, row in rows:
        contact = _contact(row)
        if contact is None or (statuses and contact["status"] not in statuses) or not _has(contact, search):
            continue
        seen += 1
        if seen <= skip:
            continue
        if len(page) == limit:
            return {"contacts": page, "more": True}
        page.append(contact)
    return {"contacts": page, "more": False}


def _contact(row: Any) -> dict[str, Any] | None:
    if not isinstance(row, dict) or row.get("status") not in STATUSES or "contact_id" not in row:
        return None
    error = row.get("error") if isinstance(row.get("error"), dict) else {}
    return {
        "contact_id": row["contact_id"],
        "line": row.get("line"),
        "status": row["status"],
        "before": _bindings(row.get("before")),
        "wanted": _bindings(row.get("wanted")),
        "code": error.get("code"),
        "reason": error.get("description"),
    }


def _bindings(value: Any) -> list[dict[str, Any]] | None:
    if not isinstance(value, list):
        return None
    names = ("COMPANY_ID", "IS_PRIMARY", "SORT")
    return [{name: item.get(name) for name in names} for item in value if isinstance(item, dict)]


def _has(contact: dict[str, Any], search: str) -> bool:
    if not search:
        return True
    text = json.dumps([contact["contact_id"], contact["code"], contact["reason"]], ensure_ascii=False)
    return search.casefold() in text.casefold()
