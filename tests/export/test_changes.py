"""What changed in a list since the last poll: lists of every kind, and those that cannot be polled."""

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError
from airflow_provider_b24.export.changes import PolledList, read_changes
from tests.rest.conftest import FakeClock
from tests.rest.odd_lists import OddPortal, client_of

NOW = datetime(2026, 11, 20, 7, 0, 0, tzinfo=UTC)
SINCE = "2026-11-20T09:50:00+03:00"
MODIFIED = "TIMESTAMP_X"


def at(minutes: float) -> str:
    """A time of the portal, so many minutes ago."""
    moment = NOW - timedelta(minutes=minutes)
    return moment.astimezone(datetime.fromisoformat(SINCE).tzinfo).isoformat(timespec="seconds")


class ListPortal(OddPortal):
    """
    A portal with one list.

    :param rows: as the portal sends them.
    :param filters: whether it filters them by the time of the last change.
    :param named: what the list inside the result is called; empty: it is the result.
    :param selects: whether it sends only the fields that are selected.
    """

    def __init__(self, rows, *, filters=True, named="", selects=False):
        super().__init__(self._answer)
        self.rows, self.filters, self.named, self.selects = rows, filters, named, selects
        self.time = at(0)

    def _answer(self, method, params):
        if method == "server.time":
            return {"result": self.time}
        rows = self.rows
        conditions = params.get("filter") or params.get("FILTER") or {}
        for name, value in conditions.items():
            if name.startswith(">="):
                rows = [row for row in rows if not self.filters or self._since(row, name[2:], value)]
            elif name.startswith(">"):
                rows = [row for row in rows if int(next(iter(row.values()))) > int(value)]
        if self.selects and params.get("select"):
            rows = [{name: row[name] for name in row if name in params["select"]} for row in rows]
        start = max(0, int(params.get("start") or 0))
        result = rows[start : start + 50]
        more = {"next": start + 50} if len(rows) > start + 50 else {}
        return {"result": {self.named: result} if self.named else result, "total": len(rows), **more}

    @staticmethod
    def _since(row, name, value):
        stored = row.get(name)
        return bool(stored) and datetime.fromisoformat(stored) >= datetime.fromisoformat(value)


def poll(portal, since=SINCE, method="crm.product.list", params=None, field=MODIFIED, **more):
    client = client_of(portal, FakeClock(more.pop("now", NOW.timestamp())))
    polled = PolledList(method, params or {}, field)
    return read_changes(client, polled, since, **more)


def rows(*minutes, field=MODIFIED, key="ID"):
    return [{key: str(number), field: at(ago)} for number, ago in enumerate(minutes, start=1)]


def test_a_list_that_is_not_in_the_table_is_polled_by_id_and_time():
    found = poll(ListPortal(rows(30, 5, 1, 0)))
    assert (found["ids"], found["count"]) == ([2, 3], 2)  # the last one is in the lag
    assert found["until"] == at(1 / 6)


@pytest.mark.parametrize("filters", [True, False])
def test_a_change_is_in_one_span_only(filters):
    """Also where the portal does not know the condition, and returns all rows at each poll."""
    portal = ListPortal(rows(30, 5), filters=filters)
    seen, since, now = [], SINCE, NOW
    for changed in (None, 3, None, 4, None):
        if changed:
            portal.rows.append({"ID": str(changed), MODIFIED: now.isoformat(timespec="seconds")})
        now += timedelta(seconds=60)
        portal.time = now.isoformat()
        found = poll(portal, since, now=now.timestamp())
        assert found["since"] == since
        since = found["until"]
        seen += found["ids"]
    assert seen == [2, 3, 4]


def test_a_portal_that_does_not_filter_is_a_warning():
    warnings = []
    found = poll(
        ListPortal(rows(30, 5), filters=False), warn=lambda kind, text: warnings.append((kind, text))
    )
    assert found["ids"] == [2]
    ((kind, text),) = warnings
    assert kind == "filter"
    assert "1 of 2 rows" in text


@pytest.mark.parametrize(
    ("method", "rows_named", "key", "in_rows", "in_filter"),
    [
        ("tasks.task.list", "tasks", "id", "changedDate", "CHANGED_DATE"),
        ("crm.item.list", "items", "id", "updatedTime", "updatedTime"),
        ("crm.deal.list", "", "ID", "DATE_MODIFY", "DATE_MODIFY"),
    ],
)
def test_a_field_is_matched_in_every_spelling(method, rows_named, key, in_rows, in_filter):
    for spelling in {in_rows, in_filter, in_rows.upper() if in_rows.islower() else in_filter}:
        portal = ListPortal(rows(30, 5, field=in_rows, key=key), filters=False, named=rows_named)
        found = poll(portal, method=method, field=spelling)
        assert found["ids"] == [2]
        asked = next(params for name, params in portal.commands if name == method)
        assert f">={in_filter}" in asked["filter"]


@pytest.mark.parametrize(
    ("field", "in_filter"),
    [("UPDATED_TIME", "updatedTime"), ("ufCrm5_1700000000", "ufCrm5_1700000000"), ("UF_CRM_5", "UF_CRM_5")],
)
def test_the_spelling_of_a_filter_follows_that_of_its_id(field, in_filter):
    portal = ListPortal(rows(5, field=field, key="id"), filters=False, named="items")
    assert poll(portal, method="crm.item.list", field=field)["ids"] == [1]
    assert f">={in_filter}" in portal.commands[1][1]["filter"]


@pytest.mark.parametrize("method", ["crm.product.list", "crm.deal.list"])
@pytest.mark.parametrize("select", [["NAME"], ["NAME", "id"], ("NAME", "ID", MODIFIED)])
def test_id_and_time_need_not_be_selected(method, select):
    stored = [{**row, "NAME": "x"} for row in rows(30, 5)]
    portal = ListPortal(stored, selects=True)
    if "id" in select:
        stored[:] = [{**row, "id": row["ID"]} for row in stored]
    assert poll(portal, method=method, params={"select": select})["ids"] == [2]


def test_a_row_that_never_changed_is_no_change():
    stored = rows(30, 5)
    for number, empty in enumerate((None, "", False, []), start=3):
        stored.append({"ID": str(number), MODIFIED: empty})
    stored.append({"ID": "9"})
    assert poll(ListPortal(stored, filters=False))["ids"] == [2]


def test_ids_may_be_text():
    stored = [{"id": "chat9", "changed": at(5)}, {"id": 7, "changed": at(4)}]
    assert poll(ListPortal(stored), field="changed")["ids"] == ["chat9", 7]


@pytest.mark.parametrize("since", [None, SINCE])
@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        pytest.param(
            [{"ID": "1", "NAME": "x", "DATE_CREATE": at(5)}], "no field TIMESTAMP_X, but DATE_CREATE"
        ),
        pytest.param([{"NAME": "x", MODIFIED: at(5)}], "its rows have no id, but TIMESTAMP_X"),
        pytest.param([{"ID": None, MODIFIED: at(5)}], "a row has the id None"),
        pytest.param([{"ID": "0", MODIFIED: at(5)}], "a row has the id '0'"),
        pytest.param([{"ID": {}, MODIFIED: at(5)}], "a row has the id {}"),
        pytest.param([7, 8], "its rows are no objects but int, e.g. 7"),
        pytest.param([{"ID": "1", MODIFIED: "20.11.2026 09:55:00"}], "of row 1 is '20.11.2026 09:55:00'"),
        pytest.param([{"ID": "1", MODIFIED: "2026-11-20 09:55:00"}], "not a time with an offset"),
        pytest.param([{"ID": "1", MODIFIED: 1_700_000_000}], "is 1700000000, not a time"),
        pytest.param([{"ID": "1", MODIFIED: {"x": 1}}], "not a time with an offset"),
        pytest.param([{"ID": "1", MODIFIED: "2026-11-20"}], "holds dates without a time"),
        pytest.param(
            [{"ID": "1", MODIFIED: f"2026-11-{day}T03:00:00+03:00"} for day in (18, 19, 20)],
            "holds dates without a time",
        ),
    ],
)
def test_a_list_that_cannot_be_polled_is_refused_at_the_first_poll(stored, reason, since):
    with pytest.raises(Bitrix24InputError, match=r"crm\.product\.list: the list cannot be polled") as caught:
        poll(ListPortal(stored, filters=False), since)
    assert reason in str(caught.value)
    assert not caught.value.temporary


def test_a_missing_field_is_noticed_before_a_long_list_is_read():
    portal = ListPortal([{"ID": str(number)} for number in range(1, 5000)], filters=False)
    with pytest.raises(Bitrix24InputError, match="no field"):
        poll(portal)
    assert portal.requests < 5


def test_what_is_no_list_is_refused_at_the_first_poll():
    portal = ListPortal([])
    portal.answer = lambda method, params: {"result": portal.time if method == "server.time" else {"a": 1}}
    for since in (None, SINCE):
        with pytest.raises(Bitrix24Error, match="not one list of rows") as caught:
            poll(portal, since)
        assert not caught.value.temporary


def test_rows_without_an_id_of_their_own_are_refused_before_anything_is_sent():
    with pytest.raises(Bitrix24InputError, match="TYPE_ID, ENTITY_TYPE_ID, ENTITY_ID"):
        PolledList("crm.address.list", {}, MODIFIED)


def test_a_method_that_deletes_what_it_returns_is_refused():
    portal = ListPortal(rows(5))
    with pytest.raises(Bitrix24InputError, match="deletes what it returns"):
        poll(portal, None, method="event.offline.get")
    assert [method for method, _ in portal.commands] == ["server.time"]


def test_the_first_poll_reads_no_more_than_the_first_page():
    portal = ListPortal(rows(*range(5000, 0, -1)))
    assert poll(portal, None)["count"] == 0
    assert portal.requests <= 4


def test_an_empty_list_can_be_polled():
    assert poll(ListPortal([]), None)["count"] == poll(ListPortal([]))["count"] == 0


@pytest.mark.parametrize("seconds", [0, 5, 600])
def test_a_span_shorter_than_a_second_is_not_read(seconds):
    """Two polls within a second, or a clock that was set back: the next span begins where the last ended."""
    since = at(-seconds / 60)
    portal = ListPortal(rows(5, 0))
    assert poll(portal, since) == {
        "method": "crm.product.list",
        "field": MODIFIED,
        "since": since,
        "until": since,
        "count": 0,
        "ids": [],
    }
    assert portal.requests == 1


@pytest.mark.parametrize("since", ["yesterday", "2026-11-20", "2026-11-20T09:50:00", ""])
def test_a_span_that_cannot_begin_there_is_an_error_that_says_where_it_is_stored(since):
    with pytest.raises(Bitrix24InputError, match="the Variable x") as caught:
        poll(ListPortal([]), since, stored_in="the Variable x")
    assert "delete it" in caught.value.advice


def test_a_span_that_begins_in_the_future_waits_for_it_with_a_warning():
    """A clock that was an hour behind for one poll does not end a watcher."""
    warnings = []
    found = poll(
        ListPortal(rows(5)),
        at(-60),
        stored_in="the Variable x",
        warn=lambda *warning: warnings.append(warning),
    )
    assert (found["until"], found["count"]) == (at(-60), 0)
    ((kind, text),) = warnings
    assert kind == "future"
    assert "the Variable x is" in text
    assert "delete it" in text


@pytest.mark.parametrize("time", [None, "", "soon", "2026-11-20", "2026-11-20T10:00:00", 7, ["x"]])
def test_what_is_not_a_time_of_the_portal_is_an_error(time):
    portal = ListPortal([])
    portal.time = time
    with pytest.raises(Bitrix24Error, match="not a time"):
        poll(portal, None)


@pytest.mark.parametrize(
    ("ours", "until"),
    [
        pytest.param(-3600, at(60 + 1 / 6), id="the portal's clock is ahead: ours counts"),
        pytest.param(3600, at(1 / 6), id="it is behind: it counts"),
    ],
)
def test_of_two_clocks_the_earlier_one_counts_with_a_warning(ours, until):
    warnings = []
    now = NOW.timestamp() + ours
    found = poll(ListPortal([]), None, now=now, warn=lambda kind, text: warnings.append((kind, text)))
    assert datetime.fromisoformat(found["until"]) == datetime.fromisoformat(until)
    ((kind, text),) = warnings
    assert (kind, "one of them is wrong" in text) == ("clock", True)
