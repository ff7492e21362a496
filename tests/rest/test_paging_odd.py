"""Lists that page in ways of their own, that do not tell their end, or that change while they are read."""

import pytest

from airflow_provider_b24.errors import Bitrix24ApiError, Bitrix24InputError
from airflow_provider_b24.rest.lists import TABLE
from airflow_provider_b24.rest.rows import rows_in
from tests.rest.odd_lists import OddPortal, client_of

SIZES = [0, 1, 49, 50, 51, 99, 2_500, 2_501]


def paged(rows, start, **more):
    """A page as the portal's usual lists give it."""
    end = start + 50
    return {
        "result": rows[start:end],
        "total": len(rows),
        **({"next": end} if end < len(rows) else {}),
        **more,
    }


def ids_of(count, name="ID"):
    return [{name: str(number)} for number in range(1, count + 1)]


def usual(size):
    return lambda method, params: paged(ids_of(size), int(params.get("start") or 0))


def without_next(size):
    """crm.address.list: ``total`` is the number of rows in the page, and ``next`` never comes."""

    def answer(method, params):
        rows = [{"TYPE_ID": "1", "ENTITY_TYPE_ID": "8", "ENTITY_ID": str(one)} for one in range(size)]
        page = rows[int(params.get("start") or 0) :][:50]
        return {"result": page, "total": len(page)}

    return answer


def without_counts(size):
    return lambda method, params: {"result": ids_of(size)[int(params.get("start") or 0) :][:50]}


def by_own_offset(size):
    """im.recent.list: OFFSET and LIMIT, ``hasMore`` inside the result, a total of -1."""

    def answer(method, params):
        start, limit = int(params.get("OFFSET") or 0), int(params.get("LIMIT") or 50)
        page = [{"id": f"chat{one}"} for one in range(size)][start : start + limit]
        return {"result": {"items": page, "hasMore": start + limit < size, "copilot": []}, "total": -1}

    return answer


def by_page_number(size):
    """task.elapseditem.getlist: NAV_PARAMS; beyond the last page the first one comes again."""

    def answer(method, params):
        page = int(params["PARAMS"]["NAV_PARAMS"]["iNumPage"])
        start = (page - 1) * 50 if (page - 1) * 50 < size else 0
        return {"result": ids_of(size)[start : start + 50], "total": size}

    return answer


def by_id(size, name, inside, lower_id="ID"):
    """A list that can be filtered and sorted by id, with rows inside the result."""

    def answer(method, params):
        given = {key.lower(): value for key, value in params.items()}
        last = given.get("filter", {}).get(f">{lower_id}") or 0
        rows = [{name: str(number)} for number in range(int(last) + 1, size + 1)]
        page = rows[max(0, int(given["start"])) :][:50]
        counted = {"total": len(rows)} if int(given["start"]) >= 0 else {"total": 0}
        return {"result": {inside: page} if inside else page, **counted}

    return answer


KINDS = [
    pytest.param("lists.element.get", usual, id="usual"),
    pytest.param("some.unknown.list", usual, id="unknown"),
    pytest.param("some.unknown.list", without_counts, id="without-counts"),
    pytest.param("crm.address.list", without_next, id="addresses"),
    pytest.param("im.recent.list", by_own_offset, id="chats"),
    pytest.param("some.unknown.list", by_own_offset, id="unknown-own-offset"),
    pytest.param("task.elapseditem.getlist", by_page_number, id="elapsed"),
    pytest.param("user.get", lambda size: by_id(size, "ID", ""), id="users"),
    pytest.param("voximplant.statistic.get", lambda size: by_id(size, "ID", ""), id="phone-calls"),
    pytest.param("tasks.task.list", lambda size: by_id(size, "id", "tasks"), id="tasks"),
    pytest.param("crm.stagehistory.list", lambda size: by_id(size, "ID", "items"), id="stages"),
    pytest.param("crm.activity.list", lambda size: by_id(size, "ID", ""), id="activities"),
    pytest.param("crm.item.list", lambda size: by_id(size, "id", "items", "id"), id="items"),
]


@pytest.mark.parametrize("batches", [True, False], ids=["batches", "no-batches"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("method", "kind"), KINDS)
def test_every_row_comes_once_in_order(clock, method, kind, size, batches):
    portal = OddPortal(kind(size), batches=batches)
    rows = list(client_of(portal, clock).pages(method, {}))
    assert len({str(row) for row in rows}) == len(rows) == size
    if batches and size > 2_000:
        assert portal.requests <= 6


@pytest.mark.parametrize(("method", "kind"), KINDS)
@pytest.mark.parametrize("size", [0, 3])
def test_a_short_list_takes_one_command(clock, method, kind, size):
    portal = OddPortal(kind(size))
    assert len(list(client_of(portal, clock).pages(method, {}))) == size
    assert len(portal.commands) == 1


@pytest.mark.parametrize("method", ["some.unknown.list", "crm.contact.list", "user.get", "im.recent.list"])
def test_later_pages_that_are_empty_although_more_is_counted_are_an_error(clock, method):
    def answer(method, params):
        first = portal.requests == 1
        return {"result": ids_of(50) if first else [], "total": 355, "next": 50}

    portal = OddPortal(answer)
    with pytest.raises(Bitrix24ApiError, match=r"the portal counts \d+ (more )?rows"):
        list(client_of(portal, clock).pages(method, {}))


@pytest.mark.parametrize("method", ["some.unknown.list", "crm.contact.list", "user.get", "im.recent.list"])
@pytest.mark.parametrize("total", [None, 50, 120])
def test_a_page_that_repeats_is_an_error(clock, method, total):
    portal = OddPortal(lambda method, params: {"result": ids_of(50), "total": total})
    with pytest.raises(Bitrix24ApiError, match="repeats a page"):
        list(client_of(portal, clock).pages(method, {}))


@pytest.mark.parametrize("method", ["some.unknown.list", "crm.contact.list", "user.get", "im.recent.list"])
def test_equal_rows_without_an_id_that_never_end_are_an_error(clock, method):
    client = client_of(OddPortal(lambda method, params: {"result": [{"ID": None}] * 50}), clock)
    with pytest.raises(Bitrix24ApiError, match="repeats a page"):
        sum(1 for _ in client.pages(method))


def test_a_method_that_answers_everything_at_once_is_not_asked_again(clock):
    portal = OddPortal(lambda method, params: {"result": ids_of(130)})
    assert len(list(client_of(portal, clock).pages("crm.status.list", {}))) == 130
    assert portal.requests == 1


def test_a_list_that_the_portal_does_not_sort_by_id_is_read_by_offset(clock):
    rows = [{"ID": str(number)} for number in [*range(200, 100, -1), *range(1, 101)]]
    portal = OddPortal(lambda method, params: paged(rows, int(params.get("start") or 0)))
    assert list(client_of(portal, clock).pages("crm.contact.list", {})) == rows


def test_a_filter_with_logic_is_nested_so_that_the_id_narrows_it(clock):
    given = {"logic": "OR", "0": {"=opened": "Y"}, "1": {"=assignedById": "4"}}

    def answer(method, params):
        own = params["filter"]
        last = int(own.get(">id", 0))
        assert own in (given, {">id": own.get(">id"), "0": given})
        rows = [{"id": number} for number in range(last + 1, 301)]
        return {"result": {"items": rows[:50]}, "total": len(rows)}

    portal = OddPortal(answer)
    rows = list(client_of(portal, clock).pages("crm.item.list", {"entityTypeId": 3, "filter": given}))
    assert [row["id"] for row in rows] == list(range(1, 301))


def test_an_old_list_whose_filter_has_logic_is_read_by_offset(clock):
    given = {"LOGIC": "OR", "0": {"ID": "1"}}

    def answer(method, params):
        assert params["filter"] == given
        return paged(ids_of(120), int(params.get("start") or 0))

    portal = OddPortal(answer)
    assert list(client_of(portal, clock).pages("crm.contact.list", {"filter": given})) == ids_of(120)


@pytest.mark.parametrize(
    ("result", "rows"),
    [
        ({"3": {"ID": "3"}, "7": {"ID": "7"}}, [{"ID": "3"}, {"ID": "7"}]),
        ({"items": {"3": {"id": 3}}}, [{"id": 3}]),
        ({"items": [{"id": 1}], "messagesAutoDeleteConfigs": []}, [{"id": 1}]),
        ({"items": [], "copilot": [{"id": 1}]}, [{"id": 1}]),
        ({"orders": [{"id": 1}], "time": {"start": 1}}, [{"id": 1}]),
        ({"tasks": []}, []),
        ([], []),
        ({}, []),
        (None, []),
        (False, []),
    ],
)
def test_rows_are_found_whatever_shape_the_result_has(result, rows):
    assert rows_in(result) == rows


@pytest.mark.parametrize("result", [True, 5, "text", {"a": [1], "b": [2]}, {"ID": "3", "NAME": "Ann"}])
def test_a_result_that_is_no_list_is_an_error_that_says_what_came(result):
    with pytest.raises(Bitrix24ApiError, match="list of rows"):
        rows_in(result)


def changing(size, change):
    """A list by offset that changes before a command: ``change(rows, number of the command)``."""
    rows = ids_of(size)

    def answer(method, params):
        change(rows, len(portal.commands))
        return paged(rows, int(params.get("start") or 0))

    portal = OddPortal(answer)
    return portal, rows


@pytest.mark.parametrize("command", [2, 3, 4, 10, 30, 52, 53, 60])
def test_a_row_deleted_meanwhile_makes_no_other_be_lost(clock, command):
    def delete(rows, number):
        if number == command:
            del rows[5:12]

    portal, rows = changing(4_000, delete)
    read = list(client_of(portal, clock).pages("lists.element.get", {}))
    assert {row["ID"] for row in rows} <= {row["ID"] for row in read}
    assert len({row["ID"] for row in read}) == len(read)


@pytest.mark.parametrize("command", [2, 3, 10, 52])
def test_a_row_created_meanwhile_makes_no_other_be_doubled(clock, command):
    def create(rows, number):
        if number == command:
            rows[0:0] = [{"ID": f"new{one}"} for one in range(3)]

    portal, rows = changing(4_000, create)
    read = list(client_of(portal, clock).pages("lists.element.get", {}))
    assert {row["ID"] for row in rows if not row["ID"].startswith("new")} <= {row["ID"] for row in read}
    assert len({row["ID"] for row in read}) == len(read)


def test_a_row_that_jumps_ahead_of_the_reader_is_an_error(clock):
    def jump(rows, number):
        if number == 10:
            rows.insert(0, rows.pop())

    portal, _ = changing(1_000, jump)
    with pytest.raises(Bitrix24ApiError, match="counts 1000 rows but returned only 999") as caught:
        list(client_of(portal, clock).pages("lists.element.get", {}))
    assert caught.value.temporary


def test_a_list_of_equal_rows_that_changes_while_it_is_read_is_an_error(clock):
    rows = [{"NAME": f"name {number % 40}"} for number in range(4_000)]

    def answer(method, params):
        if len(portal.commands) == 52:
            rows.insert(0, {"NAME": "new"})
        return paged(rows, int(params.get("start") or 0))

    portal = OddPortal(answer)
    with pytest.raises(Bitrix24ApiError, match="changed while it was read, and its rows have no id"):
        list(client_of(portal, clock).pages("lists.element.get", {}))


@pytest.mark.parametrize("size", [51, 60, 101, 120, 2_600])
def test_a_row_that_equals_an_earlier_one_is_not_lost_in_a_list_without_ids_and_counts(clock, size):
    """It cannot be told from a row that comes again because the list has changed."""
    rows = [{"NAME": f"name {number}"} for number in range(size - 1)] + [{"NAME": "name 7"}]

    def answer(method, params):
        start = int(params.get("start") or 0)
        return {"result": rows[start : start + 50], **({"next": start + 50} if start + 50 < size else {})}

    with pytest.raises(Bitrix24ApiError, match="equal rows without an id"):
        list(client_of(OddPortal(answer), clock).pages("lists.element.get", {}))


def test_a_list_that_never_stands_still_is_an_error(clock):
    portal, _ = changing(4_000, lambda rows, number: rows.pop(0))
    with pytest.raises(Bitrix24ApiError, match="keeps changing"):
        list(client_of(portal, clock).pages("lists.element.get", {}))


def test_text_that_looks_like_a_reference_is_not_sent_in_a_batch(clock):
    portal = OddPortal(by_id(200, "ID", ""))
    filter_ = {"%NAME": "$result[0][ID]"}
    assert len(list(client_of(portal, clock).pages("crm.contact.list", {"filter": filter_}))) == 200
    assert all(params["filter"]["%NAME"] == "$result[0][ID]" for _, params in portal.commands)


def test_a_long_filter_makes_requests_no_larger_than_a_web_server_takes(clock):
    portal = OddPortal(by_id(2_500, "ID", ""))
    filter_ = {"@COMPANY_ID": list(range(1_000_000, 1_003_000))}
    assert len(list(client_of(portal, clock).pages("crm.contact.list", {"filter": filter_}))) == 2_500
    assert portal.largest < 1_000_000


def test_empty_parameters_mean_nothing(clock):
    portal = OddPortal(by_id(120, "ID", ""))
    given = {"select": [], "filter": {}, "order": {}}
    assert len(list(client_of(portal, clock).pages("crm.contact.list", given))) == 120


def test_an_empty_list_in_a_filter_is_refused(clock):
    portal = OddPortal(by_id(120, "ID", ""))
    with pytest.raises(Bitrix24InputError, match="empty"):
        list(client_of(portal, clock).pages("crm.contact.list", {"filter": {"@ID": []}}))
    assert portal.requests == 0


def test_each_row_of_the_table_names_its_source():
    assert all(how.source.startswith("https://apidocs.bitrix24.com/") for how in TABLE.values())
    assert all(name == name.lower() for name in TABLE)
