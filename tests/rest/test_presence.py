"""Whether a result has at least one row."""

import pytest

from airflow_provider_b24.rest.presence import MAX_DEPTH, has_row

RECORD = {"id": 1}


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(None, id="null"),
        pytest.param(False, id="false"),
        pytest.param("", id="an empty text"),
        pytest.param([], id="a list"),
        pytest.param({}, id="an object"),
        pytest.param(0, id="a count"),
        pytest.param("0", id="a count as text"),
        pytest.param({"items": []}, id="a named list"),
        pytest.param({"items": {}}, id="a named map"),
        pytest.param({"items": None}, id="a named null"),
        pytest.param({"tasks": False}, id="a named false"),
        pytest.param({"items": [], "hasMore": False}, id="beside a flag"),
        pytest.param({"items": [], "hasMore": False, "hasMorePages": False}, id="beside two flags"),
        pytest.param({"items": [], "hasMore": True}, id="beside a flag that promises more"),
        pytest.param({"documents": [], "hasMore": False, "total": 0}, id="beside a flag and a count"),
        pytest.param({"documents": False, "has_more": False}, id="false beside a flag"),
        pytest.param({"documents": [], "total": 5}, id="a count without rows"),
        pytest.param({"rows": [], "page": 1, "pageSize": 50, "next_cursor": "a"}, id="beside a position"),
        pytest.param({"list": [], "pagination": {"page": 1, "total": 0}}, id="beside a nested position"),
        pytest.param({"items": [], "lastSyncDate": "2026-11-20", "hasMore": False}, id="beside other facts"),
        pytest.param({"users": [], "chats": []}, id="two lists"),
        pytest.param({"items": [], "users": [RECORD], "hasMore": False}, id="rows beside what they name"),
        pytest.param({"result": {"items": [], "hasMore": False}}, id="nested"),
        pytest.param({"data": {"documents": [], "total": 0}, "meta": {"page": 1}}, id="nested twice"),
        pytest.param([[]], id="a list of nothing"),
        pytest.param([None], id="a list of null"),
        pytest.param({"7": []}, id="a map by id of nothing"),
        pytest.param({"total": 0}, id="a named count"),
        pytest.param({"hasMore": False}, id="a flag alone"),
    ],
)
def test_nothing_is_no_row_in_any_shape(result):
    assert has_row(result) is False


@pytest.mark.parametrize(
    "result",
    [
        pytest.param([RECORD], id="a list"),
        pytest.param([7], id="a list of ids"),
        pytest.param([0], id="a list of zero"),
        pytest.param({"7": {"id": 7}}, id="a map by id"),
        pytest.param({"1": "Name"}, id="a map of texts"),
        pytest.param({"items": [RECORD]}, id="a named list"),
        pytest.param({"items": {"7": RECORD}, "hasMore": False}, id="a named map beside a flag"),
        pytest.param({"documents": [RECORD], "hasMore": False, "total": 1}, id="beside a flag and a count"),
        pytest.param({"users": [], "chats": [RECORD]}, id="one of two lists"),
        pytest.param({"result": {"items": [RECORD]}}, id="nested"),
        pytest.param({"item": RECORD}, id="a named record"),
        pytest.param({"item": RECORD, "tags": []}, id="a named record beside a list"),
        pytest.param({"ID": "7", "PHONE": [], "COUNT": 3}, id="a record with an empty list"),
        pytest.param({"order": RECORD, "items": []}, id="a record beside its empty list"),
        pytest.param({"unread": 0}, id="a zero with a name of its own"),
        pytest.param({"total": 3}, id="a named count"),
        pytest.param({"total": "3"}, id="a named count as text"),
        pytest.param(17, id="a number"),
        pytest.param("2026-11-20", id="a text"),
        pytest.param(True, id="true"),
    ],
)
def test_a_value_is_one_in_any_shape(result):
    assert has_row(result) is True


def test_the_table_of_list_methods_names_the_rows():
    page = {"items": [], "birthdayList": [RECORD], "copilot": "x"}
    assert has_row(page, "im.recent.list") is False
    assert has_row({**page, "items": [RECORD]}, "im.recent.list") is True
    assert has_row({"types": [], "settings": RECORD}, "crm.type.list") is False


@pytest.mark.parametrize(("method", "total"), [("some.new.list", None), ("some.new.get", 0)])
def test_a_list_is_known_by_its_name_or_its_count(method, total):
    page = {"rows": [], "generated": "2026-11-20"}
    assert has_row(page, "some.new.get") is True
    assert has_row(page, method, total) is False
    assert has_row({**page, "rows": [RECORD]}, method, total) is True
    assert has_row({"enabled": "Y"}, method, total) is True


def test_nesting_without_end_is_not_followed():
    assert has_row(nested(MAX_DEPTH - 1)) is False
    assert has_row(nested(900)) is True
