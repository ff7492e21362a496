"""Where watermarks are kept, and how a run's end is asked for; on each version of Airflow."""

import contextlib
import json
import sqlite3
from types import SimpleNamespace

import pytest

from airflow_provider_b24.errors import Bitrix24ConfigError, Bitrix24TransportError

pytestmark = pytest.mark.airflow

DEALS = {"entityTypeId": 2}


class AssetStores(dict):
    """The state stores of assets, as a task's context has them on Airflow 3.3; of any asset that is known."""

    known = True

    def __getitem__(self, asset):
        if isinstance(asset, str):
            return super().__getitem__(asset)
        values = self.setdefault(asset.name, {})

        def set_(key, value):
            if self.known:
                values[key] = value

        return SimpleNamespace(get=values.get, set=set_, delete=lambda key: values.pop(key, None))


class Instance:
    """A task instance of Airflow 3."""

    def __init__(self, statuses, run_id, map_index, task_id, dag_id, tries=1, max_tries=0):
        self.statuses = statuses
        self.run_id, self.map_index, self.task_id, self.dag_id = run_id, map_index, task_id, dag_id
        self.try_number, self.max_tries = tries, max_tries

    def get_task_states(self, dag_id, task_ids, run_ids):
        found = {}
        for (run_id, index), status in self.statuses.items():
            if run_id in run_ids:
                name = self.task_id if index < 0 else f"{self.task_id}_{index}"
                found.setdefault(run_id, {})[name] = status
        return found

    def get_ti_count(self, dag_id, task_ids, states, run_ids=None):
        return sum(
            status in states and (run_ids is None or run_id in run_ids)
            for (run_id, _), status in self.statuses.items()
        )


@pytest.fixture
def variables(airflow_console):
    """The Variables of Airflow, as a dict."""
    from airflow_provider_b24.hooks.variables import get_variable, set_variable
    from tests.conftest import delete_variables

    delete_variables()
    return SimpleNamespace(get=get_variable, set=lambda key, value: set_variable(key, value, ""))


@pytest.fixture
def start(variables):
    """Begin a run of a task: `start("run 1")` returns its store and where it begins."""
    from airflow_provider_b24.hooks.watermarks import ListRead, WatermarkStore

    statuses = {}

    def start(run_id, params=DEALS, index=-1, task="export", dag="nightly", outlets=(), assets=None, **facts):
        ti = Instance(statuses, run_id, index, task, dag, **facts)
        context = {"ti": ti, "task": SimpleNamespace(inlets=[], outlets=list(outlets), retries=0)}
        if assets is not None:
            context["asset_state_store"] = assets
        read = ListRead("https://mycompany.bitrix24.com", "crm.item.list", params, "updatedTime")
        store = WatermarkStore(context, read)
        return store, store.begin(300.0)

    def run(run_id, until="2026-11-25T00:00:00+00:00", status="success", **options):
        store, since = start(run_id, **options)
        store.finish(until)
        statuses[run_id, options.get("index", -1)] = status
        return since

    return SimpleNamespace(begin=start, run=run, statuses=statuses)


def keys():
    from tests.conftest import DATABASE

    with contextlib.closing(sqlite3.connect(DATABASE)) as database:
        return sorted(key for (key,) in database.execute("SELECT key FROM variable"))


def asset(name="warehouse"):
    from airflow.providers.common.compat.sdk import Asset
    from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

    if not AIRFLOW_V_3_0_PLUS:
        pytest.skip("only Airflow 3 has assets that keep a state")
    return Asset(name=name, uri=f"x://{name}")


def test_a_run_begins_where_the_last_one_that_succeeded_began_to_read(start):
    assert start.run("run 1", "2026-11-25T00:00:00+00:00") is None
    assert start.run("run 2", "2026-11-25T01:00:00+00:00", status="failed") == "2026-11-25T00:00:00+00:00"
    assert start.run("run 2", "2026-11-25T02:00:00+00:00") == "2026-11-25T00:00:00+00:00"
    assert start.run("run 3") == "2026-11-25T02:00:00+00:00"
    assert keys() == ["bitrix24_watermark__nightly__export"]


def test_the_log_says_where_reading_really_begins(start, variables, caplog):
    variables.set("bitrix24_watermark__nightly__export", "2026-11-25T00:00:00+00:00")
    with caplog.at_level("INFO"):
        start.begin("run 1")
    assert (
        "Reading what changed since 2026-11-24T23:55:00+00:00, 300 seconds before the watermark"
        in caplog.text
    )


def test_tasks_have_watermarks_of_their_own(start):
    start.run("run 1")
    assert start.begin("run 1", task="contacts")[1] is None
    assert start.begin("run 1", dag="hourly")[1] is None
    # "__" is part of both ids, so these two share a Variable
    start.run("run 1", dag="a__b", task="c")
    assert start.begin("run 2", dag="a", task="b__c")[1] is None
    assert len([key for key in keys() if key.endswith("a__b__c")]) == 1


def test_mapped_instances_have_a_variable_for_each_list(start, caplog):
    for index, entity in enumerate((2, 4)):
        assert (
            start.run(
                "run 1", f"2026-11-25T0{index}:00:00+00:00", index=index, params={"entityTypeId": entity}
            )
            is None
        )
    assert "No watermark" not in caplog.text
    begins = [
        start.run("run 2", index=index, params={"entityTypeId": entity})
        for index, entity in enumerate((1, 4, 2))
    ]
    assert begins == [None, "2026-11-25T01:00:00+00:00", "2026-11-25T00:00:00+00:00"]
    assert "this mapped task has succeeded in other runs" in caplog.text
    assert len(keys()) == 3


def test_long_ids_give_names_that_a_database_takes(start):
    for index, length in ((-1, 40), (-1, 120), (-1, 250), (3, 100), (3, 250)):
        start.run("run 1", dag="d" * length, task="t" * length, index=index)
        start.run("run 1", dag="d" * length, task="t" * length + "2", index=index)
    assert len(keys()) == 10
    assert max(map(len, keys())) <= 250
    assert start.begin("run 2", dag="d" * 250, task="t" * 250)[1] == "2026-11-25T00:00:00+00:00"


@pytest.mark.parametrize("text", ["garbage", "{}", "2026-11-25"])
def test_what_is_no_watermark_is_named(start, variables, text):
    variables.set("bitrix24_watermark__nightly__export", text)
    with pytest.raises(
        Bitrix24ConfigError, match="The Variable bitrix24_watermark__nightly__export holds no"
    ):
        start.begin("run 1")
    assert variables.get("bitrix24_watermark__nightly__export") == text


def test_a_variable_that_cannot_be_changed_fails_before_anything_is_read(start, monkeypatch):
    monkeypatch.setenv("AIRFLOW_VAR_BITRIX24_WATERMARK__NIGHTLY__EXPORT", "2026-11-25T00:00:00+00:00")
    with pytest.raises(Bitrix24TransportError, match="a secrets backend or the environment has a Variable"):
        start.begin("run 1")


def test_a_test_of_a_task_moves_nothing(start, monkeypatch):
    start.run("run 1", "2026-11-25T00:00:00+00:00")
    name = "__airflow_temporary_run_2026-11-25T00:00:00+00:00__"
    assert start.run(name, "2026-11-26T00:00:00+00:00") == "2026-11-25T00:00:00+00:00"
    monkeypatch.setenv("AIRFLOW_TEST_MODE", "True")
    start.run("run 2", "2026-11-26T00:00:00+00:00")
    monkeypatch.delenv("AIRFLOW_TEST_MODE")
    assert start.run("run 3") == "2026-11-25T00:00:00+00:00"


def test_a_cleared_run_that_is_not_remembered_reads_everything(start, variables, caplog):
    variables.set("bitrix24_watermark__nightly__export", "2026-11-25T00:00:00+00:00")
    assert start.begin("old", tries=2, max_tries=1)[1] is None
    assert "Where the run old began is not known" in caplog.text
    assert start.begin("retried", tries=2, max_tries=0)[1] == "2026-11-25T00:00:00+00:00"


def test_two_runs_that_write_at_once_lose_nothing(start, variables, mocker):
    """Another run writes what it had read before: our note is gone, and is made again."""
    start.run("run 1")
    before = variables.get("bitrix24_watermark__nightly__export")
    from airflow_provider_b24.hooks import watermarks

    def overwrite(seconds):
        sleep.side_effect = None
        variables.set("bitrix24_watermark__nightly__export", before)

    sleep = mocker.patch.object(watermarks.time, "sleep", autospec=True, side_effect=overwrite)
    start.run("run 2", "2026-11-25T05:00:00+00:00")
    noted = json.loads(variables.get("bitrix24_watermark__nightly__export"))
    ((one),) = noted["lists"].values()
    assert one["runs"]["run 2"] == {
        "since": "2026-11-25T00:00:00+00:00",
        "begun": one["runs"]["run 2"]["begun"],
        "until": {"-1": "2026-11-25T05:00:00+00:00"},
    }


def test_one_asset_keeps_the_watermark(start):
    stores, outlets = AssetStores(), [asset()]
    start.run("run 1", outlets=outlets, assets=stores)
    assert list(stores["warehouse"]) == ["bitrix24_watermark__nightly__export"]
    assert keys() == []
    assert start.run("run 2", outlets=outlets, assets=stores) == "2026-11-25T00:00:00+00:00"


def test_a_watermark_follows_when_the_outlets_change(start):
    stores, one, two = AssetStores(), asset(), asset("lake")
    start.run("run 1", "2026-11-25T01:00:00+00:00")  # as on Airflow before 3.3
    assert (
        start.run("run 2", "2026-11-25T02:00:00+00:00", outlets=[one], assets=stores)
        == "2026-11-25T01:00:00+00:00"
    )
    assert keys() == []
    assert start.run("run 3", outlets=[one, two], assets=stores) == "2026-11-25T02:00:00+00:00"
    assert keys() == ["bitrix24_watermark__nightly__export"]
    assert stores == {"warehouse": {}, "lake": {}}


def test_an_asset_that_airflow_does_not_know_keeps_nothing(start):
    stores = AssetStores()
    stores.known = False
    start.run("run 1", outlets=[asset()], assets=stores)
    assert start.run("run 2", outlets=[asset()], assets=stores) == "2026-11-25T00:00:00+00:00"
    assert keys() == ["bitrix24_watermark__nightly__export"]


@pytest.mark.parametrize("outlets", [["text"], [SimpleNamespace(name="alias")], []])
def test_outlets_that_are_no_asset_use_the_variable(start, outlets):
    start.run("run 1", outlets=outlets, assets=AssetStores())
    assert keys() == ["bitrix24_watermark__nightly__export"]


def test_the_variable_holds_no_value_of_a_filter(start, variables):
    start.run("run 1", params={"entityTypeId": 2, "filter": {"email": "ada@example.org"}})
    assert "ada" not in variables.get("bitrix24_watermark__nightly__export")
