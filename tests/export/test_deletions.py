"""Rows that were deleted between two exports."""

import random

import pytest

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError, Bitrix24OperatingLimitError
from airflow_provider_b24.export.deletions import check_max_deleted, find_deleted
from airflow_provider_b24.export.gone import Kept, export_with_deletions
from airflow_provider_b24.export.job import ExportOptions, exported_ids
from airflow_provider_b24.sandbox import Fault, Operating
from tests.export.conftest import json_rows

DEALS = {"entityTypeId": 2, "select": ["title"], "filter": {"<=id": 3_000}}


@pytest.fixture
def find(deals, make_client, tmp_path):
    """Look for deleted deals and return their ids."""

    def find(method="crm.item.list", params=DEALS, exported=(), owner="", max_deleted=None, **options):
        paths = tmp_path / "ids", tmp_path / "deleted.jsonl"
        client = make_client(portal=deals, **options)
        log = [].append
        count = find_deleted(client, method, params, *paths, log, exported, owner, max_deleted)
        assert {*tmp_path.iterdir()} == {*paths}
        rows = [next(iter(row.values())) for row in json_rows(paths[1])]
        assert len(rows) == count
        return rows

    return find


def test_the_first_time_nothing_is_deleted(find, tmp_path):
    assert find() == []
    assert (tmp_path / "ids").read_text().split("\n")[1:-1] == [str(number) for number in range(1, 3_001)]


@pytest.mark.parametrize("gone", [[1], [3_000], [1, 2, 3, 50, 51, 2_999, 3_000], list(range(1, 3_001)), []])
def test_deleted_rows_are_found_once(find, deals, gone):
    find()
    for number in gone:
        deals.delete_record("deal", number)
    assert find(max_deleted=1.0) == gone
    assert find() == []


def test_new_rows_are_not_deleted_ones(find, deals):
    rng = random.Random(1)  # noqa: S311 - a schedule, not a secret
    params = {"entityTypeId": 2}
    find(params=params)
    gone = sorted(rng.sample(range(1, 25_001), 700))
    for number in gone:
        deals.delete_record("deal", number)
        deals.add_record("deal", TITLE="new")
    assert find(params=params) == gone


def test_a_run_that_fails_finds_them_again(find, deals):
    find()
    deals.delete_record("deal", 82)
    deals.faults = [Fault("expired_token", on=2)]
    with pytest.raises(Bitrix24Error):
        find()
    deals.faults = []
    assert find() == [82]


def test_ids_that_take_longer_than_the_operating_limit_allows_are_read_in_turns(find, deals, clock):
    find(params={"entityTypeId": 2})
    deals.delete_record("deal", 82)
    deals.executed.clear()
    deals.operating = Operating(limit=100, default_cost=1.0)
    waits = 0
    while True:
        try:
            assert find(params={"entityTypeId": 2}, owner="tuesday", max_wait=60.0) == [82]
            break
        except Bitrix24OperatingLimitError as error:
            waits += 1
            clock.sleep(error.retry_at.timestamp() - clock.now())
    assert waits <= 7
    assert deals.executed["crm.item.list"] <= 510 + 60 * waits


def test_a_list_read_by_offset_and_a_file_of_something_else_are_refused(find, deals, tmp_path):
    with pytest.raises(Bitrix24InputError, match="read by id"):
        find("crm.deal.list", {"order": {"TITLE": "ASC"}})
    (tmp_path / "ids").write_text("id;title\n")
    with pytest.raises(Bitrix24InputError, match="not a file of ids"):
        find()
    assert deals.requests == 0


def test_a_retry_of_the_same_run_keeps_what_the_try_before_it_found(find, deals):
    find(owner="monday")
    deals.delete_record("deal", 82)
    assert find(owner="tuesday") == [82]
    deals.delete_record("deal", 7)
    assert find(owner="tuesday") == [7, 82]
    assert find(owner="wednesday") == []


def test_what_was_exported_and_is_gone_again_was_deleted(find, deals):
    find()
    deals.delete_record("deal", 7)
    assert find(exported=[1, 7, 82, 25_001]) == [7, 25_001]
    assert find(exported=[82]) == []


@pytest.mark.parametrize("owner", ["", "task"])
def test_a_row_that_is_gone_before_the_export_ends_is_a_deleted_one(deals, make_client, tmp_path, owner):
    """It is in no list of ids: it was created since the last time, and is exported."""
    params = {"entityTypeId": 2, "select": ["id"]}
    kept = Kept(tmp_path / "ids", params)

    def run():
        options = ExportOptions(tmp_path / "deals.csv", owner=owner)
        client = make_client(portal=deals)
        return export_with_deletions(client, "crm.item.list", params, options, kept, [].append)

    assert run()["deleted"] == 0
    number = deals.add_record("deal", TITLE="new")

    def delete_at_the_end(entry):
        if (tmp_path / "deals.csv").stat().st_mtime_ns > exported:
            deals.on_request = None
            deals.delete_record("deal", number)

    exported = (tmp_path / "deals.csv").stat().st_mtime_ns
    deals.on_request = delete_at_the_end
    owner = owner and "next"
    assert run()["deleted"] == 1
    assert json_rows(tmp_path / "deals.csv.deleted.jsonl") == [{"id": number}]
    assert not (tmp_path / "_bitrix24").exists()


def test_a_row_that_is_back_is_no_longer_a_deleted_one(find, deals):
    find(params={"entityTypeId": 2, "filter": {"stageId": "NEW"}})
    rows = find(params={"entityTypeId": 2, "filter": {"stageId": "NEW"}}, owner="monday")
    assert rows == []
    deals.update_record("deal", 1, STAGE_ID="NEW")
    find(params={"entityTypeId": 2, "filter": {"stageId": "NEW"}}, owner="tuesday")
    deals.update_record("deal", 1, STAGE_ID="WON")
    assert find(params={"entityTypeId": 2, "filter": {"stageId": "NEW"}}, owner="wednesday") == [1]
    deals.update_record("deal", 1, STAGE_ID="NEW")
    assert find(params={"entityTypeId": 2, "filter": {"stageId": "NEW"}}, owner="wednesday") == []


@pytest.mark.parametrize("options", [{}, {"rows_per_file": 500}, {"types": {"id": "string"}}], ids=str)
@pytest.mark.parametrize("name", ["deals.jsonl.gz", "deals.csv", "deals.parquet"])
def test_the_ids_that_were_exported_are_kept(export, deals, make_client, name, options):
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    given = options | {"owner": "task", "remember": True}
    for params, ids in [
        ({"entityTypeId": 2, "filter": {"<=id": 1_234}}, list(range(1, 1_235))),
        ({"entityTypeId": 2, "select": ["title"], "filter": {"<=id": 70}}, []),
        ({"entityTypeId": 2, "filter": {"<=id": 0}}, []),
    ]:
        _, path = export(name, params=params, **given)
        client = make_client(portal=deals)
        assert [*exported_ids(client, "crm.item.list", params, ExportOptions(path, **given))] == ids


@pytest.mark.parametrize(
    ("deleted", "before", "max_deleted", "now"),
    [
        (0, 0, None, 0),
        (0, 100, 0, 0),
        (50, 100, None, 50),
        (20, 21, None, 1),
        (5, 5, None, 3),
        (100, 100, 1.0, 0),
        (100, 100, 1.0, None),
        (7, 100, 7, 93),
        (10, 100, 0.1, 90),
    ],
)
def test_so_many_rows_may_be_deleted(deleted, before, max_deleted, now):
    check_max_deleted(deleted, before, max_deleted, now)


@pytest.mark.parametrize(
    ("deleted", "before", "max_deleted", "now"),
    [
        (51, 100, None, 49),
        (21, 30, None, 9),
        (5, 5, None, 0),
        (5, 5, None, None),
        (5, 5, 1, 0),
        (100, 100, 100, 0),
        (8, 100, 7, 92),
        (11, 100, 0.1, 89),
        (1, 100, 0, 99),
    ],
)
def test_more_rows_may_not_be_deleted(deleted, before, max_deleted, now):
    with pytest.raises(Bitrix24Error, match="nothing was deleted") as caught:
        check_max_deleted(deleted, before, max_deleted, now)
    assert "max_deleted=" in str(caught.value)
    assert not caught.value.temporary


@pytest.mark.parametrize("max_deleted", [-1, 1.5, "10", True, -0.1, float("nan")])
def test_what_is_neither_a_number_of_rows_nor_a_share_is_refused(max_deleted):
    with pytest.raises(Bitrix24InputError, match="max_deleted must be"):
        check_max_deleted(1, 100, max_deleted)


def test_a_right_that_was_taken_away_deletes_nothing(find, deals, tmp_path):
    find(owner="monday")
    kept = (tmp_path / "ids").read_bytes()
    hidden = deals.state.table("deal").hidden
    hidden.update(range(1, 3_001))
    with pytest.raises(Bitrix24Error, match="all 3,000 rows are no longer in the list"):
        find(owner="tuesday")
    assert (tmp_path / "ids").read_bytes() == kept
    assert (tmp_path / "deleted.jsonl").read_bytes() == b""
    assert {path.name for path in tmp_path.iterdir()} == {"ids", "deleted.jsonl"}
    hidden.clear()
    assert find(owner="tuesday") == []


def test_ids_may_be_kept_elsewhere_while_they_are_read(deals, make_client, tmp_path):
    out, scratch = tmp_path / "out", tmp_path / "scratch" / "_bitrix24"
    for _ in range(2):
        client = make_client(portal=deals)
        find_deleted(
            *(client, "crm.item.list", DEALS, out / "ids", out / "gone.jsonl", [].append),
            owner="task",
            scratch=scratch,
        )
        assert {path.name for path in out.iterdir()} == {"ids", "gone.jsonl"}
        assert not scratch.exists()


def test_ids_that_do_not_ascend_tell_no_deletions(find, deals):
    rows = [{"ID": str(number)} for number in range(300, 0, -1)]
    deals.add_method("voximplant.statistic.get", lambda call: rows)
    with pytest.raises(Bitrix24Error, match="does not sort this list by id"):
        find("voximplant.statistic.get", {})
