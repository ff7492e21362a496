"""Whatever a DAG passes, by mistake or by a template: it is done, or refused before anything is sent."""

import datetime
import decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_b24.crm.bindings import CompanyBinding
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.errors import Bitrix24Error, Bitrix24InputError
from tests.faults.portals import make_portal

pytestmark = pytest.mark.airflow

patiently = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Stranger:
    """An object nobody knows, such as an XComArg in a field that is no template."""


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, 1, 8, 82, 2**63])
    | st.floats()
    | st.text()
    | st.sampled_from(["82", "8", "Y", "[8]", "{}", "[[", "{{ ti }}", "\ud800", "9" * 5000, "profile"])
    | st.binary()
    | st.dates()
    | st.decimals()
    | st.builds(Stranger)
    | st.builds(CompanyBinding, st.integers(), st.none() | st.text(), st.none() | st.floats())
)
keys = st.sampled_from(["COMPANY_ID", "company_id", "IS_PRIMARY", "SORT", "contact_id", "items", "id", "x"])
wild = st.recursive(
    leaves,
    lambda children: (
        st.lists(children, max_size=3)
        | st.tuples(children, children)
        | st.dictionaries(keys | st.text() | st.none() | st.integers(), children, max_size=3)
        | st.frozensets(st.integers() | st.text(), max_size=2)
        | st.builds(iter, st.lists(children, max_size=2))
    ),
    max_leaves=6,
)
ODD = [
    datetime.date(2026, 1, 1),
    decimal.Decimal(82),
    Stranger(),
    Stranger,
    b"82",
    {8},
    frozenset({8}),
    object,
    type,
    print,
    iter([8]),
    "9" * 5000,
    float("nan"),
    float("inf"),
    1.5,
    "",
    " ",
    "\ud800",
    True,
    None,
    -1,
    0,
]


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
    "url": lambda hook, one, two: hook.contact_url(one),
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
        hook.iterate("crm.item.list", {"entityTypeId": 3, "order": one, "start": two})
    ),
    "sync": lambda hook, one, two: hook.sync_contact_companies(one, check_companies=False, max_failures=1.0),
    "sync rows": lambda hook, one, two: hook.sync_contact_companies([one, two]),
    "sync items": lambda hook, one, two: hook.sync_contact_companies({82: one}),
    "sync columns": lambda hook, one, two: hook.sync_contact_companies([[82, 8]], columns=one),
    "sync mode": lambda hook, one, two: hook.sync_contact_companies({82: [8]}, mode=one),
    "sync flags": lambda hook, one, two: hook.sync_contact_companies({82: [8]}, allow_empty=one, dry_run=two),
    "sync more flags": lambda hook, one, two: hook.sync_contact_companies(
        {82: [8]}, check_companies=one, undo=two
    ),
    "sync failures": lambda hook, one, two: hook.sync_contact_companies({82: [8]}, max_failures=one),
}


@pytest.mark.parametrize("work", HOOK.values(), ids=HOOK.keys())
def test_the_hook_does_or_refuses_before_anything_is_sent(hook, portal, work):
    @patiently
    @given(wild, wild)
    def holds(one, two):
        refused_or_done(portal, lambda: work(hook, one, two))

    holds()


@pytest.mark.parametrize("work", HOOK.values(), ids=HOOK.keys())
def test_odd_values_are_done_or_refused_too(hook, portal, work):
    for value in ODD:
        refused_or_done(portal, lambda value=value: work(hook, value, value))
