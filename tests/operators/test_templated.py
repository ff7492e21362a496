"""Template fields by text and by native objects; the values that people and databases have."""

from collections import UserDict, UserList
from decimal import Decimal

import pytest

pytestmark = pytest.mark.airflow

DAG = """
    from datetime import datetime
    from airflow.providers.common.compat.sdk import DAG
    from airflow_provider_b24.operators.bitrix24 import (
        Bitrix24BatchOperator, Bitrix24ListOperator, Bitrix24Operator,
    )
    from airflow_provider_b24.operators.contact_company import (
        AddContactCompanyOperator, SetContactCompaniesOperator,
    )

    values = dict(
        contact=82, company=8, companies=[8, 9], primary=True, sort=-50, nothing=None,
        parameters={{"id": 82}}, row={{"company_id": 8, "is_primary": True, "sort": 0}},
        calls=[{{"method": "crm.contact.get", "params": {{"id": 82}}}}],
    )
    with DAG(
        dag_id="rendered_{native}", schedule=None, start_date=datetime(2026, 1, 1), params=values,
        render_template_as_native_obj={native},
    ):
        contact = "{{{{ params.contact }}}}"
        AddContactCompanyOperator(
            task_id="add", contact_id=contact, company_id="{{{{ params.company }}}}",
            is_primary="{{{{ params.primary }}}}", sort="{{{{ params.sort }}}}",
        ) >> AddContactCompanyOperator(
            task_id="add_nothing", contact_id=contact, company_id=9,
            is_primary="{{{{ params.nothing }}}}", sort="{{{{ params.nothing }}}}",
        ) >> SetContactCompaniesOperator(
            task_id="set_ids", contact_id=contact, items="{{{{ params.companies }}}}"
        ) >> SetContactCompaniesOperator(
            task_id="set_parts", contact_id=contact, items=[
                {{"company_id": "{{{{ params.company }}}}", "is_primary": "{{{{ params.primary }}}}",
                  "sort": "{{{{ params.nothing }}}}"}},
                "{{{{ params.companies[1] }}}}",
            ],
        ) >> SetContactCompaniesOperator(
            task_id="set_rows", contact_id=contact, items=["{{{{ params.row }}}}"]
        ) >> Bitrix24Operator(
            task_id="call", method="crm.contact.get", parameters="{{{{ params.parameters }}}}"
        ) >> Bitrix24BatchOperator(
            task_id="batch", calls="{{{{ params.calls }}}}"
        ) >> Bitrix24BatchOperator(
            task_id="batch_parts",
            calls=["{{{{ params.calls[0] }}}}", ["profile", "{{{{ params.nothing }}}}"]],
        ) >> Bitrix24ListOperator(
            task_id="list", method="crm.contact.list", parameters="{{{{ params.nothing }}}}",
            output_path="{{{{ params.nothing }}}}",
        )
"""


@pytest.mark.parametrize("native", [False, True], ids=["text", "native"])
def test_every_template_field_takes_text_and_native_values(run_dag, portal, bitrix24_conn, native):
    portal.bind(82, [])
    run = run_dag(DAG.format(native=native))
    assert set(run.states.values()) == {"success"}, run.states
    assert run.returned("set_ids")["items"] == [{"COMPANY_ID": 8}, {"COMPANY_ID": 9}]
    assert run.returned("set_parts")["items"] == [{"COMPANY_ID": 8, "IS_PRIMARY": "Y"}, {"COMPANY_ID": 9}]
    assert run.returned("set_rows")["items"] == [{"COMPANY_ID": 8, "IS_PRIMARY": "Y", "SORT": 0}]
    assert run.returned("call")["ID"] == "82"
    assert [row["status"] for row in run.returned("batch_parts")] == ["success", "success"]
    assert len(run.returned("list")) > 1


def test_numbers_of_a_database_are_ids(execute, portal):
    from airflow_provider_b24.operators.contact_company import SetContactCompaniesOperator

    operator = SetContactCompaniesOperator(
        task_id="set", contact_id=Decimal("82"), items=UserList([Decimal(8), UserDict({"company_id": 9.0})])
    )
    assert execute(operator)[0]["contact_id"] == 82
    assert [row["COMPANY_ID"] for row in portal.bindings(82)] == [8, 9]


def test_calls_may_be_any_sequences_and_mappings(execute):
    from airflow_provider_b24.operators.bitrix24 import Bitrix24BatchOperator

    calls = UserList(
        [UserDict({"method": "crm.contact.get", "params": UserDict({"id": 82})}), ("profile", None)]
    )
    rows, _ = execute(Bitrix24BatchOperator(task_id="batch", calls=calls))
    assert [row["status"] for row in rows] == ["success", "success"]


@pytest.mark.parametrize("value", ["maybe", 2, None, "", [8]])
def test_a_switch_that_is_no_flag_is_refused(execute, portal, value):
    from airflow.providers.common.compat.sdk import AirflowFailException

    from airflow_provider_b24.operators.contact_company import SetContactCompaniesOperator

    operator = SetContactCompaniesOperator(task_id="set", contact_id=82, items=[8], check_companies=value)
    with pytest.raises(AirflowFailException, match="check_companies must be True or False"):
        execute(operator)
    assert portal.requests == 0
