"""Names of fields in select, types and incremental, checked before the first row is read."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_b24.crm.documented_fields import NEW_NAMES
from airflow_provider_b24.crm.fields import Description, camel, is_user_field, listed
from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.export.columns import selected

_OLD_NAMES = {new: old for old, new in NEW_NAMES.items()}
_TIMES = ("date", "datetime")


def check_names(
    method: str,
    description: Description,
    params: Mapping[str, Any],
    types: Mapping[str, Any],
    incremental: str | None = None,
    added: Iterable[str] = (),
) -> str:
    """
    Check the names of fields that the caller gave; return a warning, or an empty text.

    Only lists whose fields are described are checked, and no patterns. A user's field may have been deleted
    in the portal since the task was written: that is the warning.

    :param incremental: the field that the list is filtered by.
    :param added: names that this export adds to the rows.
    :raises Bitrix24InputError: a standard name is unknown, or the portal does not filter by ``incremental``.
    """
    if incremental:
        _check_incremental(method, description, incremental)
    if not description.is_complete:
        return ""
    chosen = [name for name in listed(selected(params)) if "*" not in name]
    unknown = [name for name in chosen if not _is_known(description, name)]
    for name in unknown:
        if not is_user_field(name):
            raise _unknown(method, "select", name, description.fields, description.upper)
    allowed = {*description.fields, *description.also, *added, *chosen}
    for name in types:
        if name not in allowed and not is_user_field(name):
            raise _unknown(method, "types", name, allowed)
    if not unknown:
        return ""
    fields = "field" if len(unknown) == 1 else "fields"
    return f"{method} no longer has the selected {fields} {', '.join(unknown)}: no row has a value there"


def _is_known(description: Description, name: str) -> bool:
    return description.find(name) is not None or name in description.also or camel(name) in description.also


def _check_incremental(method: str, description: Description, name: str) -> None:
    if description.times is not None:
        if name not in description.times:
            raise _unfit(method, name, description.times)
        return
    if not description.is_complete:
        return
    known = description.fields.get(name)
    times = [one.name for one in description.fields.values() if one.type in _TIMES]
    if known is None or known.type not in _TIMES:
        raise _unfit(method, name, times)


def _unfit(method: str, name: str, times: Iterable[str]) -> Bitrix24InputError:
    near = nearest(name, times)
    listed_times = ", ".join(sorted(times))
    if near:
        advice = f"Did you mean {near!r}?"
    elif listed_times:
        advice = f"The fields with a time are {listed_times:.300}."
    else:
        advice = "Leave incremental out."
    return Bitrix24InputError(
        f"incremental: {name!r:.80} is no time that this list can be filtered by, "
        f"so that every run would read all rows. {advice}",
        method=method,
    )


def _unknown(
    method: str, where: str, name: str, known: Iterable[str], upper: bool = False
) -> Bitrix24InputError:
    near = nearest(name, known)
    if near and upper:
        near = _snake(near)
    hint = f"; did you mean {near!r}?" if near else ""
    return Bitrix24InputError(f"{where}: this list has no field {name!r:.80}{hint}", method=method)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that was probably meant; empty if none is close."""
    known = list(known)
    for other in (NEW_NAMES.get(name), _OLD_NAMES.get(name)):
        if other in known:
            return str(other)
    by_plain = {_plain(one): one for one in known}
    close = difflib.get_close_matches(_plain(name), by_plain, 1, 0.6)
    return by_plain[close[0]] if close else ""


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _snake(name: str) -> str:
    return "".join(f"_{one}" if one.isupper() else one for one in name).upper()
