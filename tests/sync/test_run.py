"""A sync against a portal in this process: what is read and written, in which requests, and what it says."""

import errno
import logging
import re
from dataclasses import replace

import pytest

from airflow_provider_b24.crm.bindings import CompanyBinding
from airflow_provider_b24.crm.contact_company import set_companies
from airflow_provider_b24.errors import Bitrix24InputError, Bitrix24OperatingLimitError, Bitrix24SyncError
from airflow_provider_b24.sandbox import Fault, Operating, Portal
from tests.rest.conftest import CODE
from tests.sync.conftest import MemoryPath, MemoryStore, companies

GET = "crm.contact.company.items.get"
SET = "crm.contact.company.items.set"


def unread(portal):
    portal.reset_counters()
    return portal


def test_a_diff_reads_in_full_batches_and_writes_what_differs(portal, run):
    wanted = {contact: [8] for contact in range(1, 1001)}
    for contact in wanted:
        portal.bind(contact, [(9 if contact % 50 == 0 else 8, 10, True)])
    unread(portal)
    summary = run(wanted, check_companies=False)
    assert (summary["written"], summary["unchanged"], summary["requests"]) == (20, 980, 21)
    assert portal.executed[SET] == 20
    assert run(wanted, check_companies=False)["written"] == 0


def test_a_replace_reads_nothing(portal, run, path):
    summary = run({contact: [8] for contact in range(1, 1001)}, path, mode="replace", check_companies=False)
    assert (summary["written"], summary["requests"]) == (1000, 20)
    assert {line["before"] for line in path.lines()} == {None}


def test_a_dry_run_plans_and_writes_nothing(portal, run, path):
    summary = run({1: [8], 2: []}, path, dry_run=True, allow_empty=True)
    assert (summary["planned"], summary["written"], summary["unchanged"]) == (1, 0, 1)
    assert [line["status"] for line in path.lines()] == ["planned", "unchanged"]
    assert not portal.writes
    assert run({1: [8]}, mode="replace", dry_run=True)["planned"] == 1


@pytest.mark.parametrize("as_iterator", [False, True])
def test_contacts_that_name_a_missing_company_fail_alone(portal, run, as_iterator):
    wanted = [{"contact_id": 1, "items": [8]}, {"contact_id": 2, "items": [9, 777777]}]
    summary = run(iter(wanted) if as_iterator else wanted, max_failures=1)
    assert (summary["written"], summary["failed"]) == (1, 1)
    assert summary["failures"][0]["contact_id"] == 2
    assert "company 777777 does not exist" in summary["failures"][0]["description"]
    assert companies(portal, 2) == []
    assert run(wanted, check_companies=False)["failed"] == 0


@pytest.mark.parametrize("answer", ["false", "null", "0", "[]", '"yes"'])
@pytest.mark.parametrize("mode", ["diff", "replace"])
def test_a_write_that_answers_anything_but_true_is_unknown(portal, run, path, monkeypatch, answer, mode):
    """Whatever the portal means by it, it did not say that the write was done."""
    handle = portal.handle

    def answer_oddly(method, url, headers, body):
        reply = handle(method, url, headers, body)
        return replace(reply, body=re.sub(rb"\[\s*true\s*\]", b"[" + answer.encode() + b"]", reply.body))

    monkeypatch.setattr(portal, "handle", answer_oddly)
    summary = run({1: [8]}, path, mode=mode, max_failures=1)
    assert (summary["written"], summary["unknown"]) == (0, 1)
    assert path.lines()[0]["status"] == "unknown"


# States that a contact may be in before a sync, and whether a REST method can write them.
STATES = {
    1: ([(8, 10, True)], True),
    2: ([(8, 0, True)], True),
    3: ([(8, 0, True), (9, 0, False)], True),
    4: ([(8, -5, False), (9, 10, True)], True),
    5: ([(8, 10, False), (9, -5, True), (10, 10, False)], True),
    6: ([(8, 10, True), (9, 10, False)], True),
    7: ([], True),
    8: ([(8, 10, False), (9, 20, False)], False),
    9: ([(8, 10, True), (9, 20, True)], False),
    10: ([(8, 10, True), (777777, 20, False)], True),
    11: ([(30, 0, True)], True),
}


@pytest.mark.parametrize("rules", ["documented", "observed"])
@pytest.mark.parametrize("wanted", [[10], [8, 9], [9, 8], []])
def test_an_undo_brings_back_each_state_exactly_or_says_that_it_cannot(
    make_client, clock, run, path, rules, wanted
):
    portal = Portal(clock=clock.now, sleep=clock.sleep, rules=rules)
    portal.add_webhook(user_id=1, code=CODE)
    portal.add_generated(contacts=20, companies=20)
    for contact, (state, _) in STATES.items():
        portal.bind(contact, state)
    before = {contact: portal.bindings(contact) for contact in STATES}
    client = make_client(to=portal)
    run(dict.fromkeys(STATES, wanted), path, client=client, allow_empty=True, check_companies=False)
    undo = path.with_name("undo.jsonl")
    run(path, undo, client=client, undo=True, check_companies=False, max_failures=2)
    failed = {line["contact_id"] for line in undo.lines() if line["status"] == "failed"}
    assert {contact for contact in STATES if portal.bindings(contact) != before[contact]} == failed
    assert failed <= {contact for contact, (_, possible) in STATES.items() if not possible}


def test_what_cannot_be_undone_fails_alone_and_says_why(portal, run, path):
    portal.bind(1, [(8, 10, True), (9, 20, True)])
    portal.bind(2, [(8, 10, True), (777777, 20, False)])
    portal.bind(3, [(8, 0, True)])
    run({1: [10], 2: [10], 3: [10]}, path)
    with pytest.raises(Bitrix24SyncError) as caught:
        run(path, undo=True)
    assert [failure["description"] for failure in caught.value.summary["failures"]] == [
        "the contact had 2 primary companies before, which no REST method can write",
        "company 777777 does not exist, or the connection's user may not read it",
    ]
    assert portal.bindings(3) == [{"COMPANY_ID": 8, "SORT": 0, "ROLE_ID": 0, "IS_PRIMARY": "Y"}]


def test_a_report_without_the_state_before_cannot_be_undone(run, path):
    run({1: [8]}, path, mode="replace")
    with pytest.raises(Bitrix24SyncError, match="does not contain the state before"):
        run(path, undo=True)


@pytest.mark.parametrize("mode", ["diff", "replace"])
@pytest.mark.parametrize("with_report", [False, True], ids=["no report", "report"])
def test_a_stop_by_the_operating_limit_costs_few_reads(
    portal, make_client, clock, run, path, mode, with_report
):
    """Half of the contacts differ; each try may write 100 of them."""
    client = make_client(max_wait=60.0)
    wanted = {contact: [8] for contact in range(1, 1001)}
    for contact in range(1, 1001, 2):
        portal.bind(contact, [(8, 10, True)])
    portal.operating = Operating(limit=100.0, window=600.0, cost={SET: 1.0})
    store, stops = MemoryStore(), 0
    unread(portal)
    while True:
        try:
            summary = run(wanted, path if with_report else None, store, client=client, mode=mode)
            break
        except Bitrix24OperatingLimitError as error:
            stops += 1
            clock.sleep(error.retry_at.timestamp() - clock.now())
    assert stops >= 3
    assert summary["contacts"] == 1000
    assert set(portal.writes.values()) == {1}
    reads = portal.executed[GET] - (1000 if mode == "diff" else 0)
    assert reads <= stops * 250, (reads, stops)


def test_a_contact_that_others_overtook_is_not_passed_over_by_the_next_try(portal, make_client, clock, run):
    """The first contact waits for operating time while the others are finished."""
    portal.operating = Operating(limit=2.0, window=600.0, cost={SET: 3.0})
    client = make_client(max_wait=60.0)
    client.batch([set_companies(999, [CompanyBinding(8)])])  # uses it up
    for contact in range(2, 40):
        portal.bind(contact, [(9, 10, True)])
    wanted = {1: [8, 9], **{key: [] for key in range(2, 40)}}
    store = MemoryStore()
    with pytest.raises(Bitrix24OperatingLimitError):
        run(wanted, None, store, client=client, allow_empty=True)
    assert companies(portal, 2) == companies(portal, 39) == []
    clock.sleep(700)
    run(wanted, None, store, client=client, allow_empty=True)
    assert companies(portal, 1) == [8, 9]


def test_a_report_makes_its_folders(run, tmp_path):
    path = tmp_path / "a" / "b" / "report.jsonl"
    assert run({1: [8]}, path, MemoryStore())["written"] == 1
    assert path.read_text().count("\n") == 1


def test_what_was_read_is_written_when_a_limit_stops_the_reading(portal, make_client, run):
    portal.operating = Operating(limit=100.0, window=600.0, cost={GET: 1.0})
    unread(portal)
    with pytest.raises(Bitrix24OperatingLimitError):
        run({contact: [8] for contact in range(1, 301)}, client=make_client(max_wait=60.0))
    assert 100 <= len(portal.writes) == portal.executed[GET] < 300


def test_a_store_that_refuses_on_the_way_ends_the_run_for_good(portal, run, path):
    def full(what):
        if what == "close" and len(portal.writes) >= 50:
            raise OSError(errno.ENOSPC, "No space left on device")

    report = MemoryPath({}, "store://bucket/report.jsonl", full)
    with pytest.raises(Bitrix24InputError) as caught:
        run({contact: [8] for contact in range(1, 101)}, report, MemoryStore())
    assert "report.jsonl cannot be written: No space left on device" in str(caught.value)
    assert "the state before each write is in store://bucket/report.jsonl.parts" in str(caught.value)


def test_the_log_tells_what_went_wrong(portal, run, path, caplog, clock):
    caplog.set_level(logging.INFO, "airflow_provider_b24")
    portal.latency = 1.0
    portal.forbid_contacts(range(30, 1001, 30))
    wanted = [{"contact_id": contact, "items": [8]} for contact in range(1, 1001)]
    with pytest.raises(Bitrix24SyncError):
        run(wanted, path)
    lines = caplog.messages
    assert lines[0] == "Syncing 1000 contacts from the rows given to portal.example, mode diff"
    progress = [line for line in lines if "contacts done" in line]
    assert progress
    assert len(progress) <= 6
    assert all(" of 1000 contacts done, " in line and ", 0 per second" not in line for line in progress)
    for line in progress:
        done, _all, _rate, *_left, written, failed, _limited = map(int, re.findall(r"\d+", line))
        assert done == written + failed, line
    end = next(number for number, line in enumerate(lines) if line.startswith("Synced"))
    assert lines[end].startswith("Synced 1000 contacts to portal.example in ")
    assert lines[end].endswith(" 967 written, 0 unchanged, 33 failed")
    assert lines[end + 1] == "Contact 30 (line 30): Access denied! (ACCESS_DENIED)"
    assert lines[end + 21] == "... and 13 more failures; the report lists all"
    assert lines[end + 22] == "Report: store://bucket/report.jsonl"
    assert {record.levelname for record in caplog.records[end + 1 : end + 22]} == {"WARNING"}


def test_a_run_that_stops_says_how_far_it_came(portal, run, caplog):
    portal.add_fault(Fault("html_502", every=1, method=SET))
    with pytest.raises(Exception):  # noqa: B017, PT011 - whichever error the portal's silence is
        run({contact: [8] for contact in range(1, 101)}, None, MemoryStore())
    (line,) = (line for line in caplog.messages if line.startswith("Stopped"))
    assert re.fullmatch(r"Stopped after \d+ contacts?: 0 written, .*; the next try resumes there", line)
