"""Where watermarks are kept."""

from types import SimpleNamespace

import pytest

from airflow_provider_b24.errors import Bitrix24ConfigError

pytestmark = pytest.mark.airflow


class AssetStore(dict):
    """The state store of one asset, as a task's context has it on Airflow 3.3."""

    def set(self, key, value):
        self[key] = value


@pytest.fixture
def store_of(airflow_console):
    from airflow_provider_b24.hooks.watermarks import WatermarkStore

    def make(task_id, store, map_index=-1, dag_id="nightly"):
        ti = SimpleNamespace(dag_id=dag_id, task_id=task_id, map_index=map_index)
        task = SimpleNamespace(inlets=[], outlets=["warehouse"])
        return WatermarkStore({"ti": ti, "task": task, "asset_state_store": store})

    return make


def test_tasks_that_share_an_asset_have_watermarks_of_their_own(store_of):
    asset = AssetStore()
    stores = [
        store_of("export_deals", asset),
        store_of("export_contacts", asset),
        store_of("export_deals", asset, map_index=0),
        store_of("export_deals", asset, map_index=1),
        store_of("export_deals", asset, dag_id="hourly"),
    ]
    for number, store in enumerate(stores):
        assert store.load() is None
        store.save(f"2026-11-25T00:00:0{number}+00:00")
    assert [store.load()[18] for store in stores] == ["0", "1", "2", "3", "4"]


def test_a_stored_value_that_is_no_text_is_refused(store_of):
    asset = AssetStore(bitrix24_watermark__nightly__export=5)
    with pytest.raises(Bitrix24ConfigError, match="must be text, got int"):
        store_of("export", asset).load()
