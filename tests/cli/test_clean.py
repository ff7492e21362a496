"""The command that deletes what given-up tasks have left."""

import os

import pytest

from airflow_provider_b24.cli.__main__ import main

pytestmark = pytest.mark.airflow
OWNER = "0123456789ab-0123456789ab"


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """A scratch folder with what a task kept nine days ago, and another an hour ago."""
    monkeypatch.setenv("AIRFLOW__BITRIX24__SCRATCH_PATH", str(tmp_path))
    folder = tmp_path / "_bitrix24"
    folder.mkdir()
    for name, days in [
        (f"{OWNER}.deals.jsonl.0.a.0-10.10.piece", 10),
        (f"{OWNER}.deals.jsonl.0.state.json", 9),
        ("other.deals.jsonl.0.a.0-10.10.piece", 10),
        ("other.deals.jsonl.0.a.10-20.10.piece", 1 / 24),
    ]:
        path = folder / name
        path.write_text("")
        written = path.stat().st_mtime - days * 86_400
        os.utime(path, (written, written))
    return folder


def test_what_nobody_has_written_to_for_long_is_deleted(scratch, capsys):
    main(["clean", "--older-than", "7d"])
    assert {path.name.partition(".")[0] for path in scratch.iterdir()} == {"other"}
    assert f"{scratch}: 2 files deleted" in capsys.readouterr().out


def test_an_empty_folder_is_deleted_too(scratch):
    main(["clean", "--older-than", "0h"])
    assert not scratch.exists()


def test_folders_of_exports_are_named(scratch, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__BITRIX24__SCRATCH_PATH", str(tmp_path / "other"))
    main(["clean", str(tmp_path)])
    assert len([*scratch.iterdir()]) == 2


@pytest.mark.parametrize("span", ["7", "week", "-1d", "1.5h", ""])
def test_a_time_that_is_none_is_refused(scratch, span):
    with pytest.raises(SystemExit, match="--older-than must be"):
        main(["clean", f"--older-than={span}"])
    assert len([*scratch.iterdir()]) == 4
