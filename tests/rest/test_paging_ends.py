"""Where a list ends: methods that count nothing, page in their own way, or say something wrong."""

import pytest

from airflow_provider_b24.errors import Bitrix24ApiError, Bitrix24Error, Bitrix24InputError
from airflow_provider_b24.rest.lists import TABLE
from airflow_provider_b24.rest.rows import row_id, row_key, rows_in
from airflow_provider_b24.sandbox.model.errors import RestError
from tests.rest.odd_lists import OddPortal, client_of

SIZES = [0, 1, 7, 10, 19, 20, 21, 40, 49, 50, 51, 99, 100, 101, 130, 1_000]


def rows_of(size, name="id"):
    return [{name: number, "title": f"t{number}"} for number in range(size, 0, -1)]


def by_limit(size, limit="limit", offset="offset", usual=20, most=1000, inside=""):
    """Pages by limit and offset, counts nothing."""

    def answer(method, params):
        given = params.get(inside) or {} if inside else params
        count = min(most, int(given.get(limit) or usual))
        start = int(given.get(offset) or 0)
        return {"result": rows_of(size)[start : start + count]}

    return answer


def by_number(size):
    return lambda method, params: {"result": rows_of(size)[(int(params["page"]) - 1) * 50 :][:50]}


def everything(size):
    return lambda method, params: {"result": rows_of(size, "ID")}


def of_kind(paging):
    return [name for name, how in TABLE.items() if how.paging == paging]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("most", [20, 50, 1000])
@pytest.mark.parametrize("method", ["sign.b2e.personal.tail", "humanresources.hcmlink.company.list"])
def test_a_list_by_limit_and_offset_is_complete_whatever_the_server_makes_of_the_limit(
    clock, method, size, most
):
    portal = OddPortal(by_limit(size, most=most))
    assert list(client_of(portal, clock).pages(method)) == rows_of(size)


@pytest.mark.parametrize("method", of_kind("offset"))
def test_every_method_by_limit_and_offset(clock, method):
    portal = OddPortal(by_limit(130, inside=TABLE[method].pages.inside))
    assert list(client_of(portal, clock).pages(method, {"scope": "x"})) == rows_of(130)


@pytest.mark.parametrize("method", [one for one in of_kind("OFFSET") if one != "im.recent.list"])
def test_every_method_by_limit_and_offset_in_capitals(clock, method):
    portal = OddPortal(by_limit(130, "LIMIT", "OFFSET", usual=10, most=50))
    assert list(client_of(portal, clock).pages(method)) == rows_of(130)


@pytest.mark.parametrize("method", of_kind("page"))
@pytest.mark.parametrize("size", [0, 49, 50, 51, 130, 2_600])
def test_every_method_by_page_numbers(clock, method, size):
    assert list(client_of(OddPortal(by_number(size)), clock).pages(method)) == rows_of(size)


@pytest.mark.parametrize("method", of_kind("all"))
def test_every_method_that_is_not_paged_with_exactly_fifty_rows(clock, method):
    how = TABLE[method]
    wrapped = (lambda rows: {how.rows: rows}) if how.rows else (lambda rows: rows)
    portal = OddPortal(lambda name, params: {"result": wrapped(rows_of(50, "ID"))})
    assert list(client_of(portal, clock).pages(method, {"id": 5})) == rows_of(50, "ID")
    assert portal.requests == 2


@pytest.mark.parametrize("size", [0, 10, 49, 51, 100, 500])
def test_a_method_that_is_not_paged_takes_one_request(clock, size):
    portal = OddPortal(everything(size))
    assert len(list(client_of(portal, clock).pages("calendar.event.get", {"type": "user"}))) == size
    assert portal.requests == 1


def test_a_method_that_pages_although_it_is_documented_without_paging_is_complete(clock):
    portal = OddPortal(lambda name, params: {"result": rows_of(130)[int(params.get("start") or 0) :][:50]})
    assert list(client_of(portal, clock).pages("calendar.event.get")) == rows_of(130)


def test_a_list_that_is_not_paged_and_has_equal_rows(clock):
    rows = [{"NAME": "same"}] * 50
    assert list(client_of(OddPortal(lambda name, params: {"result": rows}), clock).pages("event.get")) == rows


@pytest.mark.parametrize("method", of_kind("refused"))
def test_a_method_that_pages_by_the_last_row_is_refused_with_what_to_do(clock, method):
    portal = OddPortal(everything(3))
    with pytest.raises(Bitrix24InputError, match=r"pages by .*Call the method itself") as caught:
        client_of(portal, clock).pages(method)
    assert not caught.value.temporary
    assert portal.requests == 0


def test_a_method_that_has_no_second_page_is_refused_when_its_first_is_full(clock):
    def answer(method, params):
        return {"result": rows_of(size)[: int(params["limit"])]}

    size = 199
    assert len(list(client_of(OddPortal(answer), clock).pages("imbot.v2.chat.user.list"))) == 199
    size = 300
    with pytest.raises(Bitrix24InputError, match="at most 200 rows"):
        list(client_of(OddPortal(answer), clock).pages("imbot.v2.chat.user.list"))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("spelled", [("limit", "offset"), ("LIMIT", "OFFSET")])
@pytest.mark.parametrize("usual", [10, 20, 50, 100])
def test_a_method_that_is_not_known_and_pages_by_limit_and_offset_is_complete(clock, size, spelled, usual):
    portal = OddPortal(by_limit(size, *spelled, usual=usual))
    assert list(client_of(portal, clock).pages("own.thing.tail")) == rows_of(size)


@pytest.mark.parametrize("size", [1, 7, 10, 20, 45, 49, 51, 130, 800])
def test_a_method_that_is_not_known_and_returns_everything_is_complete(clock, size):
    assert len(list(client_of(OddPortal(everything(size)), clock).pages("own.thing.list"))) == size


@pytest.mark.parametrize("size", [50, 100, 500])
def test_what_may_be_half_a_list_is_a_permanent_error(clock, size):
    with pytest.raises(Bitrix24ApiError, match=f"nothing shows whether {size} rows are all") as caught:
        list(client_of(OddPortal(everything(size)), clock).pages("own.thing.list"))
    assert not caught.value.temporary


@pytest.mark.parametrize("usual", [20, 50, 100])
def test_a_method_that_is_not_known_and_has_a_limit_but_no_offset_is_a_permanent_error(clock, usual):
    portal = OddPortal(by_limit(300, offset="LAST_ID_OF_NO_MEANING", usual=usual))
    with pytest.raises(Bitrix24ApiError, match="repeats a page") as caught:
        list(client_of(portal, clock).pages("own.thing.list"))
    assert not caught.value.temporary


def test_a_method_that_is_not_known_may_refuse_limit_and_offset(client, portal):
    def answer(call):
        if "limit" in call.params:
            raise RestError(400, "ERROR_ARGUMENT", "unknown argument: limit")
        return rows_of(20)

    portal.add_method("own.thing.list", answer)
    assert list(client.pages("own.thing.list")) == rows_of(20)


@pytest.mark.parametrize("name", ["offset", "OFFSET", "start"])
def test_an_offset_that_would_skip_rows_is_refused(clock, name):
    portal = OddPortal(by_limit(130))
    for method in ("sign.b2e.personal.tail", "own.thing.list"):
        with pytest.raises(Bitrix24InputError, match="would skip rows"):
            client_of(portal, clock).pages(method, {name: 40})


@pytest.mark.parametrize("limit", [1, 10, 1000])
def test_a_limit_is_the_reader_s_business(clock, limit):
    portal = OddPortal(by_limit(130))
    for method in ("sign.b2e.personal.tail", "own.thing.list"):
        assert list(client_of(portal, clock).pages(method, {"limit": limit})) == rows_of(130)


# What a list says about itself may be wrong.


def counted(size, total, next_=True):
    def answer(method, params):
        start = int(params.get("start") or 0)
        page = rows_of(size, "ID")[start:][:50]
        more = {"next": start + 50} if next_ and start + 50 < size else {}
        return {"result": page, **({} if total is None else {"total": total}), **more}

    return answer


@pytest.mark.parametrize("method", ["own.thing.list", "crm.deal.recurring.list", "lists.element.get"])
@pytest.mark.parametrize("size", [49, 50, 51, 99, 100, 101, 150, 151, 2_500, 2_501])
@pytest.mark.parametrize("wrong", [-1, 0])
@pytest.mark.parametrize("as_text", [False, True])
def test_a_count_that_is_too_low_by_one_loses_no_row(clock, method, size, wrong, as_text):
    total = str(size + wrong) if as_text else size + wrong
    portal = OddPortal(counted(size, total, next_=False))
    assert list(client_of(portal, clock).pages(method)) == rows_of(size, "ID")


@pytest.mark.parametrize("size", [49, 50, 51, 99, 100, 101])
def test_a_count_that_is_too_high_by_one_is_an_error(clock, size):
    with pytest.raises(Bitrix24ApiError, match=f"counts {size + 1} rows but returned only {size}"):
        list(client_of(OddPortal(counted(size, size + 1)), clock).pages("lists.element.get"))


@pytest.mark.parametrize("size", [50, 51, 100, 101, 130])
@pytest.mark.parametrize("method", ["own.thing.list", "lists.element.get"])
def test_next_without_a_count_is_followed(clock, method, size):
    assert list(client_of(OddPortal(counted(size, None)), clock).pages(method)) == rows_of(size, "ID")


@pytest.mark.parametrize("size", [100, 150, 2_500])
def test_a_page_behind_the_last_one_may_repeat_it(clock, size):
    """Some methods return the last page for every number behind it."""

    def answer(method, params):
        start = min(int(params.get("start") or 0), size - 50)
        return {"result": rows_of(size, "ID")[start:][:50], "total": size}

    assert list(client_of(OddPortal(answer), clock).pages("lists.element.get")) == rows_of(size, "ID")


def test_rows_that_come_on_two_pages_come_once(clock):
    def answer(method, params):
        start = int(params.get("start") or 0)
        first = max(0, start - start // 50 * 3)  # every page begins with the last three rows before it
        return (
            {"result": rows_of(200, "ID")[first:][:50], "next": start + 50, "total": 0}
            if first < 200
            else {"result": []}
        )

    rows = list(client_of(OddPortal(answer), clock).pages("lists.element.get"))
    assert rows == rows_of(200, "ID")


# Rows and results of every shape.


@pytest.mark.parametrize(
    "rows",
    [[7, 9, 12], ["code_a", "code_b"], [[1, 2], [3]], [None, 5], [True, False], [{"NAME": "a"}, {}], [[]]],
)
@pytest.mark.parametrize("method", ["im.chat.user.list", "own.thing.list", "crm.deal.list", "user.get"])
def test_rows_that_are_no_objects_or_have_no_id_are_rows(clock, method, rows):
    portal = OddPortal(lambda name, params: {"result": rows})
    read = client_of(portal, clock).pages(method)
    assert list(read) == rows
    assert not read.by_id


@pytest.mark.parametrize(
    "row", [7, "code", [], None, {}, {"ID": None}, {"ID": "x"}, {"ID": 1.5}, {"ID": True}]
)
def test_a_row_without_an_id_in_the_middle_of_a_list_by_id_is_a_typed_error(clock, row):
    def answer(method, params):
        last = int((params.get("filter") or {}).get(">ID") or 0)
        rows = [{"ID": str(one)} if one != 130 else row for one in range(last + 1, 301)]
        return {"result": rows[:50], "total": len(rows)}

    with pytest.raises(Bitrix24Error, match="no readable ID"):
        list(client_of(OddPortal(answer), clock).pages("crm.deal.list"))


@pytest.mark.parametrize("method", ["crm.deal.list", "crm.item.list", "lists.element.get", "own.thing.list"])
@pytest.mark.parametrize("result", [True, 5, "text", {"ID": "3"}, {"a": [1], "b": [2]}, {"items": {"x": 1}}])
def test_a_result_that_is_no_list_is_a_typed_error(clock, method, result):
    with pytest.raises(Bitrix24ApiError, match="list of rows") as caught:
        list(client_of(OddPortal(lambda name, params: {"result": result}), clock).pages(method))
    assert not caught.value.temporary


@pytest.mark.parametrize("method", ["crm.deal.list", "crm.item.list", "lists.element.get", "own.thing.list"])
@pytest.mark.parametrize("result", [None, False, [], {}, {"items": None}, {"items": [], "hasMore": False}])
def test_a_result_without_rows_is_an_empty_list(clock, method, result):
    assert list(client_of(OddPortal(lambda name, params: {"result": result}), clock).pages(method)) == []


def test_the_known_place_of_the_rows_is_the_only_one():
    assert rows_in({"tasks": [], "users": [{"id": 1}]}, "tasks") == []
    with pytest.raises(Bitrix24ApiError, match="dict in 'tasks'"):
        rows_in({"tasks": {"tags": ["a"]}}, "tasks")
    assert rows_in({"templates": {"39": {"id": "39"}}}, "templates") == [{"id": "39"}]


def test_the_key_of_a_row_is_found_in_every_spelling():
    assert row_key({"ownerId": 3, "ENTITY_ID": 4}, ["OWNER_ID", "entityId"]) == (3, 4)
    assert row_key(7, ["ID"]) is None
    assert row_id({"Id": "12"}, "ID") == 12


@pytest.mark.parametrize("value", ["0", 0, -1, "12x", "\u0661\u0662", "9" * 30, 1.0])
def test_what_is_no_id(value):
    with pytest.raises(Bitrix24ApiError, match="no readable ID"):
        row_id({"ID": value}, "ID")
