"""Every page of a list asks the same question, in the same place, alone and in a batch."""

import json
import logging

import pytest

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.list_params import whole_list
from airflow_provider_b24.rest.lists import list_method
from tests.rest.odd_lists import OddPortal, client_of


def upper(params):
    return {str(name).upper(): value for name, value in params.items()}


def page_of(rows, params):
    start = int(params.get("start") or 0)
    page = rows[max(0, start) :][:50]
    return {"result": page, "total": len(rows) if start >= 0 else 0}


def after(rows, filter_, name=">ID"):
    last = filter_.get(name)
    return [row for row in rows if last in (None, "") or int(row["ID"]) > int(last)]


def users(params):
    """user.get: conditions from FILTER as soon as there is one, else from the top."""
    given = upper(params)
    asked = upper(given["FILTER"]) if isinstance(given.get("FILTER"), dict) else given
    rows = [{"ID": str(one), "UF_DEPARTMENT": [1 + one % 2]} for one in range(1, 601)]
    if "UF_DEPARTMENT" in asked:
        rows = [row for row in rows if row["UF_DEPARTMENT"] == [int(asked["UF_DEPARTMENT"])]]
    return page_of(after(rows, asked), params)


@pytest.mark.parametrize("method", ["user.get", "user.search"])
@pytest.mark.parametrize(
    "params",
    [
        {"UF_DEPARTMENT": 1},
        {"uf_department": 1},
        {"UF_DEPARTMENT": 1, "FILTER": {}},
        {"UF_DEPARTMENT": 1, "ADMIN_MODE": True, "SORT": "ID", "ORDER": "asc"},
        {"filter": {"UF_DEPARTMENT": 1}},
        {"arFilter": {"UF_DEPARTMENT": 1}},
    ],
    ids=str,
)
def test_conditions_beside_the_filter_of_users_count_on_every_page(clock, method, params):
    portal = OddPortal(lambda name, given: users(given))
    rows = list(client_of(portal, clock).pages(method, params))
    assert [row["ID"] for row in rows] == [str(one) for one in range(2, 601, 2)]
    assert all("UF_DEPARTMENT" in upper(given["FILTER"]) for _, given in portal.commands)


def test_conditions_beside_a_filter_are_refused_as_the_portal_ignores_them(clock):
    portal = OddPortal(lambda name, given: users(given))
    with pytest.raises(Bitrix24InputError, match="ignores conditions beside FILTER: move ACTIVE into it"):
        client_of(portal, clock).pages("user.get", {"FILTER": {"UF_DEPARTMENT": 1}, "ACTIVE": True})
    assert portal.requests == 0


@pytest.mark.parametrize(
    ("method", "params"),
    [("user.get", {"ID": []}), ("user.get", {"FILTER": {"ID": []}}), ("department.get", {"ID": []})],
)
def test_an_empty_list_as_condition_is_refused_wherever_it_stands(clock, method, params):
    portal = OddPortal(lambda name, given: users(given))
    with pytest.raises(Bitrix24InputError, match="empty list"):
        client_of(portal, clock).pages(method, params)
    assert portal.requests == 0


@pytest.mark.parametrize(
    ("method", "params", "spelled"),
    [
        ("crm.item.list", {"FILTER": {"id": 1}, "Order": {"id": "ASC"}}, ["filter", "order"]),
        (
            "voximplant.statistic.get",
            {"filter": {"ID": 1}, "sort": "ID", "order": "ASC"},
            ["FILTER", "SORT", "ORDER"],
        ),
        (
            "lists.element.get",
            {"IBLOCK_ID": 1, "select": ["ID"], "element_order": {"ID": "ASC"}},
            ["IBLOCK_ID", "SELECT", "ELEMENT_ORDER"],
        ),
        ("crm.contact.list", {"arFilter": {"ID": 1}, "arSelect": ["ID"]}, ["filter", "select"]),
        ("own.thing.list", {"FILTER": {"ID": 1}, "Select": ["ID"]}, ["FILTER", "Select"]),
    ],
)
def test_parameters_are_sent_as_the_method_documents_them(method, params, spelled):
    assert list(whole_list(Call(method, params), list_method(method)).params) == spelled


def test_one_parameter_in_two_spellings_is_refused(clock):
    portal = OddPortal(lambda name, given: users(given))
    with pytest.raises(Bitrix24InputError, match="filter is given more than once"):
        client_of(portal, clock).pages("crm.deal.list", {"filter": {"ID": 1}, "FILTER": {"ID": 2}})


@pytest.mark.parametrize("logic", [{"::LOGIC": "OR"}, {"LOGIC": "OR"}, {"Logic": "OR"}, {"::logic": "OR"}])
def test_a_filter_of_tasks_with_logic_is_read_by_offset(clock, logic):
    given = {**logic, "CREATED_BY": "1", "RESPONSIBLE_ID": "1"}

    def answer(method, params):
        assert params["filter"] == given  # an id beside them would be one more alternative
        start = int(params.get("start") or 0)
        rows = [{"id": str(one)} for one in range(1, 131)]
        return {"result": {"tasks": rows[start : start + 50]}, "total": 130}

    rows = client_of(OddPortal(answer), clock).pages("tasks.task.list", {"filter": given})
    assert len(list(rows)) == 130
    assert not rows.by_id


def test_logic_inside_a_filter_keeps_the_list_by_id(clock):
    given = {"stageId": "NEW", "0": {"LOGIC": "OR", "0": {"a": "1"}, "1": {"b": "2"}}}

    def answer(method, params):
        last = int(params["filter"].pop(">id", 0))
        assert params["filter"] == given
        rows = [{"id": number} for number in range(last + 1, 301)]
        return {"result": {"items": rows[:50]}, "total": len(rows)}

    rows = client_of(OddPortal(answer), clock).pages("crm.item.list", {"entityTypeId": 2, "filter": given})
    assert [row["id"] for row in rows] == list(range(1, 301))
    assert rows.by_id


class Flags(OddPortal):
    """Takes ``False`` in JSON for "is empty", and the text of a batch for something else."""

    def __init__(self, wrong, total=True, key="ID"):
        self.wrong, self.total = wrong, total
        super().__init__(self.rows_for)

    def rows_for(self, method, params):
        filter_ = params.get("filter") or params.get("FILTER") or {}
        rows = [{"ID": str(one)} for one in range(1, 601)]
        value = filter_.get("!UF")
        rows = [row for row in rows if int(row["ID"]) % 2 == (value is False or value is None)]
        if value is not False and value is not None:
            rows = self.wrong(rows)
        answer = page_of(after(rows, filter_), params)
        return answer if self.total else {"result": answer["result"]}


@pytest.mark.parametrize("total", [True, False], ids=["counted", "uncounted"])
@pytest.mark.parametrize(
    "method", ["crm.deal.list", "lists.element.get", "crm.status.list", "own.thing.list", "sale.order.list"]
)
@pytest.mark.parametrize(
    "wrong",
    [lambda rows: rows, lambda rows: rows[:-40], lambda rows: rows[1:]],
    ids=["as many others", "fewer", "one less"],
)
def test_a_list_that_a_batch_asks_differently_is_read_by_single_requests(clock, caplog, method, wrong, total):
    portal = Flags(wrong, total)
    name = "FILTER" if method == "lists.element.get" else "filter"
    with caplog.at_level(logging.WARNING):
        rows = list(client_of(portal, clock).pages(method, {name: {"!UF": False}}))
    assert [row["ID"] for row in rows] == [str(one) for one in range(1, 601, 2)]
    if total:
        assert [line for line in caplog.messages if "differently in a batch" in line]


def test_a_batch_that_leaves_out_rows_far_behind_is_noticed_by_its_count(clock, caplog):
    """The first page is the same; only the counts differ."""

    def answer(method, params):
        rows = [{"ID": str(one)} for one in range(1, 601) if params["filter"]["!UF"] is False or one != 432]
        return page_of(after(rows, params["filter"]), params)

    portal = OddPortal(answer)
    rows = list(client_of(portal, clock).pages("crm.deal.list", {"filter": {"!UF": False}}))
    assert [row["ID"] for row in rows] == [str(one) for one in range(1, 601)]


def test_a_condition_on_the_id_that_changes_the_question_makes_the_reader_go_by_offset(clock, caplog):
    """Whatever the reason: what the portal counts above an id must fit what it counts in all."""

    def answer(method, params):
        rows = [{"ID": str(one)} for one in range(1, 401)]
        if ">ID" not in (params.get("filter") or {}):
            rows = rows[::2]
        return page_of(after(rows, params.get("filter") or {}), params)

    portal = OddPortal(answer)
    rows = client_of(portal, clock).pages("crm.deal.list", {"filter": {"STRANGE": "1"}})
    first = next(rows)
    assert not rows.by_id
    assert [first["ID"], *(row["ID"] for row in rows)] == [str(one) for one in range(1, 401, 2)]
    assert [line for line in caplog.messages if "read by offset" in line]


@pytest.mark.parametrize("size", [0, 1, 50, 51, 120, 3_000])
def test_a_list_by_id_says_so(clock, size):
    rows = client_of(
        OddPortal(
            lambda name, given: page_of(
                after([{"ID": str(one)} for one in range(1, size + 1)], given.get("filter") or {}), given
            )
        ),
        clock,
    ).pages("crm.deal.list")
    assert rows.by_id
    assert len(list(rows)) == size
    assert rows.by_id


@pytest.mark.parametrize("order", ["newest first", "by chance"])
def test_a_list_that_is_not_sorted_by_id_says_so_before_its_first_row(clock, order):
    numbers = list(range(1, 2_601))
    numbers = numbers[::-1] if order == "newest first" else numbers[50:1_000] + numbers[:50] + numbers[1_000:]
    rows = [{"ID": str(one)} for one in numbers]

    def answer(method, params):
        filter_ = params.get("FILTER") or {}
        return page_of(after(rows, filter_), params)

    read = client_of(OddPortal(answer), clock).pages("voximplant.statistic.get")
    assert read.by_id  # as expected before anything is known
    first = next(read)
    assert not read.by_id
    assert [first, *read] == rows


def test_a_list_that_was_never_by_id_says_so(clock):
    rows = client_of(OddPortal(lambda name, given: {"result": []}), clock).pages("crm.status.list")
    assert not rows.by_id


def test_resuming_a_list_that_is_not_sorted_by_id_is_a_permanent_error(clock):
    rows = [{"ID": str(one)} for one in range(300, 0, -1)]
    portal = OddPortal(lambda name, given: page_of(after(rows, given.get("filter") or {}), given))
    with pytest.raises(Bitrix24InputError, match="cannot be resumed") as caught:
        list(client_of(portal, clock).pages("crm.deal.list", after=120))
    assert not caught.value.temporary


@pytest.mark.parametrize("spelled", ["CHANGED_DATE", "changedDate", "changed_date"])
@pytest.mark.parametrize("id_", ["ID", "id", "Id"])
def test_an_id_in_the_selection_is_found_in_every_spelling(clock, spelled, id_):
    def answer(method, params):
        assert params["select"] == [id_, spelled]
        return {"result": {"tasks": [{"id": "1"}]}, "total": 1}

    rows = client_of(OddPortal(answer), clock).pages("tasks.task.list", {"select": [id_, spelled]})
    assert list(rows) == [{"id": "1"}]


def test_the_id_is_selected_as_the_method_writes_it_and_left_out_as_the_row_writes_it(clock):
    def answer(method, params):
        assert params["select"] == ["TITLE", "ID"]
        return {"result": {"tasks": [{"id": "1", "title": "a"}]}, "total": 1}

    rows = client_of(OddPortal(answer), clock).pages("tasks.task.list", {"select": ["TITLE"]})
    assert list(rows) == [{"title": "a"}]


@pytest.mark.parametrize(
    "text", ["$result[0][ID]", "$RESULTS[0]", "$error[0]", "a $next[x] b", "$time[0][a]"]
)
def test_text_that_the_portal_would_replace_in_a_batch_goes_alone(clock, text):
    portal = OddPortal(
        lambda name, given: page_of(
            after([{"ID": str(one)} for one in range(1, 201)], given["filter"]), given
        )
    )
    rows = list(client_of(portal, clock).pages("crm.contact.list", {"filter": {"%NAME": text}}))
    assert len(rows) == 200
    assert all(params["filter"]["%NAME"] == text for _, params in portal.commands)


def test_parameters_that_no_batch_can_carry_go_alone(clock):
    portal = OddPortal(lambda name, given: page_of([{"ID": str(one)} for one in range(1, 201)], given))
    rows = list(client_of(portal, clock).pages("own.thing.list", {"options": {"tags": []}}))
    assert len(rows) == 200
    assert json.dumps(portal.commands[-1][1]["options"]) == '{"tags": []}'
