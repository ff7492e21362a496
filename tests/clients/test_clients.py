"""Clients that others wrote find in the sandbox what they were written for: a portal."""

import contextlib
from dataclasses import dataclass, field

import pytest

from airflow_provider_b24.sandbox import Bucket, Operating, PortalServer, seeded_portal
from airflow_provider_b24.sandbox.http.seed import (
    DEMO_CLIENT_ID,
    DEMO_CLIENT_SECRET,
    NO_SCOPE_CODE,
    READ_ONLY_CODE,
)
from tests.benchmarks.environments import NoEnvironment
from tests.clients.peers import DRIVEN, Peer
from tests.rest.networks import make_certificate

pytestmark = pytest.mark.slow

ROWS = 120
CODE = "clients0code"
SCOPE = ("crm", "im", "task", "user", "department", "telephony")
CONTACT = 82  # bound to company 27
GET = "crm.contact.company.items.get"
APP = {"client_id": DEMO_CLIENT_ID, "client_secret": DEMO_CLIENT_SECRET}


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"), "portal", "IP:127.0.0.1", "DNS:localhost")


@pytest.fixture(scope="module", params=DRIVEN, ids=lambda driver: driver.name)
def peer(request, certificate):
    try:
        peer = Peer(request.param, certificate[0])
    except NoEnvironment as reason:
        pytest.skip(f"{request.param.name}: {reason}")
    yield peer
    peer.close()


@dataclass(frozen=True)
class Served:
    """A portal, and how a driver is told to call it."""

    portal: object
    url: str

    def webhook(self, user=1, code=CODE):
        host = self.url.removeprefix("https://").rstrip("/")
        return {"url": self.url, "host": host, "user": user, "code": code}


@pytest.fixture
def serve(certificate):
    """Serves a seeded portal with options over TLS, since two of the clients know no other way."""
    with contextlib.ExitStack() as servers:

        def start(**options):
            portal = seeded_portal(**options)
            portal.add_webhook(1, CODE, scope=SCOPE)
            server = servers.enter_context(PortalServer(portal, "127.0.0.1", 0, *certificate))
            return Served(portal, server.url)

        yield start


def can(peer, operation):
    if operation not in peer.operations:
        pytest.skip(f"{peer.name} has no such operation")


def table(rows):
    return [(int(row["COMPANY_ID"]), int(row["SORT"]), row["IS_PRIMARY"]) for row in rows]


def test_the_six_methods_of_a_contacts_companies(peer, serve):
    portal = serve().webhook()

    def call(method, **params):
        return peer.call(portal, f"crm.contact.company.{method}", params)

    assert {*call("fields")} == {"COMPANY_ID", "SORT", "IS_PRIMARY"}
    assert call("fields")["COMPANY_ID"]["isRequired"] is True
    assert table(call("items.get", id=CONTACT)) == [(27, 10, "Y")]
    items = [{"COMPANY_ID": 8, "SORT": 5}, {"COMPANY_ID": 31, "SORT": 7, "IS_PRIMARY": "Y"}]
    assert call("items.set", id=CONTACT, items=items) is True
    assert table(call("items.get", id=CONTACT)) == [(8, 5, "N"), (31, 7, "Y")]
    assert call("add", id=CONTACT, fields={"COMPANY_ID": 40}) is True
    assert call("add", id=CONTACT, fields={"COMPANY_ID": 40}) is False
    assert call("delete", id=CONTACT, fields={"COMPANY_ID": 31}) is True
    assert call("delete", id=CONTACT, fields={"COMPANY_ID": 31}) is False
    assert table(call("items.get", id=CONTACT)) == [(8, 5, "Y"), (40, 17, "N")]
    assert call("items.delete", id=CONTACT) is True
    assert call("items.get", id=CONTACT) == []


def test_more_commands_than_one_batch_holds(peer, serve):
    served = serve(contacts=ROWS)
    commands = [["crm.contact.get", {"id": number}] for number in range(1, ROWS + 1)]
    operation = "long_batch" if "long_batch" in peer.operations else "batch"

    answers = peer.ask(operation, served.webhook(), commands=commands)["answers"]

    read = [int(one["result"]["ID"]) for one in answers]
    # fast_bitrix24 sends its batches at once and returns their results as they come in.
    assert (sorted(read) if peer.name == "fast-bitrix24" else read) == list(range(1, ROWS + 1))
    assert [entry.method for entry in served.portal.journal] == ["batch"] * 3


MISSING = ["crm.contact.get", {"id": 999_999}]
MIXED = [["crm.contact.get", {"id": CONTACT}], MISSING, ["crm.contact.get", {"id": 83}]]


def test_one_command_of_a_batch_fails(peer, serve):
    portal = serve().webhook()

    answer = peer.ask("batch", portal, commands=MIXED)

    if peer.name in {"fast-bitrix24", "2bad-bitrix"}:
        assert "Not found" in answer["raised"] or "errors in 1 commands" in answer["raised"]
        return
    first, second, third = answer["answers"]
    assert (first["result"]["ID"], third["result"]["ID"]) == ("82", "83")
    if peer.name != "b24jssdk":  # the empty code of this error counts as success there
        assert (second["error"]["code"], second["error"]["text"]) == ("", "Not found")


def test_a_batch_carries_nested_parameters(peer, serve):
    """Each client encodes them in its own way."""
    served = serve(contacts=2)
    items = [{"COMPANY_ID": 8, "SORT": 5}, {"COMPANY_ID": 31, "SORT": 7, "IS_PRIMARY": "Y"}]
    commands = [
        ["crm.contact.company.items.set", {"id": number, "items": items}] for number in (CONTACT, 1, 2)
    ]

    answers = peer.ask("batch", served.webhook(), commands=commands)["answers"]

    assert answers == [{"result": True}] * 3
    for number in (CONTACT, 1, 2):
        assert table(served.portal.bindings(number)) == [(8, 5, "N"), (31, 7, "Y")]


def test_a_filter_reaches_the_portal(peer, serve):
    can(peer, "call")
    served = serve(contacts=ROWS)
    wanted = [5, 17, 118]
    params = {"filter": {"@ID": wanted, ">ID": 5}, "order": {"ID": "DESC"}, "select": ["ID", "NAME"]}

    rows = peer.call(served.webhook(), "crm.contact.list", params)

    assert [int(row["ID"]) for row in rows] == [118, 17]
    assert {*rows[0]} == {"ID", "NAME"}


@dataclass(frozen=True)
class Listed:
    """A list method: where its rows are, and the names of the id in a row and in an order."""

    method: str
    params: dict = field(default_factory=dict)
    table: str = ""
    wrap: str = ""
    key: str = "ID"
    order: str = "ID"
    text_ids: bool = True
    by_id: bool = True
    """Whether the documented method sorts and filters by id as the others do."""

    def __str__(self):
        return self.method + "".join(f"-{value}" for value in self.params.values())


def items(type_id, table):
    return Listed("crm.item.list", {"entityTypeId": type_id}, table, "items", "id", "id", text_ids=False)


LISTS = [
    Listed("crm.contact.list", table="contact"),
    Listed("crm.company.list", table="company"),
    Listed("crm.deal.list", table="deal"),
    Listed("crm.lead.list", table="lead"),
    Listed("crm.quote.list", table="quote"),
    items(2, "deal"),
    items(3, "contact"),
    items(128, "dynamic_128"),
    Listed("tasks.task.list", table="task", wrap="tasks", key="id"),
    Listed("user.get", table="user", by_id=False),
    Listed("department.get", table="department", by_id=False),
    Listed("voximplant.statistic.get", table="call", by_id=False),
    Listed("crm.stagehistory.list", {"entityTypeId": 2}, "stage_change", "items", text_ids=False),
]


def fill(served):
    served.portal.add_smart_process(128, "Deliveries")
    for listed in LISTS:
        records = served.portal.state.table(listed.table)
        records.generate(ROWS, 0)


def ids(portal, listed):
    return sorted(portal.state.table(listed.table).ids())


@pytest.mark.parametrize("operation", ["rows", "rows_by_id"])
def test_lists_are_read_whole(peer, serve, operation):
    can(peer, operation)
    served = serve()
    fill(served)
    wrong = {}
    for listed in LISTS:
        if (operation == "rows_by_id" and not listed.by_id) or (peer.name == "2bad-bitrix" and listed.wrap):
            continue
        names = ("method", "params", "wrap", "key", "order", "text_ids")
        answer = peer.ask(operation, served.webhook(), **{name: getattr(listed, name) for name in names})
        read = sorted(int(row[listed.key]) for row in answer.get("rows", []))
        if read != ids(served.portal, listed):
            wrong[str(listed)] = answer if "rows" not in answer else len(read)
    assert wrong == {}


def test_statuses_come_in_one_piece(peer, serve):
    operation = "rows" if "rows" in peer.operations else "rows_by_id"
    portal = serve().webhook()
    names = {"wrap": "", "key": "ID", "order": "ID", "text_ids": True}

    found = peer.ask(operation, portal, method="crm.status.list", params={}, **names)["rows"]

    assert len(found) == len({row["ID"] for row in found}) > 30
    assert {"ENTITY_ID", "STATUS_ID", "NAME"} <= {*found[0]}


REFUSALS = {
    "no such record": (1, CODE, *MISSING, (400, "", "Not found")),
    "no such method": (1, CODE, "crm.nothing", {}, (404, "ERROR_METHOD_NOT_FOUND", "Method not found!")),
    "permission": (
        7,
        READ_ONLY_CODE,
        "crm.contact.company.items.set",
        {"id": CONTACT, "items": [{"COMPANY_ID": 8}]},
        (403, "ACCESS_DENIED", "Access denied!"),
    ),
    "scope": (
        9,
        NO_SCOPE_CODE,
        GET,
        {"id": CONTACT},
        (
            401,
            "insufficient_scope",
            "The request requires higher privileges than provided by the webhook token",
        ),
    ),
    "wrong code": (
        1,
        "wrong0code",
        GET,
        {"id": 1},
        (401, "INVALID_CREDENTIALS", "Invalid request credentials"),
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(peer, serve, case):
    user, code, method, params, expected = REFUSALS[case]
    portal = serve().webhook(user, code)

    answer = peer.call(portal, method, params, once=True)

    error = answer["error"]
    if peer.name == "fast-bitrix24":
        assert error["status"] == expected[0]
    elif peer.name == "b24jssdk":
        assert expected[2] in error["text"] or error["status"] == expected[0]
    else:
        assert (error["status"], error["code"], error["text"]) == expected


def test_a_full_bucket_is_waited_for(peer, serve):
    served = serve(bucket=Bucket(level=50, drain=2.0))

    assert peer.call(served.webhook(), "profile")["ID"] == "1"

    assert served.portal.refused >= 1


def test_a_method_that_used_up_its_time_is_refused_and_others_are_not(peer, serve):
    served = serve(operating=Operating(limit=1, cost={GET: 2}))
    portal = served.webhook()

    assert table(peer.call(portal, GET, {"id": CONTACT})) == [(27, 10, "Y")]
    error = peer.call(portal, GET, {"id": CONTACT}, once=True)["error"]
    assert peer.call(portal, "profile")["ID"] == "1"

    assert error["status"] == 429
    if peer.name != "fast-bitrix24":
        assert error["code"] == "OPERATION_TIME_LIMIT"


def tokens(portal, lifetime=3600.0):
    portal.token_lifetime = lifetime
    try:
        return dict(zip(("access_token", "refresh_token"), portal.issue_tokens(DEMO_CLIENT_ID), strict=True))
    finally:
        portal.token_lifetime = 3600.0


def test_an_expired_token_is_refreshed_once(peer, serve):
    can(peer, "refresh")
    served = serve()
    old = tokens(served.portal, lifetime=0.0)

    answer = peer.ask("refresh", served.webhook(), app=APP, **old)

    assert answer["result"]["ID"] == "1"
    assert served.portal.refreshes == 1
    assert {answer["access_token"], answer["refresh_token"]} <= served.portal.apps.tokens
    assert not {answer["access_token"], answer["refresh_token"]} & {*old.values()}


def test_a_code_is_exchanged_for_tokens(peer, serve):
    can(peer, "exchange")
    served = serve()
    code = served.portal.issue_code(DEMO_CLIENT_ID)

    answer = peer.ask("exchange", served.webhook(), app=APP, code=code)

    assert {answer["access_token"], answer["refresh_token"]} <= served.portal.apps.tokens
    assert (answer["expires_in"], answer["user_id"]) == (3600, 1)
    assert "raised" in peer.ask("exchange", served.webhook(), app=APP, code=code)


def test_a_token_in_the_address(peer, serve):
    can(peer, "by_token")
    served = serve()

    answer = peer.ask("by_token", served.webhook(), **tokens(served.portal))
    late = peer.ask("by_token", served.webhook(), **tokens(served.portal, lifetime=0.0))

    assert answer["result"]["ID"] == "1"
    assert (late["error"]["status"], late["error"]["code"]) == (401, "expired_token")
