"""Only what changed since an earlier export: a condition on a field with the time of the last change."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from airflow_provider_b24.crm.values import is_missing
from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.rest.calls import Call, shown
from airflow_provider_b24.rest.list_params import is_logical, whole_list
from airflow_provider_b24.rest.lists import list_method
from airflow_provider_b24.rest.names import same_name, split_condition
from airflow_provider_b24.rest.times import APART, earlier_by, iso, parse_time

OVERLAP = 300.0  # seconds before the watermark: rows that were being saved when the portal told its time


class KeptTime(str):
    """Text of a time that a watermark store kept. Unlike a time that was given, it may well be recent."""

    __slots__ = ()


def changed_since(
    method: str,
    params: Mapping[str, Any] | None,
    field: str,
    since: datetime | str,
    overlap: float = OVERLAP,
) -> dict[str, Any]:
    """
    Return the parameters of a list method, narrowed to rows that changed at or after a time.

    :param method: name of the list method.
    :param params: its parameters.
    :param field: the field with the time of the last change, e.g. ``updatedTime`` or ``DATE_MODIFY``.
    :param since: the watermark of an earlier export: a time with its offset, also as ISO 8601 text.
    :param overlap: seconds by which the condition begins earlier.
    :raises Bitrix24InputError: ``since`` is not such a time, ``overlap`` is no number of seconds, or the
        filter already has such a condition.
    """
    how = list_method(method)
    given = dict(whole_list(Call(method, params or {}), how).params)  # one filter holds every condition
    name = next((name for name in given if str(name).lower() == "filter"), how.filter)
    filter_ = given.get(name) or {}
    if not isinstance(filter_, Mapping):
        raise Bitrix24InputError("an incremental export needs a filter that is a mapping", method=method)
    condition = {f">={field}": beginning(since, overlap)}
    if is_logical(filter_):
        if not how.nests:
            raise Bitrix24InputError(
                "a filter with 'logic' cannot be narrowed in this list: use crm.item.list", method=method
            )
        return given | {name: {**condition, "0": filter_}}
    if any(sign == ">=" and same_name(one, field) for sign, one in map(split_condition, filter_)):
        raise Bitrix24InputError(
            f"the filter already has the condition >={field}, which an incremental export sets", method=method
        )
    return given | {name: {**filter_, **condition}}


def beginning(since: datetime | str, overlap: float) -> str:
    """
    Return the time at which reading really begins, as the portal reads it.

    :param since: a time with its offset, also as ISO 8601 text.
    :param overlap: seconds before it.
    :raises Bitrix24InputError: one of them is not of its kind.
    """
    moment = parse_time(since, "since")
    is_number = isinstance(overlap, int | float) and not isinstance(overlap, bool)
    if not is_number or not math.isfinite(overlap) or overlap < 0:
        raise Bitrix24InputError(f"overlap must be a number of seconds, not negative, got {shown(overlap)}")
    return iso(earlier_by(moment, overlap))


def narrowed(
    method: str,
    params: Mapping[str, Any] | None,
    field: str | None,
    since: datetime | str | None,
    overlap: float,
    now: float,
    warn: Callable[[str], None],
) -> dict[str, Any] | None:
    """
    Return the parameters of an export, narrowed as ``changed_since`` does; None: it reads the complete list.

    :param field: the argument ``incremental``.
    :param since: the argument of this name; None or an empty text: everything is read.
    :param now: seconds since the epoch.
    :param warn: takes a warning, if a time that was given is less than ten minutes ago.
    :raises Bitrix24InputError: ``since`` is no time, or is given without ``incremental``.
    """
    if is_missing(since) or since is None:
        return None
    if not field:
        raise Bitrix24InputError("since needs incremental, the field with the time of the last change")
    moment = parse_time(since, "since")
    if now - moment.timestamp() < APART and not isinstance(since, KeptTime):
        warn(
            f"since is {iso(moment)}, less than ten minutes ago: what changed before is not read. On "
            "Airflow 3, the data interval of a scheduled run has no length by default: data_interval_start "
            "is the time of the run itself. Leave since out: incremental alone begins where the last "
            "successful run began to read"
        )
    return changed_since(method, params, field, moment, overlap)
