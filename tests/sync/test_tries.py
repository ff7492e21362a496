"""Tries of one sync that overlap: frozen, killed, thawed, cleared; and runs that share a report's path."""

import random
import threading

import pytest

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError
from airflow_provider_b24.rest.auth.webhook import WebhookAuth
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.config import PortalConfig, Webhook
from airflow_provider_b24.rest.transport import Transport
from airflow_provider_b24.runs.fence import SupersededError
from airflow_provider_b24.sandbox import Fault, Portal
from airflow_provider_b24.sync.job import sync_contact_companies
from tests.rest.conftest import CODE, PortalAdapter
from tests.sync.conftest import MemoryPath, MemoryStore, companies

CONTACTS = 240
BEGUN = 12  # steps after which a try has said that it is there
WANTED = {contact: [contact % 50 + 1] for contact in range(1, CONTACTS + 1)}


class Killed(BaseException):
    """The process is gone."""


class Try(threading.Thread):
    """A try in a thread of its own, which can be frozen and killed at any step that leaves its process."""

    def __init__(self, portal, objects, store, generation, number=1, stop_after=None):
        super().__init__(daemon=True)
        self.steps = 0
        self._stop_after = stop_after
        self._running = threading.Event()
        self.stopped = threading.Event()
        self._dead = False
        self.error = None
        config = PortalConfig("https://portal.example", Webhook(1, CODE), max_parallel=1)
        adapter = GatedAdapter(portal, self.gate)
        self.client = Client(Transport(config, adapter=adapter), WebhookAuth(config.credentials))
        self._path = MemoryPath(objects, "store://bucket/report.jsonl", self.gate)
        self._store = MemoryStore(store, self.gate, generation=generation, number=number)

    def gate(self, what):
        self.steps += 1
        if self._stop_after is not None and self.steps >= self._stop_after:
            self.stopped.set()
            self._running.wait()
        if self._dead:
            raise Killed

    def run(self):
        try:
            sync_contact_companies(self.client, WANTED, report_path=self._path, store=self._store)
        except BaseException as error:  # noqa: BLE001 - also Killed
            self.error = error
        self.stopped.set()

    def go_on(self):
        self._stop_after = None
        self._running.set()

    def kill(self):
        self._dead = True
        self.go_on()
        self.join(30)


class GatedAdapter(PortalAdapter):
    """A network whose every request is a step."""

    def __init__(self, portal, gate):
        super().__init__(portal)
        self._gate = gate

    def send(self, request, **kwargs):
        self._gate("send")
        return super().send(request, **kwargs)


def fresh_portal():
    portal = Portal()
    portal.add_webhook(user_id=1, code=CODE)
    portal.add_generated(contacts=CONTACTS, companies=50)
    for contact in range(3, CONTACTS, 5):
        portal.bind(contact, [(7, 20, True), (9, 30, False)])
    for contact in range(1, CONTACTS, 10):
        portal.bind(contact, [(contact % 50 + 1, 10, True)])
    return portal


def steps_of_a_whole_try():
    one = Try(fresh_portal(), {}, {}, "0")
    one.start()
    one.join(30)
    assert one.error is None
    return one.steps


@pytest.fixture(scope="module")
def steps():
    return steps_of_a_whole_try()


@pytest.mark.parametrize("seed", range(100))
def test_a_frozen_try_a_killed_one_and_one_that_finishes_leave_one_whole_report(steps, seed):
    chance = random.Random(seed)  # noqa: S311 - a schedule, not a secret
    portal, objects, store = fresh_portal(), {}, {}
    before = {contact: portal.bindings(contact) for contact in WANTED}
    second_generation = chance.choice(["0", "1"])  # a retry, or cleared after it was marked failed

    frozen = Try(portal, objects, store, "0", stop_after=chance.randint(BEGUN, steps))
    frozen.start()
    frozen.stopped.wait(30)
    thaw_at = chance.choice(["second runs", "third starts", "third runs", "third has ended"])

    second = Try(portal, objects, store, second_generation, 2, stop_after=chance.randint(1, steps - 10))
    second.start()
    second.stopped.wait(30)
    if thaw_at == "second runs":
        frozen.go_on()
    second.kill()
    finished = "store://bucket/report.jsonl" in objects
    generation = second_generation if finished else chance.choice([second_generation, "2"])
    third = Try(portal, objects, store, generation, 3, stop_after=chance.randint(1, steps))
    if thaw_at == "third starts":
        frozen.go_on()
    third.start()
    third.stopped.wait(30)
    if thaw_at == "third runs":
        frozen.go_on()
        frozen.join(30)
    third.go_on()
    third.join(30)
    frozen.go_on()
    frozen.join(30)
    assert third.error is None, (seed, thaw_at)
    assert frozen.error is None or isinstance(frozen.error, SupersededError), (seed, thaw_at)

    assert [contact for contact in WANTED if companies(portal, contact) != WANTED[contact]] == []
    report = MemoryPath(objects, "store://bucket/report.jsonl")
    lines = report.lines()
    assert [line["contact_id"] for line in lines] == list(WANTED)
    assert {line["status"] for line in lines} <= {"written", "unchanged"}
    sync_contact_companies(third.client, report, undo=True)
    assert {contact: portal.bindings(contact) for contact in WANTED} == before, (seed, thaw_at)


@pytest.fixture
def wanted(portal):
    return {contact: [contact % 50 + 1] for contact in range(1, 301)}


def break_after(portal, written):
    def look(entry):
        if len(portal.writes) >= written and not portal.faults:
            portal.add_fault(Fault("html_502", every=1))

    portal.on_request = look


def mend(portal):
    portal.on_request = None
    portal.faults.clear()


@pytest.fixture
def stop_a_run(portal, run, wanted, path):
    """Let a run stop after 100 writes, for example ``stop_a_run(store)``."""

    def stop(store, report_path=path, **options):
        break_after(portal, 100)
        with pytest.raises(Bitrix24Error):
            run(wanted, report_path, store, **options)
        mend(portal)

    return stop


@pytest.mark.parametrize("mode", ["diff", "replace"])
@pytest.mark.parametrize("with_report", [False, True], ids=["no report", "report"])
def test_a_retry_goes_on_where_the_try_before_stopped(
    portal, run, wanted, path, stop_a_run, mode, with_report
):
    store = MemoryStore()
    report = path if with_report else None
    stop_a_run(store, report, mode=mode)
    requests = portal.requests
    summary = run(wanted, report, store, mode=mode)
    assert (summary["contacts"], summary["written"]) == (300, 300)
    assert set(portal.writes.values()) == {1}
    assert summary["requests"] > portal.requests - requests  # of all tries
    if with_report:
        assert [line["contact_id"] for line in path.lines()] == list(wanted)


def test_a_cleared_task_starts_from_the_difference(portal, run, wanted, path, stop_a_run):
    stop_a_run(MemoryStore(store := {}))
    portal.bind(7, [(40, 10, True)])  # by hand, after the sync had written it
    run(wanted, path, MemoryStore(store, generation="3"))
    assert companies(portal, 7) == wanted[7]
    lines = {line["contact_id"]: line for line in path.lines()}
    assert len(lines) == 300
    assert lines[7]["before"] == []  # before the run, not before its last try


def test_a_retry_after_the_last_request_keeps_the_report(portal, run, wanted, path):
    """The worker was lost between the report and Airflow's note that the task has succeeded."""
    store = MemoryStore()
    run(wanted, path, store)
    report = path.lines()
    portal.reset_counters()
    run(wanted, path, MemoryStore(store.saved, number=2))
    assert path.lines() == report
    assert portal.executed["crm.contact.company.items.get"] == 0


def test_failures_that_may_pass_are_repeated_and_the_report_keeps_the_others(portal, run, wanted, path):
    store = MemoryStore()
    portal.add_fault(Fault("server_error", every=2, method="crm.contact.company.items.set", per_command=True))
    with pytest.raises(Bitrix24Error) as caught:
        run(wanted, path, store)
    assert caught.value.temporary
    failed = caught.value.summary["failed"]
    assert 0 < failed < 300
    portal.reset_counters()
    portal.faults.clear()
    summary = run(wanted, path, store)
    assert summary["written"] == 300
    assert portal.executed["crm.contact.company.items.get"] == failed
    assert [line["before"] for line in path.lines()] == [[]] * 300


@pytest.mark.parametrize("reads", range(1, 6))
def test_records_that_vanish_while_a_try_reads_them_do_not_fail_it(portal, run, wanted, stop_a_run, reads):
    """The try before has finished late, put the report there, and deletes its records."""
    objects = {}
    count = 0

    def gate(what):
        nonlocal count
        count += what == "open rb"
        if what == "open rb" and count == reads:
            for name in [name for name in objects if ".parts/" in name and not name.endswith(".claim")]:
                del objects[name]

    store = MemoryStore()
    stop_a_run(store, MemoryPath(objects, "store://bucket/report.jsonl"))
    path = MemoryPath(objects, "store://bucket/report.jsonl", gate)
    run(wanted, path, MemoryStore(store.saved, number=2))
    assert [line["contact_id"] for line in path.lines()] == list(wanted)


class UnavailableStore(MemoryStore):
    """A store behind an API server that is down."""

    def load(self):
        raise ConnectionError

    save = finish = lambda self, state: (_ for _ in ()).throw(ConnectionError())


@pytest.mark.parametrize("with_report", [False, True], ids=["no report", "report"])
def test_an_unavailable_store_does_not_fail_the_sync(
    portal, run, wanted, path, stop_a_run, caplog, with_report
):
    report = path if with_report else None
    stop_a_run(UnavailableStore(), report)
    assert run(wanted, report, UnavailableStore())["contacts"] == 300
    assert set(portal.writes.values()) == {1}
    assert "The task's state cannot be read now (ConnectionError)" in caplog.text


def test_without_report_and_reading_an_unavailable_store_stops_the_sync(portal, run, wanted):
    """Its worker may be an orphan: another try cannot tell what it writes, nor stop it."""
    with pytest.raises(Bitrix24Error, match="Set report_path, or use mode='diff'") as caught:
        run(wanted, None, UnavailableStore(), mode="replace")
    assert caught.value.temporary
    assert not portal.writes


class OrphanStore(MemoryStore):
    """The store of a worker whose supervisor was killed: it ends without anybody knowing."""

    def finish(self, state):
        raise BrokenPipeError


@pytest.mark.parametrize("mode", ["diff", "replace"])
def test_an_orphan_that_finishes_unheard_leaves_its_records_to_the_next_try(portal, run, wanted, path, mode):
    orphan = OrphanStore()
    run(wanted, path, orphan, mode=mode)
    report = path.lines()
    portal.reset_counters()
    run(wanted, path, MemoryStore(orphan.saved, number=2), mode=mode)
    assert path.lines() == report
    assert {line["status"] for line in report} == {"written"}
    assert not portal.writes
    assert path.with_name("report.jsonl.parts").is_dir() is False


@pytest.mark.parametrize("mode", ["diff", "replace"])
@pytest.mark.parametrize("group", ["", "the mapped task"])
def test_a_second_run_is_refused_the_report_of_one_that_has_not_finished(
    portal, run, wanted, path, stop_a_run, mode, group
):
    first = MemoryStore(run="task sync of DAG one, run monday", mapped_run=group)
    stop_a_run(first, mode=mode)
    portal.reset_counters()
    second = MemoryStore(run="task sync of DAG one, run tuesday", mapped_run=group)
    with pytest.raises(Bitrix24InputError, match="task sync of DAG one, run monday"):
        run(wanted, path, second, mode=mode)
    assert portal.requests == 0
    assert run(wanted, path, first, mode=mode)["written"] == 300
    if not group:  # instances of one mapped task have one report each
        assert run(wanted, path, second, mode=mode)["contacts"] == 300


def test_instances_of_a_mapped_task_do_not_replace_one_anothers_report(portal, run, path):
    one, two = (MemoryStore(run=f"task sync[{index}]", mapped_run="task sync, run 1") for index in (0, 1))
    run({1: [8]}, path, one)
    with pytest.raises(Bitrix24InputError, match=r"already the report of task sync\[0\].*map_index"):
        run({2: [8]}, path, two)
    assert run({1: [9]}, path, one)["written"] == 1  # cleared, with another input
    assert run({2: [8]}, path, MemoryStore(run="task sync[1]", mapped_run="task sync, run 2"))["written"] == 1


def test_records_of_a_dead_run_are_kept_and_named(portal, run, wanted, path, stop_a_run, caplog):
    stop_a_run(None)
    left = [str(folder) for folder in (path.parent / "report.jsonl.parts").iterdir()]
    assert left
    assert run(wanted, path)["contacts"] == 300
    assert "did not finish its report" in caplog.text
    assert [str(folder) for folder in (path.parent / "report.jsonl.parts").iterdir()] == left


def test_a_state_that_cannot_be_read_counts_as_none(portal, run, wanted, stop_a_run):
    store = MemoryStore()
    stop_a_run(store, None)
    state = store.load()
    for odd in ({}, {"line": 5}, [], None, "x", {**state["state"], "tally": {"lost": 1}}):
        store.save({**state, "state": odd})
        assert run(wanted, None, store)["contacts"] == 300


def test_a_state_of_another_input_counts_as_none_and_holds_no_secret(portal, run, wanted, stop_a_run):
    store = MemoryStore()
    stop_a_run(store, None)
    assert CODE not in str(store.saved)
    run({contact: [9] for contact in wanted}, None, store)
    assert all(companies(portal, contact) == [9] for contact in wanted)
