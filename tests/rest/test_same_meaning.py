"""A call has the same effect alone and in a batch, whatever its values, their place, and the method."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError
from airflow_provider_b24.rest.auth.webhook import WebhookAuth
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.config import PortalConfig, Webhook
from airflow_provider_b24.rest.transport import Transport
from airflow_provider_b24.sandbox import Portal
from tests.rest.conftest import CODE, FakeClock, PortalAdapter

USER_FIELDS = {
    "UF_CRM_1_1": "boolean",
    "UF_CRM_1_2": "string",
    "UF_CRM_1_3": "integer",
    "UF_CRM_1_4": "double",
    "UF_CRM_1_5": "enumeration",
    "UF_CRM_1_6": "datetime",
}
ITEM_NAMES = [
    "title",
    "opened",
    "isManualOpportunity",
    "opportunity",
    "probability",
    "comments",
    "contactIds",
]
ITEM_NAMES += ["stageId", "begindate", "companyId", *(f"ufCrm1_{number}" for number in range(1, 8))]
OLD_NAMES = ["TITLE", "OPENED", "CLOSED", "OPPORTUNITY", "PROBABILITY", "COMMENTS", "CONTACT_IDS", "STAGE_ID"]
OLD_NAMES += ["BEGINDATE", *USER_FIELDS, "UF_CRM_1_7"]


def prepared() -> tuple[Portal, Client]:
    clock = FakeClock()
    portal = Portal(clock=clock.now, sleep=clock.sleep)
    portal.add_webhook(1, CODE, scope=("crm", "task", "user", "lists", "im"))
    portal.add_generated(contacts=60, companies=60, deal=60, task=60, user=60, list_element=60)
    for name, kind in USER_FIELDS.items():
        portal.add_user_field(2, name, kind)
    portal.add_user_field(2, "UF_CRM_1_7", "string", multiple=True)
    flags = {"UF_CRM_1_1": 1, "UF_CRM_1_2": "1", "UF_CRM_1_3": 0, "UF_CRM_1_4": 0.5, "UF_CRM_1_7": ["a", "1"]}
    portal.state.update("deal", 7, flags)
    portal.state.update("deal", 8, {"UF_CRM_1_1": 0, "UF_CRM_1_2": "", "UF_CRM_1_3": 1, "OPENED": "N"})
    webhook = Webhook(1, CODE)
    transport = Transport(PortalConfig("https://portal.example", webhook), adapter=PortalAdapter(portal))
    return portal, Client(transport, WebhookAuth(webhook), clock=clock, retry_timeout=0)


def effect(call: Call, in_batch: bool):
    """What a call returns, and what it leaves behind."""
    portal, client = prepared()
    try:
        if in_batch:
            (outcome,) = client.batch([call])
            error, answer = outcome.error, (outcome.result, outcome.total, outcome.next)
        else:
            reply = client.perform(call)
            error, answer = None, (reply.result, reply.total, reply.next)
    except Bitrix24Error as failure:
        error, answer = failure, None
    tables = {"deal": (7, 8, 61), "contact": (5,), "task": (5,)}
    left = {(table, number): portal.record(table, number) for table, ids in tables.items() for number in ids}
    # The HTTP status of a call alone is not part of a batch, nor is the position that its errors name.
    what = None if error is None else (error.code, error.description.removeprefix("calls[0]: "))
    return what, None if what else answer, left, portal.bindings(5)


texts = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    [
        "Y",
        "N",
        "true",
        "y",
        "1",
        "0",
        "",
        " ",
        "-0",
        "+1",
        "a&b=c",
        "[x]",
        "100%",
        "%41",
        "x+y",
        "a.b",
        "#",
        "$result[0]",
        "US$total[1] due",
        "$RESULT[0][NAME]",
        "$error[0]",
        "see $totals [1]",
        "$result",
        "\x00",
    ]
)
moments = st.sampled_from(
    [
        datetime.date(2026, 1, 2),
        datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone(datetime.timedelta(hours=3))),
        datetime.time(3, 4),
    ]
)
numbers = (
    st.integers(-(2**63) + 1, 2**63 - 1)
    | st.sampled_from([0, 1, 7, -1, 0.0, -0.0, 0.1, 0.5, 0.1 + 0.2, 1e25, 1.5e-7, 12345678901234.5])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([Decimal("7.00"), Decimal("0.10"), Decimal("1234567890.12345"), Decimal("1E-9")])
)
scalars = st.none() | st.booleans() | numbers | moments | texts
names = texts | st.sampled_from(["0", "1", 0, 2, "VALUE", "a b", "x]", "a[b", " "])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)


def some(known: list[str], values=values):
    """Parameters of which most have known names."""
    return st.dictionaries(st.sampled_from(known) | names, values, min_size=1, max_size=3)


def conditions(known: list[str]):
    operators = st.sampled_from(["", "=", "!", "!=", ">", "<=", "@", "!@", "%", "!%"])
    keys = st.builds(lambda operator, name: operator + name, operators, st.sampled_from(known))
    one = st.dictionaries(keys, values, min_size=1, max_size=2)
    return one | st.builds(lambda first, second: {**first, "0": second}, one, some(["LOGIC", "logic"]))


DEAL = ["ID", "TITLE", "OPENED", "OPPORTUNITY", "STAGE_ID", "DATE_CREATE", *USER_FIELDS, "UF_CRM_1_7"]
ITEM = [
    "id",
    "title",
    "opened",
    "opportunity",
    "stageId",
    "createdTime",
    *(f"ufCrm1_{n}" for n in range(1, 8)),
]
USER = ["ID", "ACTIVE", "NAME", "EMAIL"]
TASK = ["ID", "TITLE", "STATUS", "CHANGED_DATE"]
ways = st.sampled_from(["ASC", "DESC", "desc"]) | values


def listing(method: str, known: list[str], filter_name: str = "filter", **fixed):
    """A call of a list method with one of its parameters changed."""
    selected = st.lists(st.sampled_from(known) | values, min_size=1, max_size=3)
    changed = st.one_of(
        st.builds(lambda given: {filter_name: given}, conditions(known) | values),
        st.builds(lambda given: {"select": given}, selected | values),
        st.builds(lambda given: {"order": given}, st.dictionaries(st.sampled_from(known), ways) | values),
        st.builds(lambda given: {"start": given}, values),
        some([*fixed, "entityTypeId", "sort", "ORDER", "LIMIT"]),
    )
    return st.builds(lambda given: Call(method, fixed | given), changed)


def writing(method: str, known: list[str], **fixed):
    """A call of a writing method with some fields."""
    changed = st.builds(lambda given: {"fields": given}, some(known) | values) | some([*fixed, "params"])
    return st.builds(lambda given: Call(method, fixed | given), changed)


FAMILIES = {
    "crm.item.update": writing("crm.item.update", ITEM_NAMES, entityTypeId=2, id=7, fields={}),
    "crm.item.add": writing("crm.item.add", ITEM_NAMES, entityTypeId=2, fields={}),
    "crm.item.batchImport": st.builds(
        lambda rows: Call("crm.item.batchImport", {"entityTypeId": 2, "data": rows}),
        st.lists(some(ITEM_NAMES) | values, max_size=2),
    ),
    "crm.deal.update": writing("crm.deal.update", OLD_NAMES, id=7, fields={}),
    "crm.deal.add": writing("crm.deal.add", OLD_NAMES, fields={}),
    "bindings": writing("crm.contact.company.items.set", ["COMPANY_ID"], id=5, items=[{"COMPANY_ID": 8}]),
    "crm.item.list": listing("crm.item.list", ITEM, entityTypeId=2),
    "crm.deal.list": listing("crm.deal.list", DEAL),
    "crm.stagehistory.list": listing("crm.stagehistory.list", ["ID", "STAGE_ID"], entityTypeId=2),
    "tasks.task.list": listing("tasks.task.list", TASK),
    "user.get": listing("user.get", USER, "FILTER"),
    "lists.element.get": listing("lists.element.get", ["ID", "NAME"], "FILTER", IBLOCK_ID=1),
    "crm.status.list": listing("crm.status.list", ["ENTITY_ID", "SORT"]),
    "im.recent.list": listing("im.recent.list", ["ID"], LIMIT=20, OFFSET=0),
    "unknown": listing("no.such.list", ["ID"]),
}


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_a_call_has_the_same_effect_alone_and_in_a_batch(family):
    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(family)
    def check(call):
        alone = effect(call, in_batch=False)
        assert effect(call, in_batch=True) == alone

    check()


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("crm.item.update", ["opened", "isManualOpportunity", "ufCrm1_1"]),
        ("crm.deal.update", ["OPENED", "CLOSED", "UF_CRM_1_1"]),
    ],
)
def test_a_flag_is_stored_as_it_was_meant(method, fields, value):
    params = {"id": 7, "fields": dict.fromkeys(fields, value)}
    call = Call(method, params | ({"entityTypeId": 2} if method == "crm.item.update" else {}))
    *_, left, _ = effect(call, in_batch=True)
    names = {"ufCrm1_1": "UF_CRM_1_1", "isManualOpportunity": "IS_MANUAL_OPPORTUNITY"}
    stored = [left["deal", 7][names.get(name, name.upper())] for name in fields]
    assert all(one == ("Y" if value else "N") or one == int(value) for one in stored), stored


def test_an_empty_list_in_a_filter_is_refused_in_every_way():
    _, client = prepared()
    call = Call("crm.deal.list", {"filter": {"@ID": []}})
    for act in (
        client.perform,
        lambda call: client.batch([call]),
        lambda call: client.batch([call], halt=True),
    ):
        with pytest.raises(Bitrix24InputError, match="is empty"):
            act(call)
    (outcome,) = client.bulk([call])
    assert "is empty" in str(outcome.error)
