"""The folders in which rows are kept."""

import stat
import tempfile

from airflow_provider_b24.export.scratch import on_this_machine, remove_if_empty, remove_owned


def test_the_folder_of_this_machine_is_this_user_s_and_stays_when_it_is_empty(tmp_path, monkeypatch):
    """Whoever made it anew beside another load would make it with the rights of the umask."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = on_this_machine()
    (folder / "task.1.piece").write_bytes(b"{}\n")
    remove_owned(folder, "task.")
    remove_if_empty(folder)
    assert [*folder.iterdir()] == []
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert on_this_machine() == folder
