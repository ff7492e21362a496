"""The points of a run over time, and its counts over all tries."""

import itertools

from airflow_provider_b24.runs.meter import MOST_POINTS, Meter, add_point


def test_counts_go_on_where_the_tries_before_stopped(client, clock):
    timeline = []
    meter = Meter(client)
    client.call("profile")
    clock.sleep(1.26)
    assert meter.measure(timeline, 5) == (1, 1.26)
    assert timeline == [[round(clock.now(), 1), 5, 1, 0, 0.0]]
    again = Meter(client)
    again.resume(7, 2.5, [[0.0, 0, 0, 3, 1.24]])
    client.call("profile")
    assert again.measure(timeline, 9) == (8, 2.5)
    assert timeline[-1] == [round(clock.now(), 1), 9, 8, 3, 1.2]


def test_of_too_many_points_the_first_and_last_and_the_longest_steps_stay():
    timeline = []
    for second in range(200):
        add_point(timeline, [float(second), second, second, 0, 0.0])
    times = [point[0] for point in timeline]
    assert len(times) == MOST_POINTS
    assert (times[0], times[-1]) == (0.0, 199.0)
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) < 20
