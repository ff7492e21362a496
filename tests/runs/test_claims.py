"""A file is written by one run at a time, whatever the file is."""

import os

import pytest

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.runs import claims
from airflow_provider_b24.runs.claims import Claims
from airflow_provider_b24.runs.identity import RunIdentity

ONE, TWO = RunIdentity("task load of DAG one, run 1"), RunIdentity("task load of DAG one, run 2")


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "deals.csv.parts"
    folder.mkdir()
    return Claims(tmp_path / "deals.csv", folder, "file", "output_path")


def test_a_second_run_is_refused_until_the_first_has_finished(files):
    first = files.claim("one", ONE, now=1.0)
    with pytest.raises(Bitrix24InputError) as caught:
        files.claim("two", TWO, now=2.0)
    assert f"{files.path} is the file of another run that has not finished: {ONE.run_id}" in str(caught.value)
    assert "Give each run its own output_path" in str(caught.value)
    files.release(first, finished=True)
    files.release(files.claim("two", TWO, now=3.0))
    assert list(files.folder.iterdir()) == []


def test_a_run_does_not_refuse_itself(files):
    files.claim("one", ONE, now=1.0)
    files.claim("one", ONE, now=2.0)
    files.claim("another input", ONE, now=3.0)


def test_a_process_that_is_gone_claims_nothing(files, monkeypatch):
    files.claim("one", RunIdentity(), now=1.0)
    with pytest.raises(Bitrix24InputError, match=f"process {os.getpid()} on "):
        files.claim("two", RunIdentity(), now=2.0)

    def gone(pid, signal):
        raise ProcessLookupError

    monkeypatch.setattr(claims.os, "kill", gone)
    files.claim("two", RunIdentity(), now=2.0)


def test_of_two_that_begin_at_once_the_first_one_stays(files, monkeypatch):
    listed, hidden = claims.listed, [True]
    monkeypatch.setattr(claims, "listed", lambda folder: [] if hidden and hidden.pop() else listed(folder))
    files.claim("one", ONE, now=1.0)
    hidden.append(True)
    with pytest.raises(Bitrix24InputError, match="run 1"):
        files.claim("two", TWO, now=2.0)
    hidden.append(True)
    files.claim("zero", RunIdentity("an earlier start"), now=0.5)


def test_instances_of_a_mapped_task_do_not_replace_one_another(files):
    mapped = [RunIdentity(f"task[{index}]", mapped_run="task, run 1") for index in (0, 1)]
    files.release(files.claim("one", mapped[0], now=1.0), finished=True)
    with pytest.raises(Bitrix24InputError, match=r"is already the file of task\[0\].*map_index"):
        files.claim("two", mapped[1], now=2.0)
    files.claim("three", RunIdentity("task[1]", mapped_run="task, run 2"), now=3.0)
