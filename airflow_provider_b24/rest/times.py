"""
Times as text: read with their offset, and the portal's own time compared with that of this machine.

What a later run relies on begins at a time of the portal. A wrong one, stored unchecked, would leave out what
changes until then, so the earlier of both clocks counts: at worst, rows are read twice.
"""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from airflow_provider_b24.errors import Bitrix24ApiError, Bitrix24InputError
from airflow_provider_b24.rest.calls import shown

if TYPE_CHECKING:
    from airflow_provider_b24.rest.client import Client

log = logging.getLogger(__name__)

APART = 600.0  # seconds between two clocks that are both taken to be right
_FIRST_YEAR = 1970  # no portal's clock can be before
_warned: WeakSet[Client] = WeakSet()


def read_time(value: Any) -> datetime | None:
    """Return a time with its offset, a value or ISO 8601 text; None if it is something else."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    return value if isinstance(value, datetime) and value.utcoffset() is not None else None


def parse_time(value: Any, field: str) -> datetime:
    """
    Read a time with its offset: a ``datetime``, or ISO 8601 text.

    :param field: what the message calls it.
    :raises Bitrix24InputError: anything else, and times without an offset, which could mean any time zone.
    """
    moment = read_time(value)
    if moment is not None:
        return moment
    text = value.isoformat() if isinstance(value, date) else shown(value)
    raise Bitrix24InputError(
        f"{field} must be a time with an offset, as a datetime or as ISO 8601 text such as "
        f"2026-11-25T00:00:00+00:00, got {text}"
    )


def earlier_by(moment: datetime, seconds: float) -> datetime:
    """Return a time so many seconds earlier; the first or the last there is, if that is out of range."""
    try:
        return moment - timedelta(seconds=seconds)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC) if seconds > 0 else datetime.max.replace(tzinfo=UTC)


def iso(moment: datetime) -> str:
    """Return a time as the portal reads it, in whole seconds; an offset of odd seconds becomes UTC."""
    offset = moment.utcoffset()
    if offset is not None and offset.total_seconds() % 60:
        try:
            moment = moment.astimezone(UTC)
        except OverflowError:
            moment = moment.replace(tzinfo=UTC)
    return moment.isoformat(timespec="seconds")


def server_time(answer: Any, now: float) -> tuple[datetime, str]:
    """
    Check the portal's own time; return the time that counts, and a warning if the two clocks disagree.

    :param answer: the ``result`` of ``server.time``.
    :param now: seconds since the epoch, as this machine counts them.
    :returns: the portal's time; the time of this machine if that is more than ten minutes earlier.
    :raises Bitrix24ApiError: it is no time, has no offset, or is before 1970; temporary.
    """
    moment = read_time(answer) if isinstance(answer, str) else None
    if moment is None or moment.year < _FIRST_YEAR:
        raise Bitrix24ApiError(
            f"the answer is not a time: {shown(answer)}",
            method="server.time",
            temporary=True,
            advice="Nothing is read until the portal knows its own time.",
        )
    apart = moment.timestamp() - now
    if abs(apart) <= APART:
        return moment, ""
    ours = datetime.fromtimestamp(now, UTC).replace(microsecond=0)
    return min(moment, ours), (
        f"The portal's clock says {iso(moment)}, that of this machine {iso(ours)}: one of them is wrong. "
        "The earlier one counts, so that nothing is left out of later runs; correct the other one"
    )


def checked_server_time(client: Client, answer: Any) -> datetime:
    """
    Return the time that counts, see ``server_time``; the first disagreement in a client is a WARNING.

    :param answer: the ``result`` of ``server.time``.
    """
    moment, warning = server_time(answer, client.clock.now())
    if warning and client not in _warned:
        _warned.add(client)
        log.warning("%s", warning)
    return moment
