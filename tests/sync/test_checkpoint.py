"""Whether a try is still the current one, as its store tells."""

import pytest

from airflow_provider_b24.sync.checkpoint import Checkpoint, SupersededError
from tests.sync.conftest import MemoryProgress


def begun(store, number=1):
    checkpoint = Checkpoint(MemoryProgress(store, number=number), "input", lambda cursor: None)
    checkpoint.start(now=1_800_000_000.0)
    return checkpoint


def test_a_try_that_another_one_has_replaced_notices_it():
    store = {}
    first = begun(store)
    first.check()
    second = begun(store, number=2)
    with pytest.raises(SupersededError):
        first.check()
    second.check()
    assert second.finish() is True


def test_a_try_whose_state_was_deleted_saves_it_again():
    store = {}
    checkpoint = begun(store)
    store.clear()
    checkpoint.check()
    assert store != {}
