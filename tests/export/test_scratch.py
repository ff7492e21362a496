"""The folder in which loads keep rows on this machine."""

import stat
import tempfile

import pytest

from airflow_provider_b24.errors import Bitrix24ConfigError
from airflow_provider_b24.export.scratch import on_this_machine, remove_if_empty


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_nobody_else_enters_it():
    folder = on_this_machine()
    assert folder.is_dir()
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700


def test_a_folder_that_a_load_made_again_beside_one_that_ended_is_used():
    folder = on_this_machine()
    remove_if_empty(folder)
    folder.mkdir(parents=True, mode=0o755)  # as a load does when it writes its next piece
    assert on_this_machine() == folder


def test_a_folder_that_others_may_enter_is_refused():
    on_this_machine().parent.chmod(0o755)
    with pytest.raises(Bitrix24ConfigError, match="only this user may enter"):
        on_this_machine()
