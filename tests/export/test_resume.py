"""Exports that end early: what a later try reads again, and what is at the path."""

import gzip
import random
from contextlib import suppress

import pytest

from airflow_provider_b24.errors import (
    Bitrix24AuthError,
    Bitrix24Error,
    Bitrix24OperatingLimitError,
    Bitrix24TransportError,
)
from airflow_provider_b24.export.job import ExportOptions, exported_ids, forget
from airflow_provider_b24.export.pieces import Pieces
from airflow_provider_b24.export.scratch import FOLDER
from airflow_provider_b24.sandbox import Answer, Fault, Operating
from tests.export.conftest import json_rows

ALL = {"entityTypeId": 2, "select": ["id", "title"]}


class Killed(BaseException):
    """The end of a process, as far as a test can have one."""


def killed_at(portal, request):
    """Let the portal stop its client for good at a request."""

    def count(entry):
        if portal.requests >= request:
            raise Killed

    portal.on_request = count


@pytest.mark.parametrize("name", ["deals.jsonl.gz", "deals.csv", "deals.parquet"])
def test_a_killed_export_goes_on_after_its_last_piece(export, deals, name, tmp_path):
    pytest.importorskip("pyarrow")
    for request in (4, 12, 19):
        killed_at(deals, request)
        with pytest.raises(Killed):
            export(name, params=ALL, owner="task")
        assert not (tmp_path / name).exists()
    deals.on_request = None
    log = []
    summary, path = export(name, params=ALL, owner="task", log=log)
    assert summary["rows"] == 25_000
    assert log[0] == "resuming after 20,000 rows, at id 20000"
    assert deals.requests <= 19 + 4
    assert [path.name for path in tmp_path.iterdir()] == [name]
    _, other = export("other-" + name, params=ALL)
    read = gzip.decompress if name.endswith(".gz") else bytes
    assert read(path.read_bytes()) == read(other.read_bytes())


def test_the_watermark_is_that_of_the_first_try(export, deals, clock):
    killed_at(deals, 9)
    with pytest.raises(Killed):
        export("deals.jsonl", params=ALL, owner="task")
    deals.on_request = None
    clock.sleep(3600)
    resumed, _ = export("deals.jsonl", params=ALL, owner="task")
    fresh, _ = export("deals.jsonl", params=ALL, owner="task")
    assert resumed["watermark"] < fresh["watermark"]


def test_another_export_under_the_same_name_begins_anew(export, deals):
    killed_at(deals, 9)
    with pytest.raises(Killed):
        export("deals.jsonl", params=ALL, owner="task")
    deals.on_request = None
    _, path = export("deals.jsonl", params=ALL | {"filter": {">id": 100}}, owner="task")
    assert [row["id"] for row in json_rows(path)] == list(range(101, 25_001))


def test_another_task_s_pieces_are_left_alone(export, deals, tmp_path):
    killed_at(deals, 9)
    with pytest.raises(Killed):
        export("deals.jsonl", params=ALL, owner="one")
    deals.on_request = None
    left = {path.name for path in (tmp_path / FOLDER).iterdir()}
    _, path = export("deals.jsonl", params=ALL, owner="two")
    assert len(json_rows(path)) == 25_000
    assert {path.name for path in tmp_path.iterdir()} == {"deals.jsonl", FOLDER}
    assert {path.name for path in (tmp_path / FOLDER).iterdir()} == left


def test_a_wait_that_is_too_long_keeps_what_was_read(export, deals, make_client, clock, tmp_path):
    deals.operating = Operating(limit=100, default_cost=1.0)
    waits = 0
    while True:
        try:
            summary, path = export(
                "deals.jsonl", params=ALL, owner="task", client=make_client(portal=deals, max_wait=60.0)
            )
        except Bitrix24OperatingLimitError as error:
            waits += 1
            clock.sleep(error.retry_at.timestamp() - clock.now())
            assert not (tmp_path / "deals.jsonl").exists()
        else:
            break
    assert [row["id"] for row in json_rows(path)] == list(range(1, 25_001))
    assert waits <= 7
    assert deals.executed["crm.item.list"] <= 510 + 60 * waits
    assert summary["requests"] == deals.requests


def test_a_list_read_by_offset_begins_anew(export, deals):
    params = {"order": {"ID": "DESC"}, "select": ["ID"]}
    killed_at(deals, 9)
    with pytest.raises(Killed):
        export("deals.jsonl", "crm.deal.list", params, owner="task")
    deals.on_request = None
    _, path = export("deals.jsonl", "crm.deal.list", params, owner="task")
    assert [int(row["ID"]) for row in json_rows(path)] == list(range(25_000, 0, -1))


@pytest.mark.parametrize("owner", ["", "task"])
def test_a_permanent_error_leaves_nothing(export, deals, owner, tmp_path):
    deals.faults = [Fault("expired_token", on=8)]
    with pytest.raises(Bitrix24AuthError):
        export("deals.jsonl", params=ALL, owner=owner)
    assert list(tmp_path.iterdir()) == []


def test_a_portal_that_is_down_leaves_the_path_untouched(export, deals, make_client):
    _, path = export("deals.jsonl", params=ALL | {"filter": {"<=id": 10}})
    before = path.read_bytes()
    deals.faults = [Fault("reset", every=1)]
    with pytest.raises(Bitrix24TransportError):
        export("deals.jsonl", params=ALL, client=make_client(portal=deals, retry_timeout=1.0))
    assert path.read_bytes() == before


def test_pieces_of_tries_that_overlap_are_joined_by_their_ids(tmp_path):
    pieces = Pieces(tmp_path / "deals.jsonl", "task", "all")
    for after, last in [(0, 10), (10, 20), (0, 12), (12, 20), (20, 30), (25, 35), (40, 50)]:
        with pieces.new() as piece:
            piece.file.write(b"")
            piece.finish(after, last, last - after)
    assert [(one.after, one.last) for one in pieces.chain()] == [(0, 12), (12, 20), (20, 30)]


def test_a_longer_piece_that_leads_nowhere_is_left_out(tmp_path):
    pieces = Pieces(tmp_path / "deals.jsonl", "task", "all")
    for after, last in [(0, 10), (10, 20), (0, 12), (20, 30)]:
        with pieces.new() as piece:
            piece.file.write(b"")
            piece.finish(after, last, last - after)
    assert [(one.after, one.last) for one in pieces.chain()] == [(0, 10), (10, 20), (20, 30)]


@pytest.mark.parametrize("params", [ALL, ALL | {"order": {"id": "DESC"}}], ids=["by id", "by offset"])
@pytest.mark.parametrize("request_number", [4, 7, 11])
def test_a_try_that_another_one_overtakes_never_publishes_a_part(
    export, deals, tmp_path, request_number, params
):
    """The other try begins and ends while this one is frozen, as an orphan's worker may be."""
    others = []

    def overtake(entry):
        if deals.requests == request_number:
            deals.on_request = None
            others.append(export("deals.jsonl", params=params, owner="task")[0]["rows"])

    def ids():
        return sorted(row["id"] for row in json_rows(tmp_path / "deals.jsonl"))

    deals.on_request = overtake
    with pytest.raises(Bitrix24Error) as caught:
        export("deals.jsonl", params=params, owner="task")
    assert caught.value.temporary
    assert others == [25_000]
    assert ids() == list(range(1, 25_001))
    summary, _ = export("deals.jsonl", params=params, owner="task")
    assert summary["rows"] == 25_000
    assert ids() == list(range(1, 25_001))


def test_a_try_that_lost_its_pieces_may_be_repeated(export, deals, tmp_path):
    def delete(entry):
        if deals.requests == 8:
            for path in (tmp_path / FOLDER).iterdir():
                path.unlink()

    deals.on_request = delete
    with pytest.raises(Bitrix24Error, match="are gone: another try") as caught:
        export("deals.jsonl", params=ALL, owner="task")
    assert caught.value.temporary
    deals.on_request = None
    assert export("deals.jsonl", params=ALL, owner="task")[0]["rows"] == 25_000


def test_pieces_of_another_export_under_the_same_name_are_not_joined(export, deals, tmp_path):
    """The tries differ in what they read; the one that was overtaken goes on, and none mixes their rows."""
    narrow = ALL | {"filter": {"%title": "1"}}
    wanted = [row["id"] for row in json_rows(export("narrow.jsonl", params=narrow)[1])]

    def overtake(entry):
        if deals.requests == start + 6:
            deals.on_request = killed_at
            with pytest.raises(Killed):
                export("deals.jsonl", params=ALL, owner="task")
            deals.on_request = None

    def killed_at(entry):
        if deals.requests == start + 16:
            raise Killed

    start = deals.requests
    deals.on_request = overtake
    with suppress(Bitrix24Error):
        export("deals.jsonl", params=narrow, owner="task")
        assert [row["id"] for row in json_rows(tmp_path / "deals.jsonl")] == wanted


@pytest.mark.parametrize("seed", range(10))
def test_tries_killed_anywhere_end_with_the_exact_file(export, deals, seed):
    rng = random.Random(seed)  # noqa: S311 - a schedule, not a secret
    while True:
        killed_at(deals, deals.requests + rng.randint(1, 9))
        if rng.random() < 0.3:
            deals.on_request = None
        deals.delete_record("deal", rng.randint(20_001, 25_000))
        try:
            _, path = export("deals.jsonl", params=ALL, owner="task")
        except Killed:
            continue
        break
    ids = [row["id"] for row in json_rows(path)]
    assert ids == sorted(set(ids))
    assert set(range(1, 20_001)) <= set(ids)
    assert set(deals.state.table("deal").ids()) <= set(ids)


@pytest.mark.parametrize("options", [{}, {"rows_per_file": 10_000}], ids=str)
def test_a_finished_export_is_remembered_until_it_is_forgotten(export, deals, make_client, tmp_path, options):
    given = options | {"owner": "task", "remember": True}
    first, path = export("deals.jsonl", params=ALL, **given)
    client = make_client(portal=deals)
    assert [*exported_ids(client, "crm.item.list", ALL, ExportOptions(path, **given))] == [*range(1, 25_001)]
    requests = deals.requests
    assert export("deals.jsonl", params=ALL, **given)[0] == first
    assert deals.requests == requests
    next(tmp_path.glob("deals*.jsonl")).unlink()
    assert export("deals.jsonl", params=ALL, **given)[0]["rows"] == 25_000
    forget(client, "crm.item.list", ALL, ExportOptions(path, **given))
    assert not (tmp_path / FOLDER).exists()


def test_a_list_that_the_portal_does_not_sort_is_complete(export, deals):
    """Pieces of such a list are not named by ids, and no later try relies on them."""
    rows = [{"ID": str(number)} for number in range(25_000, 0, -1)]

    def page(call):
        start = max(0, call.start or 0)
        return Answer(rows[start : start + 50], total=len(rows), next=start + 50 if start < 24_950 else None)

    deals.add_method("voximplant.statistic.get", page)
    summary, path = export("calls.jsonl", "voximplant.statistic.get", {}, owner="task")
    assert summary["rows"] == 25_000
    assert json_rows(path) == rows
    killed_at(deals, deals.requests + 8)
    with pytest.raises(Killed):
        export("calls.jsonl", "voximplant.statistic.get", {}, owner="task")
    deals.on_request = None
    assert export("calls.jsonl", "voximplant.statistic.get", {}, owner="task")[0]["rows"] == 25_000
    assert json_rows(path) == rows
    assert not (path.parent / FOLDER).exists()
