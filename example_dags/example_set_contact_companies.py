"""Replace the companies of one contact with what another system says."""

from typing import Any

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_b24.operators.contact_company import SetContactCompaniesOperator


@dag(schedule=None, tags=["bitrix24"], doc_md=__doc__)
def example_set_contact_companies():
    @task
    def extract() -> list[dict[str, Any]]:
        """Stand in for the ERP, the warehouse, or the file that knows the companies of a contact."""
        return [
            {"COMPANY_ID": 8, "IS_PRIMARY": "Y", "SORT": 100},
            {"COMPANY_ID": 9, "SORT": 200},
            {"COMPANY_ID": 10, "SORT": 400},
        ]

    SetContactCompaniesOperator(task_id="set_companies", contact_id=82, items=extract())


example_set_contact_companies()
