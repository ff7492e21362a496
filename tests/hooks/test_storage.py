"""Names on object stores are taken literally: in memory, and on a server that speaks S3."""

import contextlib
import json
import pathlib

import pytest

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError
from airflow_provider_b24.files.rows import rows_of
from airflow_provider_b24.files.writer import write_lines
from airflow_provider_b24.sandbox import Fault
from tests.faults.conftest import hook_for, hook_of, serve
from tests.faults.job import MemoryStore
from tests.faults.portals import make_portal

__all__ = ["hook_for", "hook_of", "serve"]
pytestmark = pytest.mark.airflow
pytest.importorskip("airflow", reason="needs Airflow")

NAMES = [
    "plain.jsonl",
    "a [b] *.jsonl",
    "what?#.jsonl",
    "50%41 off.jsonl.gz",
    "отчёт (1).jsonl",
    "{x},y.jsonl",
]


def attach(protocol, fs):
    try:
        from airflow.sdk.io import attach
    except ImportError:  # before Airflow 3
        from airflow.io.store import attach
    attach(protocol, fs=fs)


@pytest.fixture(scope="module")
def s3_server():
    server = pytest.importorskip("moto.server", reason="needs moto's S3 server")
    pytest.importorskip("s3fs", reason="needs s3fs")
    server = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def s3_store(request, airflow_console):
    """A bucket on a server that speaks S3, which Airflow reaches as ``s3://``."""
    address = request.getfixturevalue("s3_server")
    import s3fs

    fs = s3fs.S3FileSystem(key="key", secret="none", endpoint_url=address)
    with contextlib.suppress(FileExistsError):
        fs.mkdir("bucket")
    attach("s3", fs)
    return "s3://bucket"


@pytest.fixture
def memory_store(airflow_console):
    from fsspec.implementations.memory import MemoryFileSystem

    attach("memory", MemoryFileSystem())
    return "memory://bucket"


@pytest.fixture(params=["memory", "s3", "local"])
def folder(request, tmp_path):
    """A folder on a storage, as text."""
    if request.param == "local":
        return str(tmp_path)
    return f"{request.getfixturevalue(f'{request.param}_store')}/{tmp_path.name}"


@pytest.fixture
def parse_path(airflow_console):
    from airflow_provider_b24.hooks.storage import parse_path

    return parse_path


@pytest.mark.parametrize("name", NAMES)
def test_a_file_lies_under_the_name_it_was_given(parse_path, folder, name):
    path = parse_path(f"{folder}/a [1]/{name}", "path")
    assert (path.name, str(path)) == (name, f"{folder}/a [1]/{name}")
    assert not path.exists()
    write_lines(path, [{"ID": "1"}])
    assert path.exists()
    assert not path.is_dir()
    assert path.parent.is_dir()
    assert [row for _, row in rows_of(path)] == [{"ID": "1"}]
    assert [one.name for one in path.parent.iterdir()] == [name]
    path.unlink()
    assert not path.exists()


@pytest.mark.parametrize("name", NAMES)
def test_a_report_is_resumed_and_undone_under_any_name(hook_of, parse_path, folder, name, monkeypatch):
    monkeypatch.setenv("AIRFLOW__BITRIX24__RETRY_TIMEOUT", "0.2")
    portal, store = make_portal(300), MemoryStore()
    hook = hook_of(portal)
    portal.bind(7, [(9, 0, True), (8, 40, False)])
    before = {contact: portal.bindings(contact) for contact in range(1, 301)}
    wanted = {contact: [8] for contact in range(1, 301)}
    report = f"{folder}/{name}"

    def look(entry):
        if len(portal.writes) >= 100 and not portal.faults:
            portal.add_fault(Fault("html_502", every=1))

    portal.on_request = look
    with pytest.raises(Bitrix24Error):
        hook.sync_contact_companies(wanted, report_path=report, progress=store)
    portal.on_request = None
    portal.faults.clear()
    summary = hook.sync_contact_companies(wanted, report_path=report, progress=store)
    assert (summary["contacts"], summary["report_path"]) == (300, report)
    path = parse_path(report, "report")
    assert [row["contact_id"] for _, row in rows_of(path)] == list(wanted)
    assert [one.name for one in path.parent.iterdir()] == [name]
    hook.sync_contact_companies(path_object(report), undo=True)
    assert {contact: portal.bindings(contact) for contact in wanted} == before


def path_object(text):
    """What people pass to the hook; Airflow's own class loses an empty query or fragment."""
    from airflow_provider_b24.hooks.storage import parse_path

    return pathlib.Path(text) if text.startswith("/") else parse_path(text, "report")


@pytest.mark.parametrize("name", NAMES)
def test_the_rows_of_a_list_lie_under_the_name_that_is_returned(hook_of, parse_path, folder, name):
    from airflow_provider_b24.operators.bitrix24 import Bitrix24ListOperator

    operator = Bitrix24ListOperator(
        task_id="list", method="crm.contact.list", output_path=f"{folder}/rows/{name}"
    )
    operator.hook = hook_of(make_portal(120))
    assert operator.run({}) == {"path": f"{folder}/rows/{name}", "rows": 120}
    path = parse_path(f"{folder}/rows/{name}", "path")
    assert len(list(rows_of(path))) == 120
    assert [one.name for one in path.parent.iterdir()] == [name]


@pytest.mark.parametrize(
    "path", ["nosuch://bucket/rows.jsonl", "", 82, ["rows.jsonl"], b"rows.jsonl", "a\0b"]
)
def test_what_is_no_path_is_refused(parse_path, path):
    with pytest.raises(Bitrix24InputError, match="output_path"):
        parse_path(path, "output_path")


def test_paths_are_what_airflow_takes_them_for(parse_path, memory_store, tmp_path):
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    given = ObjectStoragePath("memory://bucket/folder/rows.jsonl")
    given.write_text(json.dumps({"ID": "1"}) + "\n")
    assert parse_path(given, "path") == parse_path("memory://bucket/folder/rows.jsonl", "path")
    assert [row for _, row in rows_of(parse_path(given, "path"))] == [{"ID": "1"}]
    assert parse_path(f"file://{tmp_path}/x", "path") == tmp_path / "x"
    assert parse_path(ObjectStoragePath(f"file://{tmp_path}/x"), "path") == tmp_path / "x"
