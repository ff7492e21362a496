"""Dates and times in the forms that the portal reads."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:?\d\d)?)?")
OFFSET = re.compile(r"(?:Z|[+-]\d\d:?\d\d)$")
SITE = re.compile(r"(\d\d)\.(\d\d)\.(\d{4})(?: (\d\d:\d\d(?::\d\d)?))?")


def is_moment(text: str) -> bool:
    """Whether a stored text is a date and time."""
    return len(text) >= 19 and text[10] == "T" and text[4] == "-"


@lru_cache(maxsize=65536)
def seconds(text: str) -> float | None:
    """Epoch seconds of an ISO 8601 text or ``31.12.2026 23:59:59``; None for anything else.

    Fractions of a second are not documented and not read. Without an offset, UTC applies; ``localized`` adds
    the portal's.
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
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone(0))).timestamp()


def localized(value: Any, utc_offset: float) -> Any:
    """A date and time without an offset, read as the portal's: ``utc_offset`` hours from UTC."""
    moment = seconds(value) if utc_offset and isinstance(value, str) and not OFFSET.search(value) else None
    if moment is None:
        return value
    return datetime.fromtimestamp(moment, zone(0)).replace(tzinfo=zone(utc_offset)).isoformat()


@lru_cache(maxsize=64)
def zone(utc_offset: float) -> timezone:
    """The zone that is ``utc_offset`` hours from UTC."""
    return timezone(timedelta(hours=utc_offset))


@lru_cache(maxsize=64)
def iso(second: int, utc_offset: float = 0.0) -> str:
    """An epoch second as ISO 8601 with offset."""
    return datetime.fromtimestamp(second, zone(utc_offset)).isoformat()
