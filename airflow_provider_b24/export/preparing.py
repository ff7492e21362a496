"""What an export asks of the portal before the first row: the time, the fields, and the names of codes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

from airflow_provider_b24.crm.fields import listed
from airflow_provider_b24.export.columns import Column, promised_columns, selected
from airflow_provider_b24.export.metadata import read_metadata
from airflow_provider_b24.export.names import check_names
from airflow_provider_b24.export.readable import name_columns, name_fields, read_names
from airflow_provider_b24.rest.client import Client

_log = logging.getLogger(__name__)


class Wanted(NamedTuple):
    """
    What is read and how it is typed.

    :ivar params: the parameters of the list.
    :ivar types: types that the caller wants.
    :ivar readable: whether to add the names of codes.
    :ivar incremental: the field by whose time the parameters are narrowed.
    """

    params: Mapping[str, Any]
    types: Mapping[str, Any]
    readable: bool = False
    incremental: str | None = None


def prepare(client: Client, method: str, wanted: Wanted, log: Callable[[str], None]) -> dict[str, Any]:
    """
    Return the portal's time, the promised columns, and the names of codes, as JSON.

    :raises Bitrix24InputError: a name in ``select``, ``types`` or ``incremental`` is unknown, or the list has
        no names of codes.
    """
    metadata = read_metadata(client, method, wanted.params)
    description = metadata.description
    about = {one.name: one.about for one in description.chosen(selected(wanted.params)) if one.about}
    targets = name_fields(about, description.fields) if wanted.readable else {}
    warning = check_names(
        method, description, wanted.params, wanted.types, wanted.incremental, targets.values()
    )
    if warning:
        _log.warning(warning)
    names = read_names(client, method, wanted.params, about, log) if wanted.readable else {}
    targets = {field: targets[field] for field in names}
    columns = promised_columns(description, wanted.params)
    if not description.is_complete and not listed(selected(wanted.params)):
        known = {one.name for one in columns}  # what the caller names is promised, too
        columns += [Column(name) for name in wanted.types if name not in known]
    columns += name_columns(targets, {one.name: one for one in columns})
    return {
        "watermark": metadata.time,
        "promised": [asdict(one) for one in columns],
        "names": names,
        "name_fields": targets,
    }
