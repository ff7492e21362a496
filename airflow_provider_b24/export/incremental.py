"""Only what changed since an earlier export: a condition on a field with the time of the last change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.rest.calls import Call, shown
from airflow_provider_b24.rest.list_params import is_logical, whole_list
from airflow_provider_b24.rest.lists import list_method
from airflow_provider_b24.rest.names import same_name, split_condition

OVERLAP = 300.0  # seconds before the watermark: rows that were being saved when the portal told its time


def changed_since(
    method: str, params: Mapping[str, Any] | None, field: str, since: str, overlap: float = OVERLAP
) -> dict[str, Any]:
    """
    Return the parameters of a list method, narrowed to rows that changed at or after a time.

    :param method: name of the list method.
    :param params: its parameters.
    :param field: the field with the time of the last change, e.g. ``updatedTime`` or ``DATE_MODIFY``.
    :param since: the watermark of an earlier export, ISO 8601 with its offset.
    :param overlap: seconds by which the condition begins earlier.
    :raises Bitrix24InputError: ``since`` is not such a time, or the filter already has such a condition.
    """
    how = list_method(method)
    given = dict(whole_list(Call(method, params or {}), how).params)  # one filter holds every condition
    name = next((name for name in given if str(name).lower() == "filter"), how.filter)
    filter_ = given.get(name) or {}
    if not isinstance(filter_, Mapping):
        raise Bitrix24InputError("an incremental export needs a filter that is a mapping", method=method)
    condition = {f">={field}": _before(since, overlap)}
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


def _before(since: str, overlap: float) -> str:
    try:
        moment = datetime.fromisoformat(since)
        if moment.tzinfo is not None:
            return (moment - timedelta(seconds=float(overlap))).isoformat(timespec="seconds")
    except (TypeError, ValueError, OverflowError):
        pass
    raise Bitrix24InputError(f"since must be an ISO 8601 time with an offset, got {shown(since)}")
