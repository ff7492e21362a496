"""Dates and times in the forms that the portal reads."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:?\d\d)?)?")
SITE = re.compile(r"(\d\d)\.(\d\d)\.(\d{4})(?: (\d\d:\d\d(?::\d\d)?))?")


def is_moment(text: str) -> bool:
    """Whether a stored text is a date and time."""
    return len(text) >= 19 and text[10] == "T" and text[4] == "-"


@lru_cache(maxsize=65536)
def seconds(text: str) -> float | None:
    """Epoch seconds of an ISO 8601 text or ``31.12.2026 23:59:59``; None for anything else.

    Fractions of a second are not documented and not read. Without an offset the portal's zone, UTC, applies.
    """
    site = SITE.fullmatch(text)
    if site:
        text = f"{site[3]}-{site[2]}-{site[1]}T{site[4] or '00:00'}"
    elif not ISO.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
