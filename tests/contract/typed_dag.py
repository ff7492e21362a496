"""A DAG as users with a type checker write it; test_typed_dag.py checks it with mypy --strict."""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook
from airflow_provider_b24.operators.bitrix24 import (
    Bitrix24BatchOperator,
    Bitrix24ListOperator,
    Bitrix24Operator,
)
from airflow_provider_b24.operators.contact_company import (
    AddContactCompanyOperator,
    ClearContactCompaniesOperator,
    DeleteContactCompanyOperator,
    GetContactCompaniesOperator,
    SetContactCompaniesOperator,
)


@dag(schedule=None)
def typed() -> None:
    @task
    def number() -> int:
        return 82

    @task
    def flag() -> bool:
        return True

    @task
    def parameters() -> dict[str, Any]:
        return {"id": 82}

    @task
    def rows() -> list[dict[str, int]]:
        return [{"company_id": 8}]

    @task
    def path() -> str:
        hook = Bitrix24Hook("another", max_wait=60)
        added: bool = hook.add_contact_company(82, 8)
        written: list[dict[str, Any]] = hook.set_contact_companies("82", [8, {"company_id": 9}])
        for row in hook.iterate("crm.contact.list", {"select": ["ID"]}):
            print(row["ID"], added, written)
        return "rows.jsonl"

    got = GetContactCompaniesOperator(task_id="get", contact_id=number())
    SetContactCompaniesOperator(task_id="set", contact_id=number(), items=got.output)
    SetContactCompaniesOperator(task_id="set_rows", contact_id="{{ params.contact }}", items=rows())
    SetContactCompaniesOperator(task_id="set_ids", contact_id=82, items=[8, "9"], allow_empty=True)
    SetContactCompaniesOperator(task_id="set_dicts", contact_id=82, items=[{"company_id": 8, "sort": 10}])
    SetContactCompaniesOperator.partial(task_id="mapped", items=[8]).expand(contact_id=number())
    AddContactCompanyOperator(
        task_id="add", contact_id=82, company_id=number(), is_primary=flag(), sort=number()
    )
    AddContactCompanyOperator(task_id="add_main", contact_id=82, company_id=8, is_primary="Y", sort=10)
    DeleteContactCompanyOperator(task_id="delete", contact_id=number(), company_id=number())
    ClearContactCompaniesOperator(task_id="clear", contact_id=number(), bitrix24_conn_id="another")
    Bitrix24Operator(task_id="call", method=path(), parameters=parameters(), repeatable=True)
    Bitrix24Operator(task_id="profile", method="profile")
    Bitrix24BatchOperator(task_id="batch", calls=rows())
    Bitrix24BatchOperator(task_id="batch_list", calls=[{"method": "profile"}, ["scope", {}]])
    Bitrix24ListOperator(task_id="list", method="crm.item.list", parameters={}, output_path=path())


typed()
