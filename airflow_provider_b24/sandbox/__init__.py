"""An imitation Bitrix24 portal for demos, benchmarks and tests of DAGs: standard library only."""

from __future__ import annotations

from airflow_provider_b24.sandbox.exchange import Response
from airflow_provider_b24.sandbox.faults import Fault
from airflow_provider_b24.sandbox.journal import JournalEntry
from airflow_provider_b24.sandbox.limits import Bucket, Operating
from airflow_provider_b24.sandbox.portal import Portal
from airflow_provider_b24.sandbox.seed import seeded_portal
from airflow_provider_b24.sandbox.server import PortalServer

__all__ = [
    "Bucket",
    "Fault",
    "JournalEntry",
    "Operating",
    "Portal",
    "PortalServer",
    "Response",
    "seeded_portal",
]
