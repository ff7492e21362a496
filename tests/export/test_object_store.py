"""Exports to an object store, whose names are taken literally."""

import json

import fsspec
import pytest

pytest.importorskip("airflow", reason="needs Airflow's paths")

from airflow_provider_b24.export.job import ExportOptions, export_list
from airflow_provider_b24.hooks.storage import ObjectPath
from tests.export.test_resume import ALL, Killed, killed_at


@pytest.fixture
def folder():
    """A folder on fsspec's memory, with a name of its own."""
    name = "/exports/a [b] *? # %20 ю"
    folder = ObjectPath(fsspec.filesystem("memory"), name, f"memory:/{name}")
    yield folder
    for path in folder.iterdir():
        path.unlink()


@pytest.mark.parametrize("rows_per_file", [None, 10_000])
def test_a_killed_export_goes_on_and_leaves_only_its_files(folder, deals, make_client, rows_per_file):
    options = ExportOptions(folder / "deals[1].jsonl", owner="task", rows_per_file=rows_per_file)
    killed_at(deals, 9)
    with pytest.raises(Killed):
        export_list(make_client(portal=deals), "crm.item.list", ALL, options, lambda line: None)
    deals.on_request = None
    deals.reset_counters()
    summary = export_list(make_client(portal=deals), "crm.item.list", ALL, options, lambda line: None)
    names = [f"deals[1]-0000{number}.jsonl" for number in (1, 2, 3)] if rows_per_file else ["deals[1].jsonl"]
    assert sorted(path.name for path in folder.iterdir()) == names
    ids = []
    for name in names:
        with (folder / name).open("rb") as file:
            ids += [json.loads(line)["id"] for line in file]
    assert ids == list(range(1, 25_001))
    assert summary["rows"] == 25_000
    assert deals.requests <= 7
