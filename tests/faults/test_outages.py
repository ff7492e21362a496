"""A portal that stays away longer than patience lasts, or refuses forever: the run ends and can go on."""

import pytest

from airflow_provider_b24.crm.bindings import CompanyBinding
from airflow_provider_b24.crm.contact_company import add_company, set_companies
from airflow_provider_b24.errors import Bitrix24AuthError, Bitrix24Error
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.sandbox import Fault
from tests.faults.job import MemoryStore
from tests.faults.portals import lines_of, make_portal, write_wanted, wrong_contacts

pytestmark = pytest.mark.airflow

CONTACTS = 1_000


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setenv("AIRFLOW__BITRIX24__RETRY_TIMEOUT", "0.5")


def goes_down(portal):
    portal.add_fault(Fault("html_502", every=1))


def closes(portal):
    portal.refusal = "PORTAL_DELETED"


def comes_back(portal):
    portal.faults.clear()
    portal.refusal = None


@pytest.mark.parametrize("trouble", [goes_down, closes])
@pytest.mark.parametrize("mode", ["diff", "replace"])
@pytest.mark.parametrize("with_report", [False, True], ids=["no report", "report"])
def test_contacts_on_their_way_when_the_portal_goes_are_not_failed_but_taken_up_again(
    hook_of, tmp_path, trouble, mode, with_report
):
    portal, store = make_portal(CONTACTS), MemoryStore()
    wanted, report = write_wanted(tmp_path / "wanted.jsonl", CONTACTS), tmp_path / "report.jsonl"
    hook = hook_of(portal)
    options = {"mode": mode, "max_failures": 1.0, "progress": store}
    if with_report:
        options["report_path"] = str(report)

    def look(entry):
        if len(portal.writes) >= 300 and not portal.faults:
            trouble(portal)

    portal.on_request = look
    with pytest.raises(Bitrix24Error) as caught:
        hook.sync_contact_companies(wanted, **options)
    assert caught.value.temporary is (trouble is goes_down)
    assert isinstance(caught.value, Bitrix24AuthError) is (trouble is closes)

    portal.on_request = None
    comes_back(portal)
    summary = hook.sync_contact_companies(wanted, **options)
    assert (summary["contacts"], summary["failed"], summary["unknown"]) == (CONTACTS, 0, 0)
    assert wrong_contacts(portal, CONTACTS) == []
    assert set(portal.writes.values()) == {1}
    if with_report:
        assert [line["contact_id"] for line in lines_of(report)] == list(range(1, CONTACTS + 1))
        assert {line["status"] for line in lines_of(report)} == {"written"}


@pytest.mark.parametrize("kind", ["query_limit", "server_error"])
def test_a_command_that_is_refused_for_ever_is_given_up(hook_of, kind):
    portal = make_portal(200)
    portal.add_fault(Fault(kind, every=1, method="crm.contact.get", per_command=True))
    calls = [set_companies(contact, [CompanyBinding(8)]) for contact in range(1, 101)]
    calls[50] = Call("crm.contact.get", {"id": 51})
    outcomes = hook_of(portal).batch(calls)
    assert [index for index, outcome in enumerate(outcomes) if not outcome.ok] == [50]
    assert outcomes[50].error.temporary
    assert portal.requests < 40


@pytest.mark.parametrize("kind", ["query_limit", "time_limit"])
def test_a_write_that_a_limit_refused_goes_out_again_whatever_it_is(hook_of, kind):
    portal = make_portal(200)
    portal.add_fault(Fault(kind, every=2, times=30, method="crm.contact.add", per_command=True))
    calls = [Call("crm.contact.add", {"fields": {"NAME": f"Ann {number}"}}) for number in range(60)]
    outcomes = hook_of(portal).batch(calls)
    assert all(outcome.ok for outcome in outcomes)
    assert len({outcome.result for outcome in outcomes}) == 60
    assert portal.contacts.last_id == 260


@pytest.mark.parametrize("after", [False, True], ids=["before the effect", "after it"])
def test_a_write_whose_answers_are_lost_for_ever_is_unknown_and_never_sent_blindly(hook_of, after):
    portal = make_portal(200)
    portal.add_fault(Fault("html_502", every=1, method="crm.contact.company.add", after=after))
    outcomes = hook_of(portal).batch([add_company(contact, CompanyBinding(8)) for contact in (1, 2)])
    if after:
        assert all(outcome.ok for outcome in outcomes)  # looked up
    else:
        assert {outcome.status for outcome in outcomes} <= {"unknown", "skipped"}
    assert set(portal.writes.values()) <= {1}
