"""Tell Airflow that a task changes contacts, so that DAGs with ``schedule=[CONTACTS]`` run after it."""

from airflow.providers.common.compat.sdk import dag

from airflow_provider_b24.assets.bitrix24 import create_asset
from airflow_provider_b24.operators.contact_company import SetContactCompaniesOperator

CONTACTS = create_asset(portal="mycompany.bitrix24.com", path="crm/contact")


@dag(schedule=None, tags=["bitrix24"], doc_md=__doc__)
def example_assets():
    SetContactCompaniesOperator(task_id="set_companies", contact_id=82, items=[8, 9], outlets=[CONTACTS])


example_assets()
