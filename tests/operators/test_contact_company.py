import urllib.request

import pytest

from airflow_provider_b24.sandbox import Fault
from airflow_provider_b24.sandbox.http.seed import NO_CRM_CODE, NO_SCOPE_CODE, READ_ONLY_CODE

pytestmark = pytest.mark.airflow

DOCUMENTED = [
    {"COMPANY_ID": 8, "IS_PRIMARY": "Y", "SORT": 100},
    {"COMPANY_ID": 9, "IS_PRIMARY": "N", "SORT": 200},
    {"COMPANY_ID": 10, "IS_PRIMARY": "N", "SORT": 400},
]

SET_DAG = """
    from datetime import datetime, timedelta
    from airflow.providers.common.compat.sdk import dag, task
    from airflow_provider_b24.operators.contact_company import SetContactCompaniesOperator

    @dag(dag_id="set_companies", schedule=None, start_date=datetime(2026, 1, 1), {dag_arguments})
    def set_companies():
        @task
        def extract():
            return {rows!r}

        rows = extract()
        SetContactCompaniesOperator(
            task_id="set", contact_id={contact!r}, items={items}, retries=3, retry_delay=timedelta(minutes=5),
            {arguments}
        ){order}

    set_companies()
"""


def set_dag(rows=DOCUMENTED, contact=82, items="rows", arguments="", dag_arguments="", order=""):
    return SET_DAG.format(
        rows=rows, contact=contact, items=items, arguments=arguments, dag_arguments=dag_arguments, order=order
    )


def shown(portal, contact=82):
    return [(row["COMPANY_ID"], row["IS_PRIMARY"], row["SORT"]) for row in portal.bindings(contact)]


AS_DOCUMENTED = [(8, "Y", 100), (9, "N", 200), (10, "N", 400)]


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"items": "rows"}, id="output"),
        pytest.param(
            {"items": "\"{{ ti.xcom_pull('extract') }}\"", "order": ".set_upstream(rows)"},
            id="a Jinja string",
        ),
        pytest.param(
            {
                "items": "\"{{ ti.xcom_pull('extract') }}\"",
                "order": ".set_upstream(rows)",
                "dag_arguments": "render_template_as_native_obj=True",
            },
            id="a native Jinja object",
        ),
        pytest.param({"contact": "{{ 80 + 2 }}"}, id="a templated contact"),
    ],
)
def test_the_documented_bindings_reach_the_portal_from_xcom(run_dag, portal, bitrix24_conn, how):
    run = run_dag(set_dag(**how))
    assert run.state == "success"
    assert shown(portal) == AS_DOCUMENTED
    assert run.returned("set") == {"contact_id": 82, "items": DOCUMENTED, "primary": 8}
    writes = [entry for entry in portal.journal if entry.method == "crm.contact.company.items.set"]
    assert [(entry.http_method, entry.body) for entry in writes] == [
        ("POST", {"id": 82, "items": DOCUMENTED})
    ]
    assert writes[0].content_type.startswith("application/json")


BAD_ITEMS = {
    "an empty list": ([], "items is empty, which would unbind every company"),
    "an unknown key": ([{"companyid": 8}], "items[0] has an unknown key 'companyid'"),
    "another unknown key": ([{"COMPANY": 8}], "items[0] has an unknown key 'COMPANY'"),
    "a duplicate": ([8, 9, 8], "items[2] repeats company 8 of items[0]"),
    "an id that is none": (
        [{"COMPANY_ID": "abc"}],
        "items[0].COMPANY_ID must be a positive whole number, got 'abc'",
    ),
    "nothing": (None, "items must be a list, got NoneType"),
}


@pytest.mark.parametrize(("rows", "message"), BAD_ITEMS.values(), ids=BAD_ITEMS.keys())
def test_bad_items_fail_at_the_first_try_and_nothing_is_sent(run_dag, portal, bitrix24_conn, rows, message):
    before = shown(portal)
    run = run_dag(set_dag(rows))
    assert run.states["set"] == "failed"
    assert run.tries["set"] == 1
    assert f"contact 82: {message}" in run.log
    assert shown(portal) == before
    assert not portal.requests


def test_a_contact_that_does_not_exist_fails_at_the_first_try(run_dag, portal, bitrix24_conn):
    run = run_dag(set_dag(contact=4_000_000))
    assert (run.states["set"], run.tries["set"]) == ("failed", 1)
    assert "contact 4000000: crm.contact.company.items.set: Not found (HTTP 400). Check the id" in run.log


@pytest.mark.parametrize(
    ("user_id", "code", "message"),
    [
        (
            7,
            READ_ONLY_CODE,
            "contact 82: crm.contact.company.items.set: Access denied! (ACCESS_DENIED, HTTP 403)",
        ),
        (8, NO_CRM_CODE, "contact 82: crm.contact.company.items.set: Access denied (HTTP 400)"),
        (9, NO_SCOPE_CODE, "insufficient_scope"),
    ],
)
def test_missing_rights_fail_at_the_first_try(run_dag, portal, server, monkeypatch, user_id, code, message):
    monkeypatch.setenv("AIRFLOW_CONN_BITRIX24_DEFAULT", server.connection_json(user_id, code))
    before = shown(portal)
    run = run_dag(set_dag())
    assert (run.states["set"], run.tries["set"]) == ("failed", 1)
    assert message in run.log
    assert shown(portal) == before


def test_a_wrong_webhook_fails_at_the_first_try(run_dag, portal, server, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_BITRIX24_DEFAULT", server.connection_json(code="wrongcode"))
    run = run_dag(set_dag())
    assert (run.states["set"], run.tries["set"]) == ("failed", 1)
    assert "INVALID_CREDENTIALS" in run.log
    assert "wrongcode" not in run.log


def test_a_portal_that_refuses_twice_costs_no_try(run_dag, portal, bitrix24_conn):
    portal.add_fault(Fault("query_limit", every=1, times=2, method="crm.contact.company.items.set"))
    run = run_dag(set_dag())
    assert (run.states["set"], run.tries["set"]) == ("success", 1)
    assert shown(portal) == AS_DOCUMENTED


def test_a_portal_that_is_down_leaves_the_task_up_for_retry(
    run_dag, portal, server, bitrix24_conn, monkeypatch
):
    monkeypatch.setenv("AIRFLOW__BITRIX24__RETRY_TIMEOUT", "0.5")
    server.stop()
    run = run_dag(set_dag())
    assert run.states["set"] == "up_for_retry"
    assert "no connection (Connection refused)" in run.log


def test_companies_that_do_not_exist_are_refused_when_asked(run_dag, portal, bitrix24_conn):
    before = shown(portal)
    run = run_dag(set_dag([{"COMPANY_ID": 8}, {"COMPANY_ID": 777_777}], arguments="check_companies=True"))
    assert (run.states["set"], run.tries["set"]) == ("failed", 1)
    assert "items[1]: company 777777 does not exist" in run.log
    assert shown(portal) == before


def test_an_empty_set_that_is_meant_unbinds_everything(run_dag, portal, bitrix24_conn):
    run = run_dag(set_dag([], arguments="allow_empty=True"))
    assert run.returned("set") == {"contact_id": 82, "items": [], "primary": None}
    assert portal.bindings(82) == []


def test_a_safety_switch_cannot_be_an_output_of_another_task(run_dag, portal, bitrix24_conn):
    run = run_dag(set_dag([], arguments="allow_empty=rows"))
    assert run.states["set"] == "failed"
    assert "allow_empty must be True or False, got XComArg" in run.log or "allow_empty must be" in run.log
    assert not portal.requests


def test_the_link_leads_to_the_contacts_card(run_dag, portal, server, bitrix24_conn):
    run = run_dag(set_dag())
    url = run.xcoms["set", "bitrix24_contact_url"]
    assert url == f"{server.url}crm/contact/details/82/"
    with urllib.request.urlopen(url) as page:  # noqa: S310 - an address of the imitation portal
        assert page.status == 200
        assert "82" in page.read().decode()


FAMILY = """
    from datetime import datetime
    from airflow.providers.common.compat.sdk import DAG, chain
    from airflow_provider_b24.operators.contact_company import (
        AddContactCompanyOperator, ClearContactCompaniesOperator, DeleteContactCompanyOperator,
        GetContactCompaniesOperator, GetContactCompanyFieldsOperator,
    )

    with DAG(dag_id="family", schedule=None, start_date=datetime(2026, 1, 1)):
        chain(
            ClearContactCompaniesOperator(task_id="clear", contact_id=82),
            AddContactCompanyOperator(task_id="add", contact_id="82", company_id="8"),
            AddContactCompanyOperator(
                task_id="add_main", contact_id=82, company_id=9, is_primary="{{ 'Y' }}", sort=5
            ),
            AddContactCompanyOperator(task_id="add_again", contact_id=82, company_id=8),
            GetContactCompaniesOperator(task_id="get", contact_id=82),
            DeleteContactCompanyOperator(task_id="delete", contact_id=82, company_id=9),
            DeleteContactCompanyOperator(task_id="delete_again", contact_id=82, company_id=9),
            GetContactCompaniesOperator(task_id="get_left", contact_id=82),
            GetContactCompanyFieldsOperator(task_id="fields"),
        )
"""


def test_the_whole_family_works_one_after_another(run_dag, portal, bitrix24_conn):
    run = run_dag(FAMILY)
    assert set(run.states.values()) == {"success"}
    assert [run.returned(task) for task in ("add", "add_main", "add_again")] == [True, True, False]
    assert run.returned("get") == [
        {"COMPANY_ID": 9, "SORT": 5, "ROLE_ID": 0, "IS_PRIMARY": "Y"},
        {"COMPANY_ID": 8, "SORT": 10, "ROLE_ID": 0, "IS_PRIMARY": "N"},
    ]
    assert [run.returned(task) for task in ("delete", "delete_again")] == [True, False]
    assert run.returned("get_left") == [{"COMPANY_ID": 8, "SORT": 10, "ROLE_ID": 0, "IS_PRIMARY": "Y"}]
    assert set(run.returned("fields")) == {"COMPANY_ID", "IS_PRIMARY", "SORT"}
    assert "Company 8 was already bound to contact 82" in run.log


MAPPED = """
    from datetime import datetime
    from airflow.providers.common.compat.sdk import DAG, task
    from airflow_provider_b24.operators.contact_company import SetContactCompaniesOperator

    with DAG(dag_id="mapped", schedule=None, start_date=datetime(2026, 1, 1)):
        @task
        def extract():
            return [{"contact_id": 82, "items": [8]}, {"contact_id": 4000000, "items": [9]},
                    {"contact_id": 83, "items": [9, 10]}]

        SetContactCompaniesOperator.partial(
            task_id="set", map_index_template="contact {{ task.contact_id }}"
        ).expand_kwargs(extract())
"""


def test_it_maps_over_many_contacts(run_dag, portal, bitrix24_conn):
    portal.bind(83, [])
    run = run_dag(MAPPED)
    assert [run.states[f"set[{index}]"] for index in range(3)] == ["success", "failed", "success"]
    assert run.labels["set[0]"] == "contact 82"
    assert [row["COMPANY_ID"] for row in portal.bindings(83)] == [9, 10]
