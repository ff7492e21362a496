"""Somebody changes a contact in the CRM: check its companies against the ERP, which has the say.

Needs Airflow 3, a connection ``bitrix24_app`` with OAuth of an administrator of the portal, and once:
``airflow bitrix24 events bind onCrmContactUpdate --conn-id bitrix24_app``
"""

from typing import Any

from airflow.providers.common.compat.sdk import dag, task
from airflow.sdk import AssetWatcher

from airflow_provider_b24.assets.bitrix24 import create_asset
from airflow_provider_b24.operators.sync import SyncContactCompaniesOperator
from airflow_provider_b24.triggers.event import Bitrix24EventTrigger

CONTACTS = create_asset(
    portal="mycompany.bitrix24.com",
    path="crm/contact",
    watchers=[
        AssetWatcher(
            name="changes",
            trigger=Bitrix24EventTrigger(["onCrmContactUpdate"], bitrix24_conn_id="bitrix24_app"),
        )
    ],
)
ERP = {82: [8, 9], 83: [10]}  # stands in for the other system


@dag(schedule=[CONTACTS], tags=["bitrix24"], doc_md=__doc__)
def example_events():
    @task
    def wanted(triggering_asset_events: Any = None) -> dict[str, list[int]]:
        """Return the companies of the contacts that changed; several events may have started one run."""
        events = triggering_asset_events.get(CONTACTS, ())  # none if the run was started by hand
        payloads = [event.extra["payload"] for event in events]
        changed = {payload["id"] for payload in payloads}
        return {str(contact): ERP[contact] for contact in sorted(changed) if contact in ERP}

    @task.short_circuit
    def is_known(companies: dict[str, list[int]]) -> bool:
        """Return whether the ERP knows any of the contacts. If not, the next task is skipped."""
        return bool(companies)

    companies = wanted()
    # Writes only what differs: the same event again changes nothing.
    is_known(companies) >> SyncContactCompaniesOperator(task_id="sync", bindings=companies)


example_events()
