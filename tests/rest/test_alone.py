"""Calls that a batch cannot carry are sent alone, in their place, counted and repeated as all others."""

import pytest

from airflow_provider_b24.crm.bindings import CompanyBinding
from airflow_provider_b24.crm.contact_company import add_company, set_companies
from airflow_provider_b24.errors import (
    Bitrix24AuthError,
    Bitrix24InputError,
    Bitrix24NotFoundError,
    Bitrix24OperatingLimitError,
    Bitrix24RateLimitError,
)
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.limits.bucket import PLANS, Bucket, MemoryStore
from airflow_provider_b24.rest.references import Ref
from airflow_provider_b24.sandbox import Bucket as PortalBucket
from airflow_provider_b24.sandbox import Fault, Operating

UPDATE = "crm.contact.update"
TEXT = "US$total[1] due"


def alone(contact, text=TEXT, **options):
    """A call that goes alone, as the portal would take its text for a reference."""
    return Call(UPDATE, {"id": contact, "fields": {"COMMENTS": text}}, **options)


def get(contact):
    return Call("crm.contact.get", {"id": contact})


def to_set(contact, company=8):
    return set_companies(contact, [CompanyBinding(company)])


def requested(portal):
    return [entry.method for entry in portal.journal]


# In the order of the input


def test_what_fits_in_one_request_runs_in_order_also_where_some_of_it_goes_alone(client, portal):
    calls = [get(82), alone(82), get(82), get(83), alone(83, "$result[0]"), alone(84), get(83)]
    outcomes = client.batch(calls)
    assert [outcome.call for outcome in outcomes] == calls
    assert all(outcome.ok for outcome in outcomes)
    assert [outcomes[index].result["COMMENTS"] for index in (0, 2, 6)] == [None, TEXT, "$result[0]"]
    assert requested(portal) == ["batch", UPDATE, "batch", UPDATE, UPDATE, "batch"]


def test_calls_that_are_repeated_keep_their_place(client, portal):
    portal.add_fault(Fault("html_503", every=2))
    outcomes = client.batch([get(82), alone(82, repeatable=True), get(82)])
    assert outcomes[2].result["COMMENTS"] == TEXT


def test_a_long_run_fills_its_batches_around_the_calls_that_go_alone(client, portal):
    calls = [alone(number) if number % 20 == 0 else get(number) for number in range(1, 401)]
    outcomes = client.batch(calls)
    assert [outcome.call for outcome in outcomes] == calls
    assert all(outcome.ok for outcome in outcomes)
    assert requested(portal).count(UPDATE) == 20
    assert requested(portal).count("batch") <= 9
    assert portal.executed[UPDATE] == 20


def test_any_iterable_of_calls_that_go_alone(client, portal):
    outcomes = list(client.bulk(alone(number) for number in range(1, 61)))
    assert all(outcome.ok for outcome in outcomes)
    assert portal.requests == 60


def test_a_call_that_goes_alone_and_fails_is_an_outcome(client, portal):
    outcomes = client.batch([get(82), alone(5000), get(83)])
    assert [outcome.status for outcome in outcomes] == ["success", "failure", "success"]
    assert outcomes[1].error.description == "Contact is not found"
    lists = client.batch([Call("crm.deal.list", {"select": []}), Call("no.such.list", {"select": []})])
    assert (lists[0].ok, lists[0].total) == (True, 0)
    assert lists[1].error.code == "ERROR_METHOD_NOT_FOUND"


def test_halt_counts_calls_that_go_alone(client, portal):
    outcomes = client.batch([get(82), alone(82), alone(5000), get(83), alone(84)], halt=True)
    assert [outcome.status for outcome in outcomes] == ["success", "success", "failure", "skipped", "skipped"]
    assert requested(portal) == ["batch", UPDATE, UPDATE]


def test_a_failure_before_it_keeps_a_call_that_goes_alone_from_being_sent(client, portal):
    outcomes = client.batch([get(5000), alone(82)], halt=True)
    assert [outcome.status for outcome in outcomes] == ["failure", "skipped"]
    assert portal.requests == 1


# References


def test_references_into_and_out_of_a_call_that_goes_alone(client, portal):
    calls = [
        Call("crm.contact.add", {"fields": {"NAME": "Ann"}}),
        Call("crm.contact.add", {"fields": {"NAME": Ref(0), "COMMENTS": TEXT}}),
        get(Ref(1)),
        Call(UPDATE, {"id": Ref(1), "fields": {"NAME": "Eve", "COMMENTS": ""}}),
        get(Ref(1)),
    ]
    outcomes = client.batch(calls)
    assert [outcome.call for outcome in outcomes] == calls
    assert all(outcome.ok for outcome in outcomes), outcomes
    first, second = outcomes[0].result, outcomes[1].result
    assert (outcomes[2].result["NAME"], outcomes[2].result["COMMENTS"]) == (str(first), TEXT)
    assert (outcomes[4].result["ID"], outcomes[4].result["NAME"]) == (str(second), "Eve")
    assert requested(portal) == ["batch", "crm.contact.add", "batch"]


def test_a_result_that_a_batch_cannot_carry_sends_the_call_that_refers_to_it_alone(client, portal):
    portal.state.update("contact", 82, {"COMMENTS": TEXT})
    outcomes = client.batch([get(82), Call(UPDATE, {"id": 83, "fields": {"COMMENTS": Ref(0, "COMMENTS")}})])
    assert all(outcome.ok for outcome in outcomes)
    assert portal.contact(83)["COMMENTS"] == TEXT
    assert requested(portal) == ["batch", UPDATE]


def test_the_id_of_what_is_added_is_used_in_the_same_request(client, portal):
    pairs = [
        (
            Call("crm.item.add", {"entityTypeId": 4, "fields": {"title": f"Company {number}"}}),
            Call(
                "crm.item.add",
                {
                    "entityTypeId": 3,
                    "fields": {"name": "Ann", "companyIds": [Ref(2 * number, "item", "id")]},
                },
            ),
        )
        for number in range(25)
    ]
    outcomes = client.batch([call for pair in pairs for call in pair])
    assert all(outcome.ok for outcome in outcomes)
    ids = [outcome.result["item"] for outcome in outcomes]
    for company, contact in zip(ids[::2], ids[1::2], strict=True):
        assert contact["companyIds"] == [company["id"]]
    assert portal.requests == 1


def test_a_wrong_path_changes_no_other_record(client, portal):
    """The portal would put in the whole record, of which PHP makes the id 1."""
    before = portal.contact(1)
    outcomes = client.batch([get(82), Call(UPDATE, {"id": Ref(0, "id"), "fields": {"NAME": "Eve"}})])
    assert [outcome.status for outcome in outcomes] == ["success", "failure"]
    assert "$result[0][id]" in str(outcomes[1].error)
    assert portal.contact(1) == before


@pytest.mark.parametrize("position", [1, 2, 7])
def test_a_reference_to_no_earlier_call_is_refused_before_anything_is_sent(client, portal, position):
    with pytest.raises(Bitrix24InputError, match=rf"calls\[1\] contains \$result\[{position}\]"):
        client.batch([get(82), get(Ref(position)), get(83)])
    assert portal.requests == 0


def test_a_reference_without_an_ordered_batch_is_an_error_of_that_call(client, portal):
    outcomes = list(client.bulk([get(82), get(Ref(0, "ID"))]))
    assert [outcome.status for outcome in outcomes] == ["success", "failure"]
    with pytest.raises(Bitrix24InputError, match="only an ordered batch"):
        client.perform(get(Ref(0)))


# What a batch accepts


def test_a_call_may_be_a_mapping(client):
    first, second = client.batch([{"method": "profile"}, {"method": "crm.contact.get", "params": {"id": 82}}])
    assert (first.result["ID"], second.result["ID"]) == ("1", "82")


@pytest.mark.parametrize(
    "call",
    [
        None,
        "profile",
        ["profile", {}],
        {},
        {"method": "a b"},
        {"method": "profile", "id": 1},
        {"method": "profile", "params": []},
    ],
)
def test_what_is_no_call_is_refused_by_its_position(client, portal, call):
    with pytest.raises(Bitrix24InputError, match=r"calls\[1\]"):
        client.batch([{"method": "profile"}, call])
    assert portal.requests == 0


# Limits, failures, lost answers


@pytest.mark.parametrize("halt", [False, True])
@pytest.mark.parametrize("kind", ["query_limit", "html_503", "html_413"])
def test_a_refusal_of_a_call_that_goes_alone_is_repeated(client, portal, kind, halt):
    portal.add_fault(Fault(kind, method=UPDATE, times=2 if kind != "html_413" else 0))
    outcomes = client.batch([get(82), alone(82, repeatable=True), get(82)], halt=halt)
    assert all(outcome.ok for outcome in outcomes)
    assert outcomes[2].result["COMMENTS"] == TEXT


@pytest.mark.parametrize("halt", [False, True])
def test_a_lost_answer_to_a_call_that_goes_alone_is_unknown(client, portal, halt):
    portal.add_fault(Fault("reset", method=UPDATE, after=True, times=1))
    outcomes = client.batch([get(82), alone(82), get(82)], halt=halt)
    assert outcomes[1].status == "unknown"
    assert portal.executed[UPDATE] == 1


def test_a_call_that_goes_alone_is_verified_by_reading(client, portal):
    add = add_company(82, CompanyBinding(8))
    odd = Call(add.method, {**add.params, "note": TEXT}, verification=add.verification)
    portal.add_fault(Fault("reset", method=add.method, after=True, times=1))
    (outcome,) = client.batch([odd])
    assert (outcome.status, outcome.result) == ("success", True)
    assert portal.executed[add.method] == 1


def test_a_request_that_is_too_large_fails_alone(client, portal):
    portal.add_fault(Fault("html_413", method=UPDATE))
    outcomes = client.batch([get(82), alone(82), get(83)])
    assert [outcome.status for outcome in outcomes] == ["success", "failure", "success"]


@pytest.mark.parametrize("count", [10, 200])
@pytest.mark.parametrize("halt", [False, True])
def test_the_operating_time_of_calls_that_go_alone_is_waited_for(client, portal, clock, count, halt):
    portal.operating = Operating(limit=20.0, window=600.0, cost={UPDATE: 3.0})
    started = clock.now()
    outcomes = client.batch([alone(number) for number in range(1, count + 1)], halt=halt)
    assert all(outcome.ok for outcome in outcomes)
    assert [portal.contact(number)["COMMENTS"] for number in range(1, count + 1)] == [TEXT] * count
    assert 600 <= clock.now() - started <= 700 * (count // 6 + 1)


def test_a_long_wait_for_operating_time_is_handed_to_the_caller(make_client, portal, clock):
    portal.operating = Operating(limit=20.0, window=600.0, cost={UPDATE: 3.0})
    outcomes = make_client(max_wait=60.0).batch([get(82), *(alone(number) for number in range(1, 40))])
    assert outcomes[-1].status == "skipped"
    assert isinstance(outcomes[-1].error, Bitrix24OperatingLimitError)
    assert outcomes[-1].error.retry_at.timestamp() > clock.now() + 60


def test_the_bucket_counts_requests_of_one_call(make_client, portal, clock):
    portal.bucket = PortalBucket()
    client = make_client(bucket=Bucket(PLANS["standard"], MemoryStore(), clock))
    outcomes = client.batch([alone(number) for number in range(1, 201)])
    assert all(outcome.ok for outcome in outcomes)
    assert client.refusals == 0


def test_no_more_requests_than_allowed_are_in_flight(make_client, portal):
    most = 0
    handle = portal.handle

    def counting(*args, **keywords):
        nonlocal most
        most = max(most, client._exchange.ledger._methods[UPDATE].under_way)
        return handle(*args, **keywords)

    portal.handle = counting
    client = make_client(max_parallel=3)
    assert all(outcome.ok for outcome in client.bulk(alone(number) for number in range(1, 101)))
    assert most <= 3


def test_a_scope_that_is_missing_for_one_method_does_not_end_the_run(make_client, portal):
    portal.add_webhook(1, "another0code0of0the0webhook", scope=("im",))
    client = make_client(code="another0code0of0the0webhook")
    outcomes = client.batch([Call("profile"), alone(82), Call("profile")])
    assert [outcome.status for outcome in outcomes] == ["success", "failure", "success"]
    assert isinstance(outcomes[1].error, Bitrix24AuthError)


def test_wrong_credentials_end_a_run_of_calls_that_go_alone(make_client, portal):
    outcomes = make_client(code="wrong").batch([alone(number) for number in range(1, 301)])
    assert outcomes[-1].status == "skipped"
    assert isinstance(outcomes[-1].error, Bitrix24AuthError)
    assert portal.requests <= 4


def test_a_portal_that_stays_away_ends_a_run_of_calls_that_go_alone(make_client, portal):
    portal.add_fault(Fault("query_limit", every=1))
    outcomes = make_client(retry_timeout=30.0).batch([alone(number) for number in range(1, 301)])
    assert {outcome.status for outcome in outcomes} == {"skipped"}
    assert isinstance(outcomes[-1].error, Bitrix24RateLimitError)
    assert portal.executed[UPDATE] == 0


def test_an_error_that_only_one_call_causes_is_its_own(client, portal):
    missing = Call("crm.contact.get", {"id": 5000, "note": TEXT})
    outcomes = client.batch([missing, *(to_set(number) for number in range(1, 101))])
    assert isinstance(outcomes[0].error, Bitrix24NotFoundError)
    assert all(outcome.ok for outcome in outcomes[1:])
