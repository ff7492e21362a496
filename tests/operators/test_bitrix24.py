import json

import pytest

from airflow_provider_b24.sandbox import Fault

pytestmark = pytest.mark.airflow

DAG = """
    from datetime import datetime, timedelta
    from airflow.providers.common.compat.sdk import DAG
    from airflow_provider_b24.operators.bitrix24 import (
        Bitrix24BatchOperator, Bitrix24ListOperator, Bitrix24Operator,
    )

    with DAG(dag_id="any", schedule=None, start_date=datetime(2026, 1, 1), params={{"region": "north"}}):
        {operator}(task_id="call", retries=2, retry_delay=timedelta(minutes=5), {arguments})
"""


def dag(operator, arguments):
    return DAG.format(operator=operator, arguments=arguments)


def test_any_method_is_called_by_name(run_dag, portal, bitrix24_conn):
    source = dag("Bitrix24Operator", "method='crm.contact.get', parameters={'id': '{{ 80 + 2 }}'}")
    assert run_dag(source).returned("call")["ID"] == "82"
    assert portal.journal[-1].body == {"id": "82"}


def test_the_link_leads_to_the_card_of_the_record(run_dag, server, bitrix24_conn):
    run = run_dag(dag("Bitrix24Operator", "method='crm.company.get', parameters={'id': '8'}"))
    assert run.xcoms["call", "bitrix24_record_url"] == f"{server.url.rstrip('/')}/crm/company/details/8/"
    run = run_dag(dag("Bitrix24Operator", "method='profile'"))
    assert ("call", "bitrix24_record_url") not in run.xcoms


def test_a_dags_params_are_not_sent_to_the_portal(run_dag, portal, bitrix24_conn):
    run_dag(dag("Bitrix24Operator", "method='profile'"))
    assert portal.journal[-1].body == {}


@pytest.mark.parametrize("method", ["profile/../x", "http://elsewhere/profile", "{{ 'a b' }}"])
def test_a_template_cannot_change_the_address(run_dag, portal, bitrix24_conn, method):
    run = run_dag(dag("Bitrix24Operator", f"method={method!r}"))
    assert (run.states["call"], run.tries["call"]) == ("failed", 1)
    assert "method must be a REST method name" in run.log
    assert portal.requests == 0


def test_a_batch_of_any_length_answers_in_input_order(run_dag, portal, bitrix24_conn):
    calls = "[{'method': 'crm.contact.company.items.get', 'params': {'id': 82}}, ['profile', {}]] * 40"
    rows = run_dag(dag("Bitrix24BatchOperator", f"calls={calls}")).returned("call")
    assert len(rows) == 80
    assert {row["status"] for row in rows} == {"success"}
    assert rows[79]["result"]["ID"] == "1"
    assert portal.requests == 2


LINKED = (
    "calls=[['crm.contact.add', {'fields': {'NAME': 'Ann'}}], "
    "['crm.contact.update', {'id': '$result[0]', 'fields': {'COMMENTS': 'for $result[0]'}}], "
    "['crm.contact.get', {'id': '$result[0]'}]]"
)


def test_a_text_stands_for_an_earlier_result_if_asked_for(run_dag, portal, bitrix24_conn):
    added, _, card = run_dag(dag("Bitrix24BatchOperator", f"{LINKED}, references=True")).returned("call")
    assert card["result"]["ID"] == str(added["result"])
    assert card["result"]["COMMENTS"] == "for $result[0]"  # only a part of the value


def test_a_text_is_a_text_by_default(run_dag, portal, bitrix24_conn):
    run = run_dag(dag("Bitrix24BatchOperator", LINKED))
    assert run.states["call"] == "failed"
    assert "ID is not defined or invalid" in run.log
    assert "calls[1] contains the text $result[0], which is sent as a text" in run.log


def test_a_reference_to_no_earlier_call_names_the_call(run_dag, portal, bitrix24_conn):
    calls = "calls=[['profile', {}], ['crm.contact.get', {'id': '$result[1][ID]'}]], references=True"
    run = run_dag(dag("Bitrix24BatchOperator", calls))
    assert (run.states["call"], run.tries["call"]) == ("failed", 1)
    assert "calls[1] contains $result[1][ID], but a reference must be to the result of an earlier" in run.log
    assert portal.requests == 0


def test_a_call_that_a_batch_cannot_carry_is_sent_alone(run_dag, portal, bitrix24_conn):
    calls = (
        "[['profile', {}], ['crm.contact.update', {'id': 82, 'fields': {'OPENED': True}}], ['profile', {}]]"
    )
    rows = run_dag(dag("Bitrix24BatchOperator", f"calls={calls}")).returned("call")
    assert [row["status"] for row in rows] == ["success"] * 3
    assert portal.contact(82)["OPENED"] == "Y"
    assert portal.requests == 3


def test_a_batch_in_which_a_call_fails_fails_after_its_outcomes_are_in_xcom(run_dag, portal, bitrix24_conn):
    add = ["crm.contact.add", {"fields": {"NAME": "A"}}]
    calls = [["profile", {}], ["crm.contact.get", {"id": 4_000_000}], add]
    run = run_dag(dag("Bitrix24BatchOperator", f"calls={calls}"))
    assert (run.states["call"], run.tries["call"]) == ("failed", 1)
    assert [row["status"] for row in run.returned("call")] == ["success", "failure", "success"]
    assert run.returned("call")[1]["error"]["description"] == "Not found"
    assert "1 of 3 calls was not successful. First: calls[1] (failure): crm.contact.get: Not found" in run.log


def test_a_batch_that_fails_pushes_nothing_when_told_so(airflow_console, bitrix24_conn, mocker):
    from airflow.providers.common.compat.sdk import AirflowFailException

    from airflow_provider_b24.operators.bitrix24 import Bitrix24BatchOperator

    calls = [["crm.contact.get", {"id": 4_000_000}]]
    ti = mocker.Mock(spec_set=["xcom_push"])
    operator = Bitrix24BatchOperator(task_id="batch", calls=calls, do_xcom_push=False)
    with pytest.raises(AirflowFailException, match="1 of 1 calls was not successful"):
        operator.fail_fast(operator.run, {"ti": ti})
    ti.xcom_push.assert_not_called()


@pytest.mark.parametrize("name", ["Bitrix24Operator", "Bitrix24ListOperator"])
def test_params_in_place_of_parameters_is_an_error_that_says_so(execute, portal, name):
    from airflow.providers.common.compat.sdk import AirflowFailException

    from airflow_provider_b24.operators import bitrix24

    operator = getattr(bitrix24, name)(
        task_id="call", method="crm.contact.list", params={"filter": {"ID": 82}}
    )
    with pytest.raises(AirflowFailException, match=r"params was given instead of parameters"):
        execute(operator)
    assert portal.requests == 0


def test_params_that_a_template_uses_are_no_mistake(execute):
    from airflow_provider_b24.operators.bitrix24 import Bitrix24Operator

    operator = Bitrix24Operator(task_id="call", method="{{ params.method }}", params={"method": "profile"})
    operator.method = "profile"  # as rendered
    assert execute(operator)[0]["ID"] == "1"


def test_a_permanent_failure_logs_one_line_and_one_traceback(run_dag, portal, bitrix24_conn):
    from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS

    if not AIRFLOW_V_3_1_PLUS:
        pytest.skip("dag.test() of older Airflow logs more than once")
    run = run_dag(dag("Bitrix24Operator", "method='crm.contact.get', parameters={'id': 4000000}"))
    message = "crm.contact.get: Not found (HTTP 400). Check the id: the portal has no such record."
    assert run.log.count(message) == 2  # the line, and the end of the traceback
    assert run.log.count("Traceback") == 1
    assert "AirflowFailException" in run.log


def test_a_batch_that_wrote_something_is_not_retried_as_a_whole(run_dag, portal, bitrix24_conn):
    portal.add_fault(Fault("server_error", every=1, method="crm.contact.get", per_command=True))
    calls = "[['crm.contact.add', {'fields': {'NAME': 'A'}}], ['crm.contact.get', {'id': 82}]]"
    run = run_dag(dag("Bitrix24BatchOperator", f"calls={calls}"))
    assert run.states["call"] == "failed"
    assert portal.executed["crm.contact.add"] == 1


@pytest.mark.parametrize(
    ("calls", "message"),
    [
        ("'profile'", "calls is text that is neither JSON nor a Python literal"),
        ("{'method': 'profile'}", "calls must be a list, got dict"),
        ("[{'methode': 'profile'}]", "calls[0] must be {'method': ..., 'params': ...}"),
        ("[['profile', {}], ['a b', {}]]", "calls[1]: method must be a REST method name"),
        ("[['profile', 8]]", "calls[0]: params must be a mapping, got int: 8"),
        ("[['batch', {}]]", "a batch cannot contain another batch"),
    ],
)
def test_bad_calls_are_refused_before_anything_is_sent(run_dag, portal, bitrix24_conn, calls, message):
    run = run_dag(dag("Bitrix24BatchOperator", f"calls={calls}"))
    assert (run.states["call"], run.tries["call"]) == ("failed", 1)
    assert message in run.log
    assert portal.requests == 0


def test_a_whole_list_goes_to_xcom_or_to_a_file(run_dag, portal, bitrix24_conn, tmp_path):
    portal.add_generated(contacts=130, companies=5)
    arguments = "method='crm.item.list', parameters={'entityTypeId': 3, 'select': ['id']}"
    rows = run_dag(dag("Bitrix24ListOperator", arguments)).returned("call")
    assert len({row["id"] for row in rows}) == len(rows) >= 130

    path = tmp_path / "contacts.jsonl"
    answer = run_dag(dag("Bitrix24ListOperator", f"{arguments}, output_path={str(path)!r}")).returned("call")
    assert answer == {"path": str(path), "rows": len(rows)}
    assert [json.loads(line) for line in path.read_text().splitlines()] == rows
    assert [entry.name for entry in tmp_path.iterdir()] == ["contacts.jsonl"]


def test_a_list_that_breaks_off_leaves_no_file(run_dag, portal, bitrix24_conn, tmp_path):
    path = tmp_path / "contacts.jsonl"
    run = run_dag(dag("Bitrix24ListOperator", f"method='crm.no.list', output_path={str(path)!r}"))
    assert run.states["call"] == "failed"
    assert list(tmp_path.iterdir()) == []
