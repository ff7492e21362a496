"""Whatever a DAG passes, by mistake or by a template: it is done, or refused before anything is sent."""

import json

import pytest
from hypothesis import HealthCheck, given, settings

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError, Bitrix24SyncError
from airflow_provider_b24.rest.calls import Call
from tests.faults.portals import make_portal
from tests.wild import ODD, wild

pytestmark = pytest.mark.airflow
AirflowFailException = pytest.importorskip("airflow.providers.common.compat.sdk").AirflowFailException

patiently = settings(
    deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def portal():
    return make_portal(200)


@pytest.fixture
def hook(hook_of, portal):
    return hook_of(portal)


def refused_or_done(portal, work):
    """Do some work; if it is refused as input, nothing may have been sent."""
    before = portal.requests
    error = None
    try:
        work()
    except Bitrix24Error as caught:
        error = caught
    if isinstance(error, Bitrix24InputError):
        assert portal.requests == before, "something was sent"
        assert len(str(error)) < 4_000
    elif isinstance(error, Bitrix24SyncError):
        assert error.summary["failed"]  # rows of an iterator, which is checked as it flows
    elif error is not None:
        assert portal.requests > before, "the portal itself refused"
        assert not error.temporary


HOOK = {
    "get": lambda hook, one, two: hook.get_contact_companies(one),
    "set": lambda hook, one, two: hook.set_contact_companies(one, two),
    "set items": lambda hook, one, two: hook.set_contact_companies(82, one),
    "set empty": lambda hook, one, two: hook.set_contact_companies(82, one, allow_empty=True),
    "add": lambda hook, one, two: hook.add_contact_company(one, two),
    "add primary": lambda hook, one, two: hook.add_contact_company(82, 8, is_primary=one, sort=two),
    "delete": lambda hook, one, two: hook.delete_contact_company(one, two),
    "clear": lambda hook, one, two: hook.clear_contact_companies(one),
    "url": lambda hook, one, two: hook.contact(one),
    "call": lambda hook, one, two: hook.call(one, two),
    "call params": lambda hook, one, two: hook.call("profile", one),
    "call param": lambda hook, one, two: hook.call("profile", {"id": one, "x": two}),
    "batch": lambda hook, one, two: hook.batch(one),
    "batch of": lambda hook, one, two: hook.batch([one, two]),
    "batch param": lambda hook, one, two: hook.batch([Call("profile", {"id": one})]),
    "batch halt": lambda hook, one, two: hook.batch([Call("profile")], halt=one),
    "iterate": lambda hook, one, two: list(hook.iterate(one, two)),
    "iterate params": lambda hook, one, two: list(hook.iterate("crm.item.list", one)),
    "iterate filter": lambda hook, one, two: list(
        hook.iterate("crm.item.list", {"entityTypeId": 3, "filter": one, "select": two})
    ),
    "iterate order": lambda hook, one, two: list(
        hook.iterate("crm.item.list", {"entityTypeId": 3, "order": one, "FILTER": two})
    ),
}


@pytest.mark.parametrize("work", HOOK.values(), ids=HOOK.keys())
def test_the_hook_does_or_refuses_before_anything_is_sent(hook, portal, work):
    @patiently
    @given(wild, wild)
    def holds(one, two):
        refused_or_done(portal, lambda: work(hook, one, two))

    holds()
    for value in ODD:
        refused_or_done(portal, lambda value=value: work(hook, value, value))


class FakeTaskInstance:
    """As much of a running task as the operators ask for."""

    dag_id, run_id, task_id, map_index = "dag", "run", "task", -1

    def xcom_push(self, key, value):
        json.dumps(value)


def operators():
    from airflow_provider_b24.operators import bitrix24, contact_company, sync

    contact = {"contact_id": 82}
    return [
        contact_company.SetContactCompaniesOperator(task_id="set", items=[8], **contact),
        contact_company.GetContactCompaniesOperator(task_id="get", **contact),
        contact_company.AddContactCompanyOperator(task_id="add", company_id=8, **contact),
        contact_company.DeleteContactCompanyOperator(task_id="delete", company_id=8, **contact),
        contact_company.ClearContactCompaniesOperator(task_id="clear", **contact),
        bitrix24.Bitrix24Operator(task_id="call", method="profile"),
        bitrix24.Bitrix24BatchOperator(task_id="batch", calls=[["profile", {}]]),
        bitrix24.Bitrix24ListOperator(task_id="list", method="crm.contact.list"),
        sync.SyncContactCompaniesOperator(task_id="sync", bindings={82: [8]}, check_companies=False),
    ]


FIELDS = [
    ("set", "contact_id"),
    ("set", "items"),
    ("set", "allow_empty"),
    ("set", "check_companies"),
    ("get", "contact_id"),
    ("add", "contact_id"),
    ("add", "company_id"),
    ("add", "is_primary"),
    ("add", "sort"),
    ("delete", "contact_id"),
    ("delete", "company_id"),
    ("clear", "contact_id"),
    ("call", "method"),
    ("call", "parameters"),
    ("batch", "calls"),
    ("batch", "halt"),
    ("list", "method"),
    ("list", "parameters"),
    ("sync", "bindings"),
    ("sync", "bindings_path"),
    ("sync", "columns"),
]


@pytest.mark.parametrize(("task", "field"), FIELDS, ids=map(".".join, FIELDS))
def test_an_operator_does_its_work_or_fails_for_good_before_anything_is_sent(hook, portal, task, field):
    (operator,) = (one for one in operators() if one.task_id == task)
    operator.hook = hook

    def execute(value):
        setattr(operator, field, value)
        json.dumps(operator.run({"ti": FakeTaskInstance()}))

    @patiently
    @given(wild)
    def holds(value):
        refused_or_done(portal, lambda: execute(value))

    holds()
    for value in ODD:
        refused_or_done(portal, lambda value=value: execute(value))


@pytest.mark.parametrize("event", [None, {}, "due", {"status": "error"}, {"status": None}, 8], ids=repr)
def test_an_unknown_event_of_the_trigger_fails_for_good_before_anything_is_sent(hook, portal, event):
    operator = operators()[-1]
    operator.hook = hook
    with pytest.raises(AirflowFailException, match="unknown event"):
        operator.execute_complete({"ti": FakeTaskInstance()}, event)
    assert portal.requests == 0
