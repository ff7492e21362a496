"""One mapped task instance per contact. The contacts are not known before the DAG runs.

For thousands of contacts, use SyncContactCompaniesOperator instead: it is one task and sends fifty contacts
per request.
"""

from typing import Any

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_b24.operators.contact_company import SetContactCompaniesOperator


@dag(schedule=None, tags=["bitrix24"], doc_md=__doc__)
def example_mapped_contacts():
    @task
    def extract() -> list[dict[str, Any]]:
        """Return the arguments of each task instance."""
        return [
            {"contact_id": 82, "items": [8, 9]},
            {"contact_id": 83, "items": [{"company_id": 10, "is_primary": True}, {"company_id": 8}]},
            {"contact_id": 84, "items": []},
        ]

    SetContactCompaniesOperator.partial(
        task_id="set_companies",
        allow_empty=True,  # contact 84 is supposed to lose its companies
        map_index_template="contact {{ task.contact_id }}",  # what the UI shows instead of 0, 1, 2
        max_active_tis_per_dag=4,  # the portal limits requests, so more workers would only wait
    ).expand_kwargs(extract())


example_mapped_contacts()
