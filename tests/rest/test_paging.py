"""Lists of the imitation portal: every row once, in order, with as few requests as the portal allows."""

import random
import time

import pytest

from airflow_provider_b24.errors import Bitrix24InputError, Bitrix24OperatingLimitError
from airflow_provider_b24.rest import flights
from airflow_provider_b24.rest.auth.application import OAuthAuth
from airflow_provider_b24.rest.auth.tokens import MemoryTokenStore
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.clock import SystemClock
from airflow_provider_b24.rest.config import OAuthApp, PortalConfig
from airflow_provider_b24.rest.limits.bucket import PLANS, Bucket, MemoryStore
from airflow_provider_b24.rest.transport import Transport
from airflow_provider_b24.sandbox import Fault, Operating, Portal
from tests.rest.conftest import CODE, PortalAdapter

SIZES = [0, 1, 49, 50, 51, 99, 2_500, 2_501, 7_777]
LISTS = [
    pytest.param("crm.contact.list", {"select": ["ID", "NAME"]}, "ID", id="contacts"),
    pytest.param("crm.item.list", {"entityTypeId": 3, "select": ["id", "name"]}, "id", id="items"),
    pytest.param("crm.contact.list", {"select": ["ID"], "order": {"ID": "DESC"}}, "ID", id="by offset"),
]


@pytest.fixture
def make_portal(clock):
    def make(contacts: int) -> Portal:
        portal = Portal(clock=clock.now, sleep=clock.sleep)
        portal.add_webhook(user_id=1, code=CODE)
        portal.add_generated(contacts=contacts)
        return portal

    return make


@pytest.fixture
def read(make_client, clock):
    """Read a list of a portal and return the ids of its rows."""

    def read(portal, method, params, key="ID", **keywords):
        webhook_client = make_client(portal=portal, **keywords)
        return [int(row[key]) for row in webhook_client.pages(method, params)]

    return read


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("method", "params", "key"), LISTS)
def test_every_row_comes_once(make_portal, read, method, params, key, size):
    ids = read(make_portal(size), method, params, key)
    assert (sorted(ids) if "order" in params else ids) == list(range(1, size + 1))


@pytest.mark.parametrize(
    ("size", "most"),
    [(0, 1), (3, 1), (49, 1), (50, 2), (51, 2), (100, 4), (2_450, 51), (2_500, 51), (2_501, 51)],
)
def test_a_list_costs_no_more_commands_than_it_has_pages_and_one_to_compare(make_portal, read, size, most):
    portal = make_portal(size)
    read(portal, "crm.contact.list", {})
    assert portal.executed["crm.contact.list"] <= most


def test_a_hundred_thousand_rows_take_41_requests(make_portal, read):
    portal = make_portal(100_000)
    assert read(portal, "crm.item.list", {"entityTypeId": 3, "select": ["id"]}, "id") == list(
        range(1, 100_001)
    )
    assert portal.requests == 41


@pytest.mark.parametrize("kept", [1, 7, flights.WRITTEN])
def test_the_links_of_a_chain_are_the_same_however_few_of_them_are_kept(make_portal, read, monkeypatch, kept):
    monkeypatch.setattr(flights, "WRITTEN", kept)
    portal = make_portal(25_000)
    assert read(portal, "crm.contact.list", {"select": ["ID"]}) == list(range(1, 25_001))
    assert portal.requests == 11


def test_gaps_between_ids_and_deleted_rows_do_not_matter(make_portal, read):
    portal = make_portal(0)
    ids = [*range(5, 3_000, 7), *range(1_000_000, 1_000_900), 2_000_000_000]
    for contact_id in ids:
        portal.add_contact(contact_id)
    assert read(portal, "crm.contact.list", {}) == ids


FAULTS = [
    Fault("reset", every=3),
    Fault("reset", every=3, after=True),
    Fault("html_502", every=3),
    Fault("truncated", every=3),
    Fault("truncated", every=3, after=True),
    Fault("query_limit", every=3),
    Fault("time_limit", every=3),
    Fault("server_error", every=3),
    Fault("hang", every=3, after=True),
    Fault("not_json", every=3),
    Fault("time_limit", every=3, per_command=True),
    Fault("server_error", every=41, per_command=True),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: f"{one.kind}-{one.after:d}{one.per_command:d}")
@pytest.mark.parametrize("size", [51, 2_501])
@pytest.mark.parametrize(("method", "params", "key"), LISTS)
def test_no_row_is_lost_or_doubled_when_every_third_request_fails(
    make_portal, read, method, params, key, size, fault
):
    portal = make_portal(size)
    portal.faults = [Fault(fault.kind, every=fault.every, after=fault.after, per_command=fault.per_command)]
    ids = read(portal, method, params, key)
    assert (sorted(ids) if "order" in params else ids) == list(range(1, size + 1))


@pytest.mark.parametrize(("method", "params", "key"), LISTS)
def test_tokens_that_expire_every_third_request_lose_nothing(
    make_portal, clock, tmp_path, method, params, key
):
    portal = make_portal(7_777)
    portal.add_app("local.app", "canary0secret")
    access, refresh = portal.issue_tokens("local.app")
    portal.faults = [Fault("expired_token", every=3, method=method)]
    app = OAuthApp("local.app", "canary0secret", access, refresh, server="https://portal.example")
    transport = Transport(PortalConfig("https://portal.example", app), adapter=PortalAdapter(portal))
    auth = OAuthAuth(
        app,
        transport.post_form,
        MemoryTokenStore(),
        on_new_secret=lambda secret: None,
        clock=clock,
        lock_folder=tmp_path,
    )
    ids = [int(row[key]) for row in Client(transport, auth, clock=clock).pages(method, params)]
    assert (sorted(ids) if "order" in params else ids) == list(range(1, 7_778))


def test_the_request_bucket_is_kept(make_portal, read, clock):
    portal = make_portal(200_000)
    bucket = Bucket(PLANS["standard"], MemoryStore(), clock)
    assert len(read(portal, "crm.contact.list", {"select": ["ID"]}, bucket=bucket)) == 200_000
    assert portal.refused == 0
    assert sum(clock.slept) <= (portal.requests - 49) / 2


def test_a_wait_for_operating_time_that_is_too_long_ends_the_read(make_portal, read):
    portal = make_portal(20_000)
    portal.operating = Operating(limit=48, default_cost=1.0)
    with pytest.raises(Bitrix24OperatingLimitError) as caught:
        read(portal, "crm.contact.list", {}, max_wait=60.0)
    assert caught.value.retry_at is not None


def test_operating_time_is_waited_for(make_portal, read, clock):
    portal = make_portal(7_777)
    portal.operating = Operating(limit=48, default_cost=1.0)
    assert read(portal, "crm.contact.list", {}) == list(range(1, 7_778))
    assert sum(clock.slept) < 4 * 600


def test_a_slow_server_works_on_several_ranges_at_once(make_client):
    working: list[int] = []
    most = 0

    def work(seconds):
        nonlocal most
        working.append(1)
        most = max(most, len(working))
        time.sleep(seconds)
        working.pop()

    portal = Portal(sleep=work)
    portal.add_webhook(user_id=1, code=CODE)
    portal.add_generated(contacts=20_000)
    portal.command_latency = 0.01  # 400 pages, one after another: 4 seconds
    client = make_client(portal=portal, clock=SystemClock())
    ids = [int(row["ID"]) for row in client.pages("crm.contact.list", {"select": ["ID"]})]
    assert most == 4
    assert ids == list(range(1, 20_001))
    assert portal.executed["crm.contact.list"] <= 410


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: f"{one.kind}-{one.after:d}{one.per_command:d}")
def test_ranges_lose_no_row_to_faults_or_to_gaps_between_ids(make_portal, read, fault):
    ids = [*range(3, 6_000), *range(900_000, 940_000, 8), *range(5_000_000, 5_003_000)]
    portal = make_portal(0)
    for contact_id in ids:
        portal.add_contact(contact_id)
    portal.command_latency = 0.05
    portal.faults = [Fault(fault.kind, every=fault.every, after=fault.after, per_command=fault.per_command)]
    assert read(portal, "crm.contact.list", {"select": ["ID"]}) == ids


def test_one_request_stays_under_thirty_seconds_of_the_server(make_portal, read, clock):
    portal = make_portal(7_777)
    portal.command_latency = 2.0
    portal.on_request = lambda entry: sizes.append(len(entry.commands or []))
    sizes: list[int] = []
    read(portal, "crm.contact.list", {}, max_parallel=1)
    assert max(sizes) <= 15


def test_reading_goes_on_after_an_id(make_portal, make_client):
    client = make_client(portal=make_portal(300))
    rows = client.pages("crm.item.list", {"entityTypeId": 3, "filter": {"<id": 290}}, after=120)
    assert [row["id"] for row in rows] == list(range(121, 290))


def test_only_a_list_read_by_id_can_go_on_after_one(client):
    with pytest.raises(Bitrix24InputError, match="cannot be resumed"):
        client.pages("crm.contact.list", {"order": {"NAME": "ASC"}}, after=120)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("crm.contact.list", {"select": ["NAME"]}),
        ("crm.contact.list", {"SELECT": ["NAME"]}),
        ("crm.contact.list", {"select": ["NAME"], "order": {"ID": "DESC"}}),
    ],
)
def test_an_id_that_was_not_selected_is_not_in_the_rows(client, method, params):
    rows = list(client.pages(method, params))
    assert len(rows) == 1000
    assert {tuple(row) for row in rows} == {("NAME",)}


@pytest.mark.parametrize(
    ("filter_", "ids"),
    [
        ({">ID": 120}, range(121, 1001)),
        ({">ID": 120, "<=ID": 400}, range(121, 401)),
        ({">=ID": 120, "<ID": 400}, range(120, 400)),
        ({"@ID": [7, 900, 5000]}, [7, 900]),
    ],
)
def test_conditions_on_the_id_are_kept(client, filter_, ids):
    assert [int(row["ID"]) for row in client.pages("crm.contact.list", {"filter": filter_})] == list(ids)


@pytest.mark.parametrize("start", [0, -1, "0", "-1", None])
def test_a_start_that_means_the_whole_list_is_accepted(client, start):
    assert len(list(client.pages("crm.contact.list", {"start": start}))) == 1000


@pytest.mark.parametrize("start", [50, "50", 1, -2, True])
def test_a_start_that_would_skip_rows_is_refused(client, portal, start):
    with pytest.raises(Bitrix24InputError, match="would skip rows"):
        client.pages("crm.contact.list", {"start": start})
    assert portal.requests == 0


def test_rows_that_come_and_go_meanwhile_make_no_other_row_be_lost(make_portal, make_client):
    portal = make_portal(3_000)
    rows = make_client(portal=portal).pages("crm.contact.list", {})
    ids = []
    for row in rows:
        ids.append(int(row["ID"]))
        if len(ids) % 100 == 0:
            portal.delete_contact(len(ids) // 2)
            portal.delete_contact(len(ids) + 1_000)
            portal.add_contact()
    assert ids == sorted(set(ids))
    assert {one for one in range(1, 3_001) if one in portal.contacts} <= set(ids)


@pytest.mark.parametrize("seed", range(4))
def test_rows_that_come_into_the_filter_push_no_other_row_out_of_a_range(clock, make_client, seed):
    rng = random.Random(seed)  # noqa: S311 - a schedule, not a secret
    portal = Portal(clock=clock.now, sleep=clock.sleep)
    portal.add_webhook(user_id=1, code=CODE)
    portal.add_generated(deal=20_000)
    for number in range(1, 20_001, 2):
        portal.update_record("deal", number, STAGE_ID="WON")
    portal.command_latency = 0.05  # so slow that ranges are read side by side

    def win_more(entry):
        for _ in range(rng.randint(0, 60)):
            portal.update_record("deal", 2 * rng.randint(1, 10_000), STAGE_ID="WON")

    portal.on_request = win_more
    params = {"entityTypeId": 2, "select": ["id"], "filter": {"stageId": "WON"}}
    ids = [row["id"] for row in make_client(portal=portal).pages("crm.item.list", params)]
    assert ids == sorted(set(ids))
    assert set(range(1, 20_001, 2)) - set(ids) == set()
