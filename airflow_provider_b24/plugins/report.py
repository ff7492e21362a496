"""A page of a sync's report, from its lines. Nothing but known fields leaves this module."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_b24.runs.report_rows import STATUSES

MOST_LINES = 20_000  # read for one page, so that an answer takes a fraction of a second
SUMMARY_FIELDS = (
    *("contacts", "unchanged", "written", "planned", "skipped", "failed", "unknown"),
    *("table", "rows", "columns", "files", "deleted", "requests", "seconds", "watermark"),
)
_IDENTITY = ("version", "subject", "key")  # which rows of the first version do not have
_PATHS = ("path", "deleted_path", "report_path")


def read_summary(value: Any) -> dict[str, Any] | None:
    """
    Return what the tab shows of the value that a task returned; None if it is no summary of this provider.

    :returns: ``counts``, ``paths`` of the files, and ``failures``, the first 20 contacts that failed.
    """
    if not isinstance(value, dict) or not {"requests", "seconds"} <= value.keys():
        return None
    counts = {name: value[name] for name in SUMMARY_FIELDS if isinstance(value.get(name), int | float | str)}
    if not {"contacts", "rows"} & counts.keys():
        return None
    paths = [value.get(name) for name in _PATHS] + _list(value.get("paths"))
    return {
        "counts": counts,
        "paths": [path for path in paths if isinstance(path, str) and path],
        "failures": [
            report_contact({"status": "failed", "contact_id": one.get("contact_id"), "error": one})
            for one in _list(value.get("failures"))
            if isinstance(one, dict)
        ],
    }


def read_timeline(value: Any) -> tuple[list[list[float]], str | None]:
    """Return the points of a run over time and the portal's address, from what the operators store."""
    stored = value if isinstance(value, dict) else {}
    points = [
        point
        for point in _list(stored.get("timeline"))
        if isinstance(point, list) and len(point) == 5 and all(isinstance(one, int | float) for one in point)
    ]
    portal = str(stored.get("portal"))
    return points, portal if urlsplit(portal).scheme in ("http", "https") else None


def report_page(
    rows: Iterable[tuple[int, Any]], *, limit: int, statuses: frozenset[str], search: str
) -> dict[str, Any]:
    """
    Return one page of the contacts that match, and after which line the next page begins.

    :param rows: line numbers and rows; only one page of them is held in memory, and at most 20,000 are read.
    :param limit: how many contacts a page has.
    :param statuses: of the contacts that match; empty: all.
    :param search: text in the contact's id, error code or reason, in any case; empty: all.
    :returns: ``contacts``, and ``next``, a line number; None at the end of the report.
    """
    page: list[dict[str, Any]] = []
    end = 0
    for count, (line, row) in enumerate(rows, start=1):
        contact = report_contact(row)
        if contact is not None and _matches(contact, statuses, search):
            if len(page) == limit:
                return {"contacts": page, "next": end}
            page.append(contact)
            end = line
        if count == MOST_LINES:
            return {"contacts": page, "next": end if len(page) == limit else line}
    return {"contacts": page, "next": None}


def report_contact(row: Any) -> dict[str, Any] | None:
    """Return the known fields of a row of a report, of any version; None if it is not one."""
    if (
        not isinstance(row, dict)
        or row.get("status") not in STATUSES
        or not {"contact_id", "key"} & row.keys()
    ):
        return None
    error = row.get("error") if isinstance(row.get("error"), dict) else None
    return {
        **{name: row[name] for name in _IDENTITY if isinstance(row.get(name), int | str)},
        "contact_id": row.get("contact_id", row.get("key")),
        "line": row.get("line"),
        "status": row["status"],
        "before": _bindings(row.get("before")),
        "wanted": _bindings(row.get("wanted")),
        "error": None if error is None else {name: error.get(name) for name in ("code", "description")},
    }


def is_below(path: str, locations: Iterable[str]) -> bool:
    """Whether a file is below one of the directories or URLs, links and ``..`` resolved."""
    if "://" not in path:
        file = Path(path).resolve()
        return file.is_file() and any(
            file.is_relative_to(Path(one).resolve()) for one in locations if "://" not in one
        )
    return ".." not in path.split("/") and any(
        path.startswith(f"{one}/") for one in locations if "://" in one
    )


def _bindings(value: Any) -> list[dict[str, Any]] | None:
    if not isinstance(value, list):
        return None
    names = ("COMPANY_ID", "IS_PRIMARY", "SORT")
    return [{name: item[name] for name in names if name in item} for item in value if isinstance(item, dict)]


def _matches(contact: dict[str, Any], statuses: frozenset[str], search: str) -> bool:
    if statuses and contact["status"] not in statuses:
        return False
    if not search:
        return True
    text = json.dumps([contact["contact_id"], contact["error"]], ensure_ascii=False)
    return search.casefold() in text.casefold()


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
