"""Of several tries of a run, only the latest may write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_b24.runs.fence import Fence, SupersededError, TryId

try_ids = st.builds(
    TryId, st.integers(0, 99_999), st.integers(0, 10**15 - 1), st.text("0123456789abcdef", min_size=4)
)


@given(try_ids, try_ids)
def test_ids_are_ordered_as_their_texts_are_and_can_be_read_back(one, two):
    assert TryId.parse(str(one)) == one
    assert (str(one) < str(two)) == (one < two)


def test_a_try_is_later_than_all_earlier_ones_even_if_the_clock_went_back():
    fence = Fence(2, now=100.0)
    fence.take_over([TryId(1, 900_000, "ff"), TryId(2, 150_000, "ff"), TryId(2, 120_000, "ff")])
    assert fence.try_id[:2] == (2, 150_001)
    fence.check(TryId(2, 150_000, "ff"))
    fence.check(fence.try_id)


@pytest.mark.parametrize("later", [TryId(3, 0, ""), TryId(2, 100_001, "")])
def test_a_later_try_stops_this_one(later):
    fence = Fence(2, now=100.0)
    with pytest.raises(SupersededError, match="another try of this task has taken over") as caught:
        fence.check(later)
    assert caught.value.temporary


def test_a_try_does_not_begin_behind_a_later_one():
    with pytest.raises(SupersededError):
        Fence(2, now=100.0).take_over([TryId(1, 5, ""), TryId(3, 5, "")])
