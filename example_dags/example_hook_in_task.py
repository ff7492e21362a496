"""The hook inside a task of one's own, where no operator fits."""

from typing import Any

from airflow.providers.common.compat.sdk import dag, task


@dag(schedule=None, tags=["bitrix24"], doc_md=__doc__)
def example_hook_in_task():
    @task
    def copy_companies(source: int, target: int) -> list[dict[str, Any]]:
        """Give one contact the companies of another."""
        from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook  # not needed to parse the DAG

        hook = Bitrix24Hook()
        hook.set_contact_companies(target, hook.get_contact_companies(source))
        return hook.get_contact_companies(target)

    @task
    def name_companies(bindings: list[dict[str, Any]]) -> list[str]:
        """Look up what the companies are called, page by page."""
        from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook

        wanted = {"@ID": [binding["COMPANY_ID"] for binding in bindings]}
        companies = Bitrix24Hook().iterate("crm.company.list", {"filter": wanted, "select": ["ID", "TITLE"]})
        return [company["TITLE"] for company in companies]

    name_companies(copy_companies(source=82, target=83))


example_hook_in_task()
