"""How far a sync has come."""

import json

from airflow_provider_b24.sync.state import SyncState


def test_a_position_is_a_line_and_not_a_count():
    state = SyncState()
    state.finish([1, 4, 9], [6])
    assert (state.position, state.done) == (5, [9])
    state.finish([6], [])
    assert (state.position, state.done) == (9, [])
    assert SyncState.from_json(json.loads(json.dumps(state.to_json()))) == state
