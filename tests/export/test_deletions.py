"""Rows that were deleted between two exports."""

import random

import pytest

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError, Bitrix24OperatingLimitError
from airflow_provider_b24.export.deletions import exported_ids, find_deleted
from airflow_provider_b24.export.job import ExportOptions
from airflow_provider_b24.sandbox import Fault, Operating
from tests.export.conftest import json_rows

DEALS = {"entityTypeId": 2, "select": ["title"], "filter": {"<=id": 3_000}}


@pytest.fixture
def find(deals, make_client, tmp_path):
    """Look for deleted deals and return their ids."""

    def find(method="crm.item.list", params=DEALS, exported=(), owner="", **options):
        paths = tmp_path / "ids", tmp_path / "deleted.jsonl"
        client = make_client(portal=deals, **options)
        count = find_deleted(client, method, params, *paths, lambda line: None, exported, owner)
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
    assert find() == gone
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
@pytest.mark.parametrize(
    "name", ["deals.jsonl", "deals.jsonl.gz", "deals.csv", "deals.csv.gz", "deals.parquet"]
)
def test_the_ids_that_were_exported_are_read_back(export, tmp_path, name, options):
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    for params, ids in [
        ({"entityTypeId": 2, "filter": {"<=id": 1_234}}, list(range(1, 1_235))),
        ({"entityTypeId": 2, "select": ["title"], "filter": {"<=id": 70}}, []),
        ({"entityTypeId": 2, "filter": {"<=id": 0}}, []),
    ]:
        summary, path = export(name, params=params, **options)
        assert [*exported_ids("crm.item.list", ExportOptions(path, **options), summary)] == ids
