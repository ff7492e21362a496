"""
Reads what a task stored in XCom as plain JSON; no class that a value names is imported.

A value is in Airflow's database. With the XCom backend of ``apache-airflow-providers-common-io`` it may be in
object storage: then the database holds its address, below ``[common.io] xcom_objectstorage_path``.
"""

from __future__ import annotations

import json
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath, conf

from airflow_provider_b24.errors import Bitrix24Error
from airflow_provider_b24.plugins.report import is_below

MOST_BYTES = 4_000_000  # of a value, decompressed; those of this provider are a thousand times smaller


def read_xcom(stored: Any) -> Any:
    """
    Return a value from how the database holds it.

    :param stored: JSON that the database has parsed, or text of JSON.
    :raises Bitrix24Error: the value is elsewhere, and cannot be read.
    """
    value = _parse(stored)
    if not isinstance(value, str):
        return value
    base = (conf.get("common.io", "xcom_objectstorage_path", fallback="") or "").strip().rstrip("/")
    if "://" not in base or not value.startswith(f"{base}/"):
        return value
    if "::" in value or "\0" in value or not is_below(value, [base]):
        raise Bitrix24Error("The task's result is at an address that is not one of the XCom backend.")
    try:
        path: Any = ObjectStoragePath(value)
        with path.open(mode="rb", compression="infer") as file:
            data = file.read(MOST_BYTES + 1)
    except Exception:  # noqa: BLE001 - whatever a store raises; its text may hold a credential
        data = None
    if data is None:
        raise Bitrix24Error(
            "The task's result is in the object storage of the XCom backend, and the API server cannot read "
            "it: it was deleted, or the API server has no access."
        )
    if len(data) > MOST_BYTES:
        raise Bitrix24Error("The task's result is too large to be shown.")
    return _parse(data)


def _parse(stored: Any) -> Any:
    """Return the value of JSON text; what is no such text is returned as it is."""
    if not isinstance(stored, str | bytes):
        return stored
    try:
        return json.loads(stored)
    except (ValueError, RecursionError):
        return stored if isinstance(stored, str) else None
