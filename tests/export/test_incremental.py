"""Exports of what changed: together they are the portal's rows, whatever happens between and during them."""

import random
from datetime import UTC, datetime, timedelta, timezone

import pytest

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.export.incremental import KeptTime, changed_since, narrowed
from tests.export.conftest import json_rows
from tests.rest.conftest import FakeClock

DEALS = {"entityTypeId": 2, "select": ["id", "title", "updatedTime"]}


def test_the_condition_begins_before_the_watermark_in_its_own_time_zone():
    since = "2026-11-25T00:02:00+03:00"
    params = changed_since("crm.item.list", DEALS | {"filter": {"stageId": "WON"}}, "updatedTime", since, 300)
    assert params["filter"] == {"stageId": "WON", ">=updatedTime": "2026-11-24T23:57:00+03:00"}
    assert params["select"] == DEALS["select"]


@pytest.mark.parametrize("since", ["2026-11-25", "2026-11-25T00:00:00", "yesterday", None, 5])
def test_a_time_without_an_offset_is_refused(since):
    with pytest.raises(Bitrix24InputError, match="ISO 8601"):
        changed_since("crm.item.list", DEALS, "updatedTime", since)


def test_since_may_be_a_datetime():
    moscow = datetime(2026, 11, 25, 0, 2, tzinfo=timezone(timedelta(hours=3)))
    params = changed_since("crm.item.list", DEALS, "updatedTime", moscow, 300)
    assert params["filter"] == {">=updatedTime": "2026-11-24T23:57:00+03:00"}


@pytest.mark.parametrize("overlap", [-1, float("nan"), float("inf"), "300", None, True])
def test_an_overlap_is_a_number_of_seconds(overlap):
    with pytest.raises(Bitrix24InputError, match="overlap must be a number of seconds"):
        changed_since("crm.item.list", DEALS, "updatedTime", "2026-11-25T00:00:00Z", overlap)


@pytest.mark.parametrize("since", [None, "", " ", "None"])
def test_without_since_everything_is_read(since):
    assert narrowed("crm.item.list", DEALS, "updatedTime", since, 300, 0.0, print) is None


def test_a_since_of_less_than_ten_minutes_ago_is_a_warning():
    warnings = []
    since = datetime(2026, 11, 25, tzinfo=UTC)

    def narrow(given, seconds):
        now = since.timestamp() + seconds
        return narrowed("crm.item.list", DEALS, "updatedTime", given, 0, now, warnings.append)

    assert narrow(since, 600)["filter"] == {">=updatedTime": "2026-11-25T00:00:00+00:00"}
    narrow(KeptTime(since.isoformat()), 0)  # a task that runs every five minutes
    assert warnings == []
    narrow(since.isoformat(), 599)
    assert "has no length by default" in warnings[0]
    narrow(since, -1)
    assert len(warnings) == 2


def test_since_alone_is_refused():
    for field in (None, ""):
        with pytest.raises(Bitrix24InputError, match="since needs incremental"):
            narrowed("crm.item.list", DEALS, field, "2026-11-25T00:00:00Z", 300, 0.0, print)


def test_a_filter_with_logic_is_nested_or_refused():
    given = {"logic": "OR", "0": {"stageId": "WON"}}
    since = "2026-11-25T00:00:00+00:00"
    params = changed_since("crm.item.list", {"filter": given}, "updatedTime", since, 0)
    assert params["filter"] == {">=updatedTime": since, "0": given}
    with pytest.raises(Bitrix24InputError, match="cannot be narrowed"):
        changed_since("crm.deal.list", {"filter": given}, "DATE_MODIFY", since)


def test_a_condition_of_the_same_kind_is_refused():
    with pytest.raises(Bitrix24InputError, match="already has the condition >=updatedTime"):
        changed_since(
            "crm.item.list", {"filter": {">=updatedTime": "x"}}, "updatedTime", "2026-11-25T00:00:00Z"
        )


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("method", "params", "field", "key"),
    [
        ("crm.item.list", DEALS, "updatedTime", "id"),
        ("crm.deal.list", {"select": ["ID", "TITLE", "DATE_MODIFY"]}, "DATE_MODIFY", "ID"),
    ],
)
def test_twenty_runs_together_are_the_portal_s_rows(
    deals, make_client, clock, tmp_path, seed, method, params, field, key
):
    from airflow_provider_b24.export.job import ExportOptions, export_list

    rng = random.Random(seed)  # noqa: S311 - a schedule, not a secret
    deals.latency = 0.4

    def live(entry):
        """What other people do while a request is on its way, several times in a second."""
        for _ in range(rng.randint(0, 8)):
            number = rng.randint(1, 25_000)
            deals.update_record("deal", number, TITLE=f"changed {clock.now()} {rng.random()}")
            deals.add_record("deal", TITLE=f"new {clock.now()}")

    merged = {}
    since = None
    for run in range(20):
        deals.on_request = live if run < 19 else None
        narrowed = params if since is None else changed_since(method, params, field, since, overlap=1.0)
        path = tmp_path / f"{run}.jsonl"
        client = make_client(portal=deals)
        since = export_list(client, method, narrowed, ExportOptions(path), lambda line: None)["watermark"]
        merged |= {int(row[key]): row for row in json_rows(path)}
        clock.sleep(rng.choice([0.0, 0.3, 3600.0]))
        if run:
            assert client.requests < 12
    everything = json_rows_of(deals, make_client, method, params, key)
    assert merged == everything


def json_rows_of(deals, make_client, method, params, key):
    rows = make_client(portal=deals).pages(method, params)
    return {int(row[key]): row for row in rows}


def test_a_watermark_is_the_time_of_the_portal_before_the_first_row(export, clock):
    summary, _ = export("deals.jsonl", params=DEALS)
    watermark = datetime.fromisoformat(summary["watermark"])
    assert watermark.tzinfo is not None
    assert abs(watermark - datetime.fromtimestamp(clock.now(), timezone(timedelta(0)))) < timedelta(seconds=2)


@pytest.mark.parametrize("ahead", [9000 * 86400.0, -7200.0])
def test_a_watermark_is_the_earlier_of_two_clocks(deals, make_client, clock, tmp_path, caplog, ahead):
    from airflow_provider_b24.export.job import ExportOptions, export_list

    client = make_client(portal=deals)
    client.clock = FakeClock(clock.now() - ahead)
    summary = export_list(client, "crm.item.list", DEALS, ExportOptions(tmp_path / "a.jsonl"), print)
    counts = clock.now() - max(0.0, ahead)
    assert abs(datetime.fromisoformat(summary["watermark"]).timestamp() - counts) < 2
    assert len([one for one in caplog.messages if "The portal's clock says" in one]) == 1


@pytest.mark.parametrize("params", [{"UF_DEPARTMENT": 1}, {"filter": {"UF_DEPARTMENT": 1}}])
def test_conditions_of_users_stay_conditions_when_one_is_added(params):
    since = "2026-11-20T10:00:00+00:00"
    narrowed = changed_since("user.get", params, "TIMESTAMP_X", since, overlap=0.0)
    assert narrowed == {"FILTER": {"UF_DEPARTMENT": 1, ">=TIMESTAMP_X": since}}


@pytest.mark.parametrize("logic", ["logic", "LOGIC", "::LOGIC"])
def test_alternatives_in_a_list_whose_filters_do_not_nest_are_refused(logic):
    with pytest.raises(Bitrix24InputError, match="cannot be narrowed"):
        changed_since(
            "tasks.task.list", {"filter": {logic: "OR"}}, "CHANGED_DATE", "2026-11-20T10:00:00+00:00"
        )
