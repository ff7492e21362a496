"""Any other REST method: one call, many calls in few requests, every page of a list."""

from airflow.providers.common.compat.sdk import dag

from airflow_provider_b24.operators.bitrix24 import (
    Bitrix24BatchOperator,
    Bitrix24ListOperator,
    Bitrix24Operator,
)


@dag(schedule=None, tags=["bitrix24"], doc_md=__doc__)
def example_any_method():
    card = Bitrix24Operator(task_id="read_a_contact", method="crm.contact.get", parameters={"id": 82})
    companies = Bitrix24ListOperator(
        task_id="list_companies",
        method="crm.company.list",
        parameters={"select": ["ID", "TITLE"], "filter": {"<=ID": 100}},
    )
    bindings = Bitrix24BatchOperator(
        task_id="read_many_bindings",
        calls=[
            {"method": "crm.contact.company.items.get", "params": {"id": contact}}
            for contact in range(1, 121)
        ],
    )
    card >> [companies, bindings]


example_any_method()
