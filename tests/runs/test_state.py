"""Whether a try is still the current one, and how far it is, by what its store holds."""

from dataclasses import dataclass

import pytest

from airflow_provider_b24.errors import Bitrix24Error
from airflow_provider_b24.runs.fence import Fence, SupersededError
from airflow_provider_b24.runs.state import Checkpoint, RunState
from tests.sync.conftest import MemoryStore


@dataclass
class Position(RunState):
    rows: int = 0


def begin(store, **options):
    fence = Fence(store.run.try_number if store else 0, now=1_800_000_000.0)
    checkpoint = Checkpoint(store, fence, "input", Position(), lambda state: None, **options)
    checkpoint.start()
    return checkpoint


def begun(saved, number=1):
    return begin(MemoryStore(saved, number=number))


def test_a_try_that_another_one_has_replaced_notices_it():
    saved = {}
    first = begun(saved)
    first.check()
    second = begun(saved, number=2)
    with pytest.raises(SupersededError):
        first.check()
    with pytest.raises(SupersededError):
        begun(saved)
    second.check()
    assert second.finish() is True


def test_a_try_whose_state_was_deleted_saves_it_again():
    saved = {}
    checkpoint = begun(saved)
    saved.clear()
    checkpoint.check()
    assert saved != {}


def test_a_state_of_any_kind_comes_back_typed():
    saved = {}
    first = begun(saved)
    first.state.rows, first.state.requests = 7, 3
    first.save()
    second = begun(saved)
    assert second.state == Position(requests=3, rows=7)
    assert not second.was_finished
    assert second.finish()
    third = begun(saved)
    assert (third.state, third.was_finished) == (Position(), True)


def test_another_generation_starts_over_but_later():
    saved = {}
    first = begun(saved)
    first.state.rows = 7
    first.save()
    cleared = begin(MemoryStore(saved, number=2, generation="1"))
    assert cleared.state == Position()
    with pytest.raises(SupersededError):
        first.save()


def test_a_store_that_is_the_only_record_must_be_there():
    class Unavailable(MemoryStore):
        def load(self):
            raise ConnectionError

    assert begin(Unavailable()).state == Position()
    with pytest.raises(Bitrix24Error, match=r"cannot be read \(ConnectionError\)\. Set a path"):
        begin(Unavailable(), only_record="Set a path")


def test_without_a_store_nothing_is_kept():
    checkpoint = begin(None)
    checkpoint.save()
    assert checkpoint.finish() is True
