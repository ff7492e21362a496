import os
import select
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_b24.crm.bindings import CompanyBinding
from airflow_provider_b24.crm.contact_company import add_company, set_companies
from airflow_provider_b24.errors import Bitrix24OperatingLimitError, Bitrix24TransportError
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.limits.bucket import PLANS, Bucket, MemoryStore
from airflow_provider_b24.sandbox import Bucket as PortalBucket
from airflow_provider_b24.sandbox import Fault, Operating

SET = "crm.contact.company.items.set"


def to_set(contact, company=8):
    return set_companies(contact, [CompanyBinding(company)])


def many(count, company=8):
    return (to_set(contact, company) for contact in range(1, count + 1))


def test_outcomes_come_in_input_order_and_each_write_once(client, portal):
    outcomes = list(client.bulk(many(1000)))
    assert [outcome.call.params["id"] for outcome in outcomes] == list(range(1, 1001))
    assert all(outcome.ok for outcome in outcomes)
    assert portal.requests == 20
    assert set(portal.writes.values()) == {1}


def test_any_iterable_will_do(client):
    assert list(client.bulk([])) == []
    assert [outcome.ok for outcome in client.bulk(iter([to_set(1)]))] == [True]


def test_memory_is_bounded_by_what_is_in_flight(client):
    taken = 0

    def source():
        nonlocal taken
        for contact in range(1, 1_000_001):
            taken += 1
            yield to_set(contact % 1000 + 1)

    outcomes = client.bulk(source())
    next(outcomes)
    assert taken <= 4 * 4 * 50
    outcomes.close()


def test_a_call_that_cannot_be_sent_is_an_outcome_and_nothing_else_is_lost(client, portal):
    outcomes = list(client.bulk([to_set(1), Call("crm.contact.list", {"filter": {"@ID": []}}), to_set(3)]))
    assert [outcome.status for outcome in outcomes] == ["success", "failure", "success"]
    assert "filter[@ID] is empty" in str(outcomes[1].error)


@pytest.mark.parametrize("after", [False, True], ids=["before the effect", "after it"])
@pytest.mark.parametrize(
    "kind", ["reset", "html_502", "html_503", "truncated", "query_limit", "server_error"]
)
def test_faults_on_every_third_request_lose_nothing(client, portal, kind, after):
    portal.add_fault(Fault(kind, every=3, after=after))
    outcomes = list(client.bulk(many(1000)))
    assert all(outcome.ok for outcome in outcomes)
    assert all(portal.bindings(contact) for contact in range(1, 1001))


@pytest.mark.parametrize("after", [False, True], ids=["before the effect", "after it"])
def test_add_is_settled_by_reading_after_a_lost_answer(client, portal, after):
    portal.add_fault(Fault("reset", on=1, after=after))
    calls = [add_company(contact, CompanyBinding(8)) for contact in range(1, 101)]
    outcomes = list(client.bulk(calls))
    assert all(outcome.ok for outcome in outcomes)
    assert portal.executed["crm.contact.company.add"] == 100


def test_calls_that_must_not_be_repeated_are_reported_unknown_and_the_rest_is_repeated(client, portal):
    portal.add_fault(Fault("reset", on=1, after=True))
    calls = [to_set(1), Call("crm.contact.add", {"fields": {"NAME": "Ann"}}), to_set(2)]
    outcomes = list(client.bulk(calls))
    assert [outcome.status for outcome in outcomes] == ["success", "unknown", "success"]
    assert portal.executed["crm.contact.add"] == 1


def test_the_command_that_breaks_every_batch_is_found_and_the_others_are_written(client, portal):
    calls = [to_set(contact) for contact in range(1, 201)]
    calls[77] = Call("crm.item.get", {"entityTypeId": 3, "id": 78})
    portal.add_fault(Fault("html_502", every=1, method="crm.item.get"))
    outcomes = list(client.bulk(calls))
    assert [index for index, outcome in enumerate(outcomes) if not outcome.ok] == [77]
    assert outcomes[77].status == "unknown"
    assert isinstance(outcomes[77].error, Bitrix24TransportError)


def test_a_call_is_not_given_up_after_a_few_tries_while_nothing_else_succeeds(client, portal):
    portal.add_fault(Fault("server_error", every=1, times=6, per_command=True))
    assert [outcome.ok for outcome in client.bulk([to_set(1)])] == [True]


def test_a_portal_that_takes_too_long_for_everything_ends_the_run_and_not_single_calls(client, portal):
    portal.add_fault(Fault("html_504", every=1))
    outcomes = list(client.bulk(many(60)))
    assert all(outcome.ended_run for outcome in outcomes)
    assert {outcome.status for outcome in outcomes} <= {"unknown", "skipped"}


def test_a_call_has_tries_of_its_own_after_its_batches_took_too_long(client, portal):
    portal.add_fault(Fault("html_504", every=1, times=8, method="crm.contact.get"))
    calls = [*many(49), Call("crm.contact.get", {"id": 50}), *many(200)]
    assert all(outcome.ok for outcome in client.bulk(calls))


def test_a_success_that_was_under_way_when_the_portal_went_down_does_not_give_up_single_calls(
    portal, make_client
):
    """The last success arrives after the first failure; the portal is back after more than 12 tries."""
    handle, arrived, lock = portal.handle, 0, threading.Lock()

    def going_down(*args, **keywords):
        nonlocal arrived
        with lock:
            arrived += 1
            number = arrived
        if number == 3:
            portal.add_fault(Fault("html_502", every=1, times=100))
        answer = handle(*args, **keywords)
        if number == 2:
            time.sleep(0.2)  # until the requests after it have failed
        return answer

    portal.handle = going_down
    outcomes = list(make_client(retry_timeout=3600.0).bulk(many(1000)))
    assert [outcome.call.params["id"] for outcome in outcomes if not outcome.ok] == []
    assert arrived > 100


@pytest.mark.parametrize("kind", ["html_502", "server_error"])
def test_the_last_call_alone_fails_and_not_the_run(client, portal, kind):
    portal.add_fault(Fault(kind, every=1, method="crm.item.get", per_command=kind == "server_error"))
    calls = [*many(200), Call("crm.item.get", {"entityTypeId": 3, "id": 78})]
    *outcomes, last = client.bulk(calls)
    assert all(outcome.ok for outcome in outcomes)
    assert (last.ok, last.ended_run) == (False, False)


def test_a_portal_that_stays_away_ends_the_run_with_the_rest_skipped(make_client, portal, clock):
    client = make_client(retry_timeout=30.0)
    portal.add_fault(Fault("query_limit", every=1))
    outcomes = list(client.bulk(many(1000)))
    assert {outcome.status for outcome in outcomes} == {"skipped"}
    assert outcomes[-1].error.temporary
    assert not portal.writes


def test_operating_refusals_are_queued_again_until_all_is_written(client, portal, clock):
    portal.operating = Operating(limit=100.0, window=600.0, cost={SET: 1.0})
    started = clock.now()
    outcomes = list(client.bulk(many(500)))
    assert all(outcome.ok for outcome in outcomes)
    assert set(portal.writes.values()) == {1}
    assert clock.now() - started < 4.5 * 660


def test_the_ledger_stops_before_the_limit(make_client, portal, clock):
    portal.operating = Operating(limit=480.0, window=600.0, cost={SET: 1.0})
    outcomes = list(make_client().bulk(many(1000)))
    refused = portal.executed[SET] - 1000
    assert all(outcome.ok for outcome in outcomes)
    assert refused <= 0


def test_a_method_out_of_operating_time_does_not_hold_up_others(client, portal, clock):
    portal.operating = Operating(limit=50.0, window=600.0, cost={SET: 1.0})
    reads = [Call("crm.contact.company.items.get", {"id": contact}) for contact in range(1, 101)]
    writes = [to_set(contact) for contact in range(1, 101)]
    calls = [call for pair in zip(writes, reads, strict=True) for call in pair]
    assert all(outcome.ok for outcome in client.bulk(calls))


def test_a_long_operating_block_ends_the_run_for_the_caller_to_defer(make_client, portal, clock):
    portal.operating = Operating(limit=100.0, window=600.0, cost={SET: 1.0})
    outcomes = list(make_client(max_wait=60.0).bulk(many(500)))
    done = [outcome for outcome in outcomes if outcome.ok]
    left = [outcome for outcome in outcomes if outcome.status == "skipped"]
    assert 50 <= len(done) <= 105  # refused once the sum is over; commands under way together may pass
    assert len(done) + len(left) == 500
    assert isinstance(left[-1].error, Bitrix24OperatingLimitError)
    assert left[-1].error.retry_at.timestamp() > clock.now() + 60


def test_batches_shrink_to_thirty_seconds_of_work(make_client, portal, clock):
    portal.command_latency = 1.0
    outcomes = list(make_client(max_parallel=1).bulk(many(300)))
    assert all(outcome.ok for outcome in outcomes)
    sizes = [len(entry.commands) for entry in portal.journal]
    assert max(sizes[1:]) <= 30


def test_the_bucket_keeps_the_portal_from_refusing(make_client, portal, clock):
    portal.bucket = PortalBucket(capacity=50, drain=2.0)
    bucket = Bucket(PLANS["standard"], MemoryStore(), clock)
    started = clock.now()
    outcomes = list(make_client(bucket=bucket).bulk(many(5000, company=8)))
    assert sum(outcome.ok for outcome in outcomes) == 1000
    assert portal.refused == 0
    assert 25 <= clock.now() - started <= 26.5


def test_a_bucket_that_is_already_full_is_learnt_from_one_or_two_refusals(make_client, portal, clock):
    portal.bucket = PortalBucket(capacity=50, drain=2.0, level=50.0)
    bucket = Bucket(PLANS["standard"], MemoryStore(), clock)
    started = clock.now()
    outcomes = list(make_client(bucket=bucket).bulk(many(1000)))
    assert all(outcome.ok for outcome in outcomes)
    assert portal.refused <= 2
    assert clock.now() - started <= 20 / 2 * 1.15


def test_no_more_requests_than_allowed_are_under_way(portal, make_client):
    under_way, most = 0, 0
    lock = threading.Lock()
    handle = portal.handle

    def counting(*args, **keywords):
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.01)
        try:
            return handle(*args, **keywords)
        finally:
            with lock:
                under_way -= 1

    portal.handle = counting
    assert all(outcome.ok for outcome in make_client(max_parallel=3).bulk(many(1000)))
    assert most == 3


def test_one_client_serves_several_threads(client, portal):
    def write(company):
        return [outcome.ok for outcome in client.bulk(many(200, company))]

    with ThreadPoolExecutor(4) as pool:
        assert all(all(oks) for oks in pool.map(write, [8, 9, 10, 11]))
    assert sum(portal.writes.values()) == 800


def in_a_fork(action, portal):
    """Run the action in a forked child; return the number of its requests, and the text of its error."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        before = portal.requests
        try:
            action()
        except Exception as error:  # noqa: BLE001 - it is what the parent asks for
            os.write(writer, f"{portal.requests - before}, {type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    ready, _, _ = select.select([reader], [], [], 10)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with open(reader, "rb") as text:
        return text.read().decode() if ready else "it hangs"


def runs_and_lists(client):
    yield client.bulk(many(1000))
    yield client.pages("crm.item.list", {"entityTypeId": 3})
    yield client.pages("crm.item.list", {"entityTypeId": 3, "order": {"lastName": "ASC"}})


@pytest.mark.parametrize("taken", [0, 1, 50])
@pytest.mark.parametrize("number", range(3), ids=["run", "list by id", "list by offset"])
def test_a_run_or_list_goes_on_only_in_the_process_that_began_it(client, portal, number, taken):
    """The threads that wait for answers do not live on in a forked child."""
    portal.latency = 0.01
    iterator = [*runs_and_lists(client)][number]
    for _ in range(taken):
        next(iterator)
    if number == 0 or taken:
        answer = in_a_fork(lambda: [*iterator], portal)
        assert answer.startswith("0, Bitrix24InputError: this iterator was made in another process")
    assert len([*iterator]) == 1000 - taken


def test_a_run_that_is_abandoned_leaves_no_thread_behind(client):
    before = threading.active_count()
    outcomes = client.bulk(many(1000))
    next(outcomes)
    outcomes.close()
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before
