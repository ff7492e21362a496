"""Call any other REST method: a single call, a batch of calls, and a list with all of its pages."""

from airflow.providers.common.compat.sdk import dag

from airflow_provider_b24.operators.bitrix24 import (
    Bitrix24BatchOperator,
    Bitrix24ListOperator,
    Bitrix24Operator,
)

COMPANY = 4  # the entityTypeId of companies in crm.item.*


@dag(schedule=None, tags=["bitrix24"], doc_md=__doc__)
def example_any_method():
    contact = Bitrix24Operator(task_id="read_a_contact", method="crm.contact.get", parameters={"id": 82})
    companies = Bitrix24ListOperator(
        task_id="list_companies",
        method="crm.item.list",
        parameters={"entityTypeId": COMPANY, "select": ["id", "title"], "filter": {"<=id": 100}},
    )
    bindings = Bitrix24BatchOperator(
        task_id="read_many_bindings",
        calls=[
            {"method": "crm.contact.company.items.get", "params": {"id": contact_id}}
            for contact_id in range(1, 121)
        ],
    )
    contact >> [companies, bindings]


example_any_method()
