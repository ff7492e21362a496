import pytest

from airflow_provider_b24.crm.bindings import CompanyBinding
from airflow_provider_b24.crm.contact_company import (
    add_company,
    delete_company,
    get_companies,
    set_companies,
)
from airflow_provider_b24.errors import (
    Bitrix24AccessDeniedError,
    Bitrix24AuthError,
    Bitrix24BadRequestError,
    Bitrix24InputError,
    Bitrix24MethodNotFoundError,
    Bitrix24NotFoundError,
    Bitrix24OperatingLimitError,
    Bitrix24RateLimitError,
    Bitrix24TransportError,
    Bitrix24UnknownOutcomeError,
)
from airflow_provider_b24.rest.calls import Call, Verification
from airflow_provider_b24.rest.references import Ref
from airflow_provider_b24.sandbox import Fault

ANY_LOSS = ["reset", "hang", "truncated", "html_502", "html_503", "html_500", "server_error", "not_json"]


def bound(portal, contact):
    return [row["COMPANY_ID"] for row in portal.bindings(contact)]


def to_set(contact, *companies):
    return set_companies(contact, [CompanyBinding(company) for company in companies])


def test_a_call_answers_with_its_result(client, portal):
    assert client.perform(to_set(82, 8, 9)).result is True
    assert bound(portal, 82) == [8, 9]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (to_set(5000, 8), Bitrix24NotFoundError, "Not found"),
        (
            Call("crm.contact.company.items.set", {"id": 0, "items": []}),
            Bitrix24BadRequestError,
            "ownerEntityID",
        ),
        (Call("crm.contact.company.items.set", {"id": 82}), Bitrix24BadRequestError, "must be array"),
        (Call("crm.no.such.method"), Bitrix24MethodNotFoundError, "Method not found!"),
    ],
)
def test_the_portals_errors_become_classes_even_with_an_empty_code(client, clock, call, error, text):
    with pytest.raises(error) as caught:
        client.perform(call)
    assert text in str(caught.value)
    assert caught.value.method == call.method
    assert not caught.value.temporary
    assert clock.slept == []


def test_a_wrong_webhook_is_permanent(make_client):
    with pytest.raises(Bitrix24AuthError) as caught:
        make_client(code="wrong").call("profile")
    assert caught.value.code == "INVALID_CREDENTIALS"
    assert not caught.value.temporary


def test_a_forbidden_contact_is_permanent(client, portal):
    portal.forbid_contacts([82])
    with pytest.raises(Bitrix24AccessDeniedError):
        client.perform(to_set(82, 8))


@pytest.mark.parametrize("after", [False, True], ids=["before the effect", "after it"])
@pytest.mark.parametrize("kind", ANY_LOSS)
def test_a_repeatable_call_outlives_any_lost_answer(client, portal, clock, kind, after):
    portal.add_fault(Fault(kind, on=1, after=after))
    assert client.perform(to_set(82, 8)).result is True
    assert bound(portal, 82) == [8]
    assert len(clock.slept) == 1
    assert 0.25 <= clock.slept[0] <= 0.5


@pytest.mark.parametrize("kind", ANY_LOSS)
def test_a_write_that_must_not_be_repeated_is_unknown_after_a_lost_answer(client, portal, kind):
    portal.add_fault(Fault(kind, on=1, after=True))
    with pytest.raises(Bitrix24UnknownOutcomeError) as caught:
        client.call("crm.contact.add", {"fields": {"NAME": "Ann"}})
    assert not caught.value.temporary
    assert portal.executed["crm.contact.add"] == 1


@pytest.mark.parametrize("after", [False, True], ids=["before the effect", "after it"])
@pytest.mark.parametrize("kind", ANY_LOSS)
def test_add_and_delete_are_settled_by_reading(client, portal, kind, after):
    portal.bind(82, [(9, 10, True)])
    for call in (add_company(82, CompanyBinding(8)), delete_company(82, 9)):
        portal.add_fault(Fault(kind, on=1, method=call.method, after=after))
        assert client.perform(call).result is True
    assert bound(portal, 82) == [8]


def test_a_verification_recovers_the_result_and_not_only_that_there_is_one(client, portal):
    """What was created has an id."""
    read = Call("crm.item.list", {"entityTypeId": 3, "select": ["id"], "filter": {"=originId": "C-17"}})
    newest = Verification(read, lambda result: max((row["id"] for row in result["items"]), default=None))
    fields = {"name": "Ann", "originId": "C-17"}
    portal.add_fault(Fault("reset", on=1, method="crm.item.add", after=True))
    added = client.perform(Call("crm.item.add", {"entityTypeId": 3, "fields": fields}, newest)).result
    assert client.call("crm.item.get", {"entityTypeId": 3, "id": added}).result["item"]["originId"] == "C-17"
    assert portal.executed["crm.item.add"] == 1


def test_a_refusal_by_the_rate_limit_is_repeated_whatever_the_method(client, portal):
    portal.add_fault(Fault("query_limit", every=1, times=2))
    client.call("crm.contact.add", {"fields": {"NAME": "Ann"}})
    assert portal.executed["crm.contact.add"] == 1
    assert portal.requests == 3


def test_patience_ends_and_the_last_error_passes_unchanged(make_client, portal, clock):
    portal.add_fault(Fault("query_limit", every=1))
    started = clock.now()
    with pytest.raises(Bitrix24RateLimitError) as caught:
        make_client(retry_timeout=60.0).call("profile")
    assert caught.value.temporary
    assert 60 <= clock.now() - started <= 61
    assert max(clock.slept) <= 15


def test_operating_time_is_waited_for(client, portal, clock):
    portal.add_fault(Fault("time_limit", on=1))
    assert client.perform(to_set(82, 8)).result is True
    assert len(clock.slept) == 1


def test_a_long_wait_for_operating_time_is_handed_to_the_caller(make_client, portal, clock):
    from airflow_provider_b24.sandbox import Operating

    portal.operating = Operating(limit=2.0, window=600.0, cost={"crm.contact.company.items.set": 3.0})
    client = make_client(max_wait=60.0)
    client.perform(to_set(82, 8))
    with pytest.raises(Bitrix24OperatingLimitError) as caught:
        client.perform(to_set(82, 9))
    assert caught.value.temporary
    assert 60 < caught.value.retry_at.timestamp() - clock.now() <= 601


def test_a_portal_that_is_no_portal_says_what_to_check(client, portal):
    portal.prefix = "/intranet"
    with pytest.raises(Bitrix24NotFoundError, match="Host is the portal's own address"):
        client.call("profile")


def test_a_method_name_cannot_carry_a_path(client):
    for name in ("profile/../../secret", "profile?x=1", "http://elsewhere/", "", "a b", "пример", None):
        with pytest.raises(Bitrix24InputError, match="method must be a REST method name"):
            client.call(name)


def test_errors_of_the_network_hold_no_secret(client, portal):
    portal.add_fault(Fault("hang", every=1))
    with pytest.raises(Bitrix24TransportError) as caught:
        client.call("profile")
    error = caught.value
    while error is not None:
        assert "canary" not in f"{error!r} {error} {error.args}"
        error = error.__cause__ or error.__context__


def test_an_answer_does_not_bring_the_webhook_s_code_into_data(client, portal):
    """The addresses of files contain it, and data goes into XComs, files and tables."""
    portal.update_record("contact", 7, PHOTO=12)
    call = Call("crm.item.get", {"entityTypeId": 3, "id": 7})
    item = client.call(call.method, call.params).result["item"]
    assert "/rest/1/***/crm.controller.item.getFile/?token=" in item["photo"]["urlMachine"]
    (outcome,) = client.batch([call])
    (row,) = client.pages("crm.item.list", {"entityTypeId": 3, "filter": {"id": 7}})
    assert outcome.result["item"] == row == item


def test_a_code_that_is_too_short_to_be_a_secret_changes_no_data(make_client, portal):
    portal.add_webhook(user_id=1, code="7")
    assert make_client(code="7").call("crm.contact.get", {"id": 7}).result["ID"] == "7"


def test_a_batch_is_one_request_with_outcomes_in_input_order(client, portal):
    portal.bind(83, [(9, 10, True)])
    outcomes = client.batch([to_set(82, 8), to_set(5000, 8), get_companies(83), Call("no.such.method")])
    assert [outcome.status for outcome in outcomes] == ["success", "failure", "success", "failure"]
    assert outcomes[1].error.description == "Not found."
    assert outcomes[2].result[0]["COMPANY_ID"] == 9
    assert isinstance(outcomes[3].error, Bitrix24MethodNotFoundError)
    assert portal.requests == 1


def test_a_batch_of_any_length_is_cut_into_full_requests(client, portal):
    outcomes = client.batch([to_set(contact, 8) for contact in range(1, 202)])
    assert [outcome.call.params["id"] for outcome in outcomes] == list(range(1, 202))
    assert all(outcome.ok for outcome in outcomes)
    assert portal.requests == 5


def test_no_calls_make_no_request(client, portal):
    assert client.batch([]) == []
    assert portal.requests == 0


def test_halt_skips_everything_after_the_first_failure(client, portal):
    calls = [to_set(contact, 8) for contact in range(1, 121)]
    calls[60] = to_set(5000, 8)
    outcomes = client.batch(calls, halt=True)
    statuses = [outcome.status for outcome in outcomes]
    assert statuses == ["success"] * 60 + ["failure"] + ["skipped"] * 59
    assert portal.requests == 2
    assert outcomes[-1].error.description == "Not found."


def test_a_batch_in_order_is_patient_as_long_as_something_succeeds(make_client, portal, clock):
    portal.add_fault(Fault("html_503", every=2))
    start = clock.now()
    outcomes = make_client(retry_timeout=5).batch([Call("profile")] * 1_000, halt=True)
    assert all(outcome.ok for outcome in outcomes)
    assert clock.now() - start > 5


def test_halt_skips_everything_that_was_not_sent_when_the_portal_goes_down(make_client, portal):
    portal.add_fault(Fault("html_503", method="crm.contact.company.items.set"))
    calls = [*[Call("profile")] * 50, *[to_set(contact, 8) for contact in range(1, 71)]]
    outcomes = make_client(retry_timeout=0).batch(calls, halt=True)
    assert [outcome.call for outcome in outcomes] == calls
    statuses = [outcome.status for outcome in outcomes]
    assert statuses == ["success"] * 50 + ["unknown"] * 50 + ["skipped"] * 20
    assert all(outcome.ended_run for outcome in outcomes[50:])


@pytest.mark.parametrize("between", [0, 48, 49, 120])
def test_a_call_refers_to_the_result_of_an_earlier_one_also_across_requests(client, portal, between):
    add = Call("crm.contact.add", {"fields": {"NAME": "Ann"}})
    get = Call("crm.contact.get", {"id": Ref(0)})
    outcomes = client.batch([add, *[Call("profile")] * between, get])
    assert outcomes[-1].result["NAME"] == "Ann"
    assert portal.requests == (between + 2 + 49) // 50


def test_calls_that_refer_to_a_failed_one_are_skipped_and_others_are_not(client):
    failing = Call("crm.contact.get", {"id": 999_999})
    outcomes = client.batch([failing, Call("crm.contact.get", {"id": Ref(0, "ID")}), Call("profile")])
    assert [outcome.status for outcome in outcomes] == ["failure", "skipped", "success"]
    assert outcomes[1].error is outcomes[0].error


def test_a_reference_to_what_a_result_does_not_contain_fails_that_call_alone(client):
    calls = [Call("profile"), Call("crm.contact.get", {"id": Ref(0, "SHOE")}), Call("profile")]
    outcomes = client.batch(calls)
    assert [outcome.status for outcome in outcomes] == ["success", "failure", "success"]
    assert "$result[0][SHOE]" in str(outcomes[1].error)


@pytest.mark.parametrize("params", [{"filter": {"a": []}}, {"a": object()}, {"a": float("nan")}])
def test_what_cannot_be_sent_is_refused_before_anything_is_sent(client, portal, params):
    with pytest.raises(Bitrix24InputError, match="a"):
        client.batch([to_set(82, 8), Call("crm.contact.list", params)])
    assert portal.requests == 0


def test_a_batch_inside_a_batch_is_refused(client):
    with pytest.raises(Bitrix24InputError, match="cannot contain another batch"):
        client.batch([Call("batch", {"cmd": []})])


def test_wrong_credentials_end_a_run_after_one_request(make_client, portal):
    outcomes = make_client(code="wrong").batch([to_set(contact, 8) for contact in range(1, 501)])
    assert {outcome.status for outcome in outcomes[:50]} == {"failure"}
    assert {outcome.status for outcome in outcomes[200:]} == {"skipped"}
    assert isinstance(outcomes[-1].error, Bitrix24AuthError)
    assert portal.requests <= 4
