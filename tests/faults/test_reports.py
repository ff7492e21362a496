"""Reports on remote storage, in places that cannot be written, and of runs that died while they wrote one."""

import json
from pathlib import Path

import pytest

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError
from airflow_provider_b24.sandbox import Fault
from tests.faults.job import MemoryStore
from tests.faults.portals import company_of, make_portal, write_wanted, wrong_contacts

pytestmark = pytest.mark.airflow
ObjectStoragePath = pytest.importorskip("airflow.providers.common.compat.sdk").ObjectStoragePath

CONTACTS = 600


@pytest.fixture
def portal():
    return make_portal(CONTACTS)


@pytest.fixture
def hook(hook_of, portal, monkeypatch):
    monkeypatch.setenv("AIRFLOW__BITRIX24__RETRY_TIMEOUT", "0.2")
    return hook_of(portal)


@pytest.fixture
def wanted(tmp_path):
    return write_wanted(tmp_path / "wanted.jsonl", CONTACTS)


@pytest.fixture
def memory_storage(airflow_console):
    """A storage that can only write whole objects, registered with Airflow."""
    from fsspec.implementations.memory import MemoryFileSystem

    try:
        from airflow.sdk.io import attach
    except ImportError:  # before Airflow 3
        from airflow.io.storage import attach
    attach("memory", fs=MemoryFileSystem())


@pytest.fixture(params=["local", "memory", "memory, compressed"])
def report(request, memory_storage, tmp_path):
    """A place for a report: on disk, or on a storage that can only write whole objects."""
    if request.param == "local":
        return ObjectStoragePath(str(tmp_path / "report.jsonl"))
    ending = ".gz" if "compressed" in request.param else ""
    return ObjectStoragePath(f"memory://bucket/{tmp_path.name}/report.jsonl{ending}")


def lines_of(report):
    import gzip

    content = report.read_bytes()
    text = gzip.decompress(content) if report.name.endswith(".gz") else content
    return [json.loads(line) for line in text.splitlines()]


def break_after(portal, written):
    """Let the portal go away once it has written so many contacts."""

    def look(entry):
        if len(portal.writes) >= written and not portal.faults:
            portal.add_fault(Fault("html_502", every=1))

    portal.on_request = look


def mend(portal):
    portal.on_request = None
    portal.faults.clear()


@pytest.mark.parametrize("mode", ["diff", "replace"])
def test_a_resumed_report_covers_each_contact_once_on_any_storage(hook, portal, wanted, report, mode):
    store = MemoryStore()
    options = {"mode": mode, "report_path": str(report), "progress": store}
    for written in (150, 350):
        break_after(portal, written)
        with pytest.raises(Bitrix24Error):
            hook.sync_contact_companies(wanted, **options)
        mend(portal)
        assert not report.exists()
    summary = hook.sync_contact_companies(wanted, **options)
    assert (summary["contacts"], summary["failed"]) == (CONTACTS, 0)
    assert wrong_contacts(portal, CONTACTS) == []
    assert set(portal.writes.values()) == {1}
    lines = lines_of(report)
    assert [line["contact_id"] for line in lines] == list(range(1, CONTACTS + 1))
    assert {line["status"] for line in lines} == {"written"}
    assert {str(line["before"]) for line in lines} == {"[]" if mode == "diff" else "None"}
    assert not report.with_name(f"{report.name}.parts").exists()


def test_a_report_on_a_remote_store_can_be_undone(hook, portal, wanted, report):
    portal.bind(7, [(9, 30, True), (8, 40, False)])
    before = {contact: portal.bindings(contact) for contact in range(1, CONTACTS + 1)}
    hook.sync_contact_companies(wanted, report_path=str(report))
    assert [row["COMPANY_ID"] for row in portal.bindings(7)] == [company_of(7)]
    hook.sync_contact_companies(report, undo=True, allow_empty=True)
    assert {contact: portal.bindings(contact) for contact in range(1, CONTACTS + 1)} == before


def test_a_line_that_was_cut_by_a_kill_is_written_again_whole(hook, portal, wanted, tmp_path):
    report, store = tmp_path / "report.jsonl", MemoryStore()
    options = {"report_path": str(report), "progress": store}
    for written in (100, 300, 500):
        break_after(portal, written)
        with pytest.raises(Bitrix24Error):
            hook.sync_contact_companies(wanted, **options)
        mend(portal)
        (*_, part) = sorted((tmp_path / "report.jsonl.parts").glob("*/*-done.jsonl"))
        part.write_bytes(part.read_bytes()[:-40])  # the process was killed while it wrote its last line
    hook.sync_contact_companies(wanted, **options)
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert [line["contact_id"] for line in lines] == list(range(1, CONTACTS + 1))
    assert {line["status"] for line in lines} == {"written"}
    assert {str(line["before"]) for line in lines} == {"[]"}
    assert set(portal.writes.values()) == {1}


def test_the_state_before_is_that_before_the_first_try(hook, portal, wanted, tmp_path):
    """A write whose answer was lost may have taken effect in part."""
    store, report = MemoryStore(), tmp_path / "report.jsonl"
    portal.bind(CONTACTS, [(9, 30, True)])
    portal.add_fault(Fault("reset", every=1, method="crm.contact.company.items.set"))
    options = {"report_path": str(report), "progress": store}
    with pytest.raises(Bitrix24Error):
        hook.sync_contact_companies({CONTACTS: [8]}, **options)
    portal.faults.clear()
    portal.bind(CONTACTS, [])  # the first of the portal's two statements: unbinding what is not wanted
    hook.sync_contact_companies({CONTACTS: [8]}, **options)
    (line,) = (json.loads(text) for text in report.read_text().splitlines())
    assert line["status"] == "written"
    assert [row["COMPANY_ID"] for row in line["before"]] == [9]


def folder_instead(tmp_path: Path) -> str:
    (tmp_path / "report.jsonl").mkdir()
    return str(tmp_path / "report.jsonl")


def below_a_file(tmp_path: Path) -> str:
    (tmp_path / "file").write_text("")
    return str(tmp_path / "file" / "report.jsonl")


def parts_are_a_file(tmp_path: Path) -> str:
    (tmp_path / "report.jsonl.parts").write_text("")
    return str(tmp_path / "report.jsonl")


def on_its_own_input(tmp_path: Path) -> str:
    return str(tmp_path / "wanted.jsonl")


@pytest.mark.parametrize(
    "place",
    [
        folder_instead,
        below_a_file,
        parts_are_a_file,
        on_its_own_input,
        pytest.param(lambda tmp_path: "nosuch://bucket/report.jsonl", id="unknown storage"),
        pytest.param(lambda tmp_path: 82, id="a number"),
        pytest.param(lambda tmp_path: ["report.jsonl"], id="a list"),
        pytest.param(lambda tmp_path: b"report.jsonl", id="bytes"),
    ],
)
@pytest.mark.parametrize("mode", ["diff", "replace"])
def test_a_report_that_cannot_be_written_fails_the_run_for_good_before_the_first_write(
    hook, portal, wanted, tmp_path, place, mode
):
    with pytest.raises(Bitrix24InputError):
        hook.sync_contact_companies(wanted, mode=mode, report_path=place(tmp_path))
    assert not portal.writes
    assert wanted.read_text().startswith('{"contact_id": 1,')
