"""How each list method is read, and what is assumed of one that is not in the table."""

from __future__ import annotations

from airflow_provider_b24.rest.list_description import DOCS, PAGE, ListMethod, Pages, Paging
from airflow_provider_b24.rest.list_methods import TABLE

__all__ = ["PAGE", "TABLE", "UNKNOWN", "ListMethod", "Paging", "list_method"]

UNKNOWN = ListMethod(
    f"{DOCS}/settings/how-to-call-rest-api/list-methods-pecularities.html", pages=Pages("unknown")
)


def list_method(method: str) -> ListMethod:
    """Return how a list method is read; one not in the table has to show how it pages."""
    return TABLE.get(method.lower(), UNKNOWN)
