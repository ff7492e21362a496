"""
What a task read and wrote: for OpenLineage, and for the outlets that the DAG's author gave it.

OpenLineage's classes are imported only when its provider asks: https://openlineage.io/docs/spec/naming
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage

    Lineage = OperatorLineage[Any, Any]

COUNTS = ("contacts", "written", "unchanged", "failed", "unknown", "rows", "deleted", "watermark")
Fields = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Data:
    """
    Something that is read or written.

    :ivar namespace: where it is, e.g. ``bitrix24://mycompany.bitrix24.com`` or ``s3://bucket``.
    :ivar name: what it is there.
    :ivar rows: how many were written; None: unknown.
    :ivar fields: names and types.
    """

    namespace: str
    name: str
    rows: int | None = None
    fields: Fields = field(default=())


def portal_data(url: str, path: str, rows: int | None = None) -> Data:
    """
    Records of a portal, named as the assets of ``assets.bitrix24`` are.

    :param url: the portal's address.
    :param path: e.g. ``crm/contact``.
    """
    return Data(f"bitrix24://{urlsplit(url).netloc}", path, rows)


def file_data(path: str, rows: int | None = None, fields: Fields = ()) -> Data:
    """A file on any storage; a connection's id before the bucket is no part of its name."""
    parts = urlsplit(path)
    if parts.scheme in ("", "file", "local"):
        return Data("file", str(Path(parts.path).absolute()), rows, fields)
    return Data(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", parts.path.lstrip("/"), rows, fields)


def lineage(inputs: Sequence[Data], outputs: Sequence[Data]) -> Lineage:
    """Return what OpenLineage's provider wants to know."""
    from airflow.providers.common.compat.openlineage.facet import (
        InputDataset,
        OutputDataset,
        OutputStatisticsOutputDatasetFacet,
        SchemaDatasetFacet,
        SchemaDatasetFacetFields,
    )
    from airflow.providers.openlineage.extractors import OperatorLineage

    def facets(data: Data) -> dict[str, Any]:
        if not data.fields:
            return {}
        fields = [SchemaDatasetFacetFields(name=name, type=kind) for name, kind in data.fields]
        return {"schema": SchemaDatasetFacet(fields=fields)}

    def statistics(data: Data) -> dict[str, Any]:
        if data.rows is None:
            return {}
        return {"outputStatistics": OutputStatisticsOutputDatasetFacet(rowCount=data.rows)}

    return OperatorLineage(
        inputs=[InputDataset(data.namespace, data.name, facets=facets(data)) for data in inputs],
        outputs=[
            OutputDataset(data.namespace, data.name, facets=facets(data), outputFacets=statistics(data))
            for data in outputs
        ],
    )


def fill_outlets(outlets: Iterable[Any], context: Context, summary: Mapping[str, Any]) -> None:
    """Store the counts of a run with the events of the ``bitrix24://`` assets among a task's outlets."""
    facts: Any = context
    counts = {name: summary[name] for name in COUNTS if name in summary}
    for asset in outlets:
        if str(getattr(asset, "uri", "")).startswith("bitrix24://"):
            facts["outlet_events"][asset].extra.update(counts)
