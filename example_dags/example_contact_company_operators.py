"""There is an operator for each method of crm.contact.company. This DAG uses all six on one contact."""

from airflow.providers.common.compat.sdk import chain, dag

from airflow_provider_b24.operators.contact_company import (
    AddContactCompanyOperator,
    ClearContactCompaniesOperator,
    DeleteContactCompanyOperator,
    GetContactCompaniesOperator,
    GetContactCompanyFieldsOperator,
    SetContactCompaniesOperator,
)

CONTACT = 84


@dag(schedule=None, tags=["bitrix24"], doc_md=__doc__)
def example_contact_company_operators():
    chain(
        GetContactCompanyFieldsOperator(task_id="describe_fields"),
        ClearContactCompaniesOperator(task_id="remove_all", contact_id=CONTACT),
        AddContactCompanyOperator(
            task_id="add_one", contact_id=CONTACT, company_id=8, is_primary=True, sort=100
        ),
        SetContactCompaniesOperator(task_id="replace_all", contact_id=CONTACT, items=[9, 10]),
        DeleteContactCompanyOperator(task_id="remove_one", contact_id=CONTACT, company_id=10),
        GetContactCompaniesOperator(task_id="read_all", contact_id=CONTACT),
    )


example_contact_company_operators()
