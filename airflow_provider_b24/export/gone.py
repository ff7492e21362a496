"""An export, and what was deleted since the one before it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from airflow_provider_b24.errors import Bitrix24Error
from airflow_provider_b24.export.deletions import MaxDeleted, find_deleted, parse_max_deleted
from airflow_provider_b24.export.job import ExportOptions, export_list, exported_ids, forget
from airflow_provider_b24.files.paths import StoragePath
from airflow_provider_b24.rest.client import Client


class Kept(NamedTuple):
    """
    The ids that are kept from one export to the next.

    :ivar path: the file with them.
    :ivar params: the parameters of the whole list, without a condition on the time of the last change.
    :ivar max_deleted: how many rows may count as deleted, see ``deletions.check_max_deleted``.
    """

    path: StoragePath
    params: Mapping[str, Any]
    max_deleted: MaxDeleted = None


def export_with_deletions(
    client: Client,
    method: str,
    params: Mapping[str, Any] | None,
    options: ExportOptions,
    kept: Kept,
    log: Callable[[str], None],
) -> dict[str, Any]:
    """
    Export every row, and write the ids of rows that were deleted since the last time.

    Parameters and errors are those of ``export_list`` and ``find_deleted``. If the deletions are refused, the
    exported file stays, and the next try reads everything again.

    :returns: what ``export_list`` returns, ``deleted``, a number, and ``deleted_path``.
    """
    parse_max_deleted(kept.max_deleted)
    owner = options.owner
    # The ids that are exported are kept until they are compared, also if no other try resumes this one.
    options = replace(options, owner=owner or secrets.token_hex(6), remember=True)
    path = options.path.with_name(f"{options.path.name}.deleted.jsonl")
    is_done = False
    try:
        summary = export_list(client, method, params, options, log)
        ids = exported_ids(client, method, params, options)
        what = client, method, kept.params, kept.path, path, log, ids, owner
        deleted = find_deleted(*what, max_deleted=kept.max_deleted, scratch=options.scratch)
        is_done = True
    except Bitrix24Error as error:
        is_done = not error.temporary
        raise
    finally:
        if is_done or not owner:
            forget(client, method, params, options)
    return summary | {"deleted": deleted, "deleted_path": str(path)}
