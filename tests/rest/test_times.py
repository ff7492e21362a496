"""Times with their offset, and the portal's clock compared with ours."""

import logging
from datetime import UTC, date, datetime, timedelta, timezone

import pendulum
import pytest

from airflow_provider_b24.errors import Bitrix24ApiError, Bitrix24InputError
from airflow_provider_b24.rest.times import checked_server_time, earlier_by, iso, parse_time, server_time

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MOSCOW = timezone(timedelta(hours=3))


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 11, 25, 15, 0, tzinfo=MOSCOW),
        pendulum.datetime(2026, 11, 25, 15, tz="Europe/Moscow"),
        "2026-11-25T15:00:00+03:00",
        " 2026-11-25 15:00+03:00 ",
        "2026-11-25T12:00:00Z",
    ],
)
def test_times_with_an_offset_are_read(value):
    assert parse_time(value, "since") == NOW


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (datetime(2026, 11, 25, 15, 0), "got 2026-11-25T15:00:00"),  # noqa: DTZ001 - what users pass
        (date(2026, 11, 25), "got 2026-11-25"),
        ("2026-11-25", "got '2026-11-25'"),
        ("yesterday", "got 'yesterday'"),
        (1_800_000_000, "got 1800000000"),
        (None, "got None"),
    ],
)
def test_other_values_are_named(value, named):
    with pytest.raises(Bitrix24InputError, match=f"since must be a time with an offset.*{named}"):
        parse_time(value, "since")


def test_no_time_is_out_of_range():
    assert iso(earlier_by(datetime(1, 1, 1, tzinfo=MOSCOW), 300)) == "0001-01-01T00:00:00+00:00"
    assert earlier_by(datetime.max.replace(tzinfo=UTC), 300) < datetime.max.replace(tzinfo=UTC)
    odd = timezone(timedelta(hours=2, minutes=30, seconds=17))  # Moscow's in 1900
    assert iso(datetime(1900, 1, 1, 2, 30, 17, tzinfo=odd)) == "1900-01-01T00:00:00+00:00"
    assert iso(datetime(1, 1, 1, tzinfo=odd)) == "0001-01-01T00:00:00+00:00"


@pytest.mark.parametrize("apart", [0, 599, -599])
def test_clocks_that_agree_are_the_portal_s(apart):
    text = iso((NOW + timedelta(seconds=apart)).astimezone(MOSCOW))
    moment, warning = server_time(text, NOW.timestamp())
    assert (iso(moment), warning) == (text, "")


@pytest.mark.parametrize(
    ("portal", "counts"),
    [
        ("2026-11-25T12:10:01+00:00", NOW),
        ("2036-11-25T12:00:00+03:00", NOW),
        ("9999-12-31T23:59:59-14:00", NOW),
        ("2026-11-25T11:49:59+00:00", datetime(2026, 11, 25, 11, 49, 59, tzinfo=UTC)),
        ("1970-01-01T00:00:00+00:00", datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_of_clocks_that_disagree_the_earlier_one_counts(portal, counts):
    moment, warning = server_time(portal, NOW.timestamp())
    assert moment == counts
    assert iso(NOW) in warning
    assert portal in warning


@pytest.mark.parametrize(
    "answer",
    [
        *("", "now", "2026-11-25T12:00:00", "0000-00-00T00:00:00+00:00", "0001-01-01T00:00:00+00:00"),
        *(
            "99999-01-01T00:00:00+00:00",
            "2026-13-01T00:00:00+00:00",
            None,
            True,
            1_800_000_000,
            [],
            {},
            "x" * 9999,
        ),
    ],
)
def test_what_is_no_time_is_an_error_that_may_pass(answer):
    with pytest.raises(Bitrix24ApiError, match=r"server\.time: the answer is not a time") as raised:
        server_time(answer, NOW.timestamp())
    assert raised.value.temporary
    assert len(str(raised.value)) < 300


def test_a_client_warns_once(make_client, clock, caplog):
    first, second = make_client(), make_client()
    with caplog.at_level(logging.WARNING):
        for client in (first, first, second):
            assert checked_server_time(client, "2099-01-01T00:00:00+00:00").timestamp() == clock.now()
    assert len([one for one in caplog.messages if "one of them is wrong" in one]) == 2
