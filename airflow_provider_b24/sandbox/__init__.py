"""An imitation Bitrix24 portal for demos, benchmarks and tests of DAGs."""

from __future__ import annotations

from airflow_provider_b24.sandbox.http.exchange import Response
from airflow_provider_b24.sandbox.http.faults import Fault
from airflow_provider_b24.sandbox.http.journal import JournalEntry
from airflow_provider_b24.sandbox.http.portal import Portal
from airflow_provider_b24.sandbox.http.seed import seeded_portal
from airflow_provider_b24.sandbox.http.server import PortalServer
from airflow_provider_b24.sandbox.model.calls import Answer, Call
from airflow_provider_b24.sandbox.model.errors import RestError
from airflow_provider_b24.sandbox.model.limits import Bucket, Operating

__all__ = [
    "Answer",
    "Bucket",
    "Call",
    "Fault",
    "JournalEntry",
    "Operating",
    "Portal",
    "PortalServer",
    "Response",
    "RestError",
    "seeded_portal",
]
