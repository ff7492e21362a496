"""Use the hook in a task of your own where no operator fits."""

from airflow.providers.common.compat.sdk import AirflowSkipException, dag, task

COMPANY = 4  # the entityTypeId of companies in crm.item.*


@dag(schedule=None, tags=["bitrix24"], doc_md=__doc__)
def example_hook_in_task():
    @task
    def copy_companies(source: int, target: int) -> list[int]:
        """Give one contact the companies of another, and return their ids."""
        from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook  # imported here to parse the DAG faster

        hook = Bitrix24Hook()
        companies = hook.get_contact_companies(source)
        if not companies:  # the portal also returns an empty list if the contact does not exist
            raise AirflowSkipException(f"Contact {source} has no companies")
        hook.set_contact_companies(target, companies)
        return [company["COMPANY_ID"] for company in companies]

    @task
    def look_up_titles(ids: list[int]) -> list[str]:
        """Return the titles of companies. The ids must not be empty: an empty filter means everything."""
        from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook

        parameters = {"entityTypeId": COMPANY, "filter": {"@id": ids}, "select": ["id", "title"]}
        return [company["title"] for company in Bitrix24Hook().iterate("crm.item.list", parameters)]

    look_up_titles(copy_companies(source=82, target=83))


example_hook_in_task()
