"""Progress is logged at growing intervals, by numbers that mean something."""

import pytest

from airflow_provider_b24.runs.progress_log import ProgressLog, duration


def logged(seconds, **options):
    """The lines of a run that does two records in each of so many seconds."""
    time, lines = [0.0], []
    progress = ProgressLog(lambda: time[0], lines.append, "rows exported", **options)
    for second in range(1, seconds + 1):
        time[0] = float(second)
        progress.update(lambda: (options.get("before", 0) + 2 * int(time[0]), ""))
    return lines


def test_intervals_grow_to_a_minute():
    lines = logged(300)
    assert lines[:3] == [
        "10 rows exported, 2 per second",
        "30 rows exported, 2 per second",
        "70 rows exported, 2 per second",
    ]
    assert len(lines) == 7


def test_the_rate_is_that_of_this_try_and_says_how_long_the_rest_takes():
    (line,) = logged(5, before=90, total=200)
    assert line == "100 of 200 rows exported, 2 per second, about 50 s left"


def test_too_few_records_have_no_rate():
    assert logged(60, least=200) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "less than a second"),
        (1.0, "1 s"),
        (89, "89 s"),
        (90, "2 min"),
        (5_340, "89 min"),
        (9_000, "2.5 h"),
    ],
)
def test_durations_are_for_people(seconds, text):
    assert duration(seconds) == text
