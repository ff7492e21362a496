"""Files appear whole or not at all."""

import errno
import gzip
import json
import os
import threading
from pathlib import Path

import pytest

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.files.rows import rows_of
from airflow_provider_b24.files.writer import json_line, whole_file, write_lines

ROWS = [{"ID": "1", "NAME": "Анна"}, {"ID": "2", "NAME": "cut \ud83d"}, {"ID": "3", "NAME": None}]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz", "a [b] *?#%41 я.jsonl"])
def test_rows_come_back_as_they_were_written(tmp_path, name):
    path = tmp_path / "2026" / "11" / name
    assert write_lines(path, iter(ROWS)) == 3
    assert [row for _, row in rows_of(path)] == ROWS
    assert os.listdir(path.parent) == [name]
    if name.endswith(".gz"):
        assert gzip.decompress(path.read_bytes()).count(b"\n") == 3


def test_a_line_is_utf_8_unless_a_character_is_none():
    assert json_line("Анна") == '"Анна"\n'.encode()
    assert json.loads(json_line("cut \ud83d")) == "cut \ud83d"


def test_a_file_that_was_there_stays_if_the_new_one_fails(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError):
        write_lines(path, ({"row": 1 / (3 - number)} for number in range(5)))
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["rows.jsonl"]


def test_two_writers_of_one_path_do_not_mix(tmp_path):
    path, barrier = tmp_path / "rows.jsonl", threading.Barrier(2)

    def rows(writer):
        for number in range(1000):
            if number in (0, 999):
                barrier.wait(10)
            yield {"writer": writer, "number": number}

    threads = [threading.Thread(target=write_lines, args=(path, rows(writer))) for writer in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [row for _, row in rows_of(path)]
    assert len(found) == 1000
    assert len({row["writer"] for row in found}) == 1
    assert os.listdir(tmp_path) == ["rows.jsonl"]


def folder_instead(tmp_path):
    (tmp_path / "rows.jsonl").mkdir()
    return tmp_path / "rows.jsonl", "it is a folder"


def below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    return tmp_path / "file" / "rows.jsonl", "(Not a directory|File exists)"


def long_name(tmp_path):
    return tmp_path / ("x" * 300), "File name too long"


class Refusing(type(Path())):
    """A path that cannot be opened."""

    error = OSError(errno.ENOSPC, "No space left on device")

    def open(self, mode="r", **kwargs):
        raise self.error


class ReadOnly(Refusing):
    error = OSError(errno.EROFS, "Read-only file system")


def full_disk(tmp_path):
    return Refusing(tmp_path / "rows.jsonl"), "No space left on device"


def read_only(tmp_path):
    return ReadOnly(tmp_path / "rows.jsonl"), "Read-only file system"


@pytest.mark.parametrize("place", [folder_instead, below_a_file, long_name, read_only, full_disk])
def test_a_place_that_refuses_for_good_is_an_input_error(tmp_path, place):
    path, reason = place(tmp_path)
    with pytest.raises(Bitrix24InputError, match=f"cannot be written: .*{reason}"), whole_file(path):
        pass
