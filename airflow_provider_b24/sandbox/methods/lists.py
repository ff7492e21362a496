"""Lists outside crm.item.* and the older CRM records, each with its own result shape and paging."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_provider_b24.sandbox.methods.listing import (
    Condition,
    Group,
    Listing,
    page_start,
    parse_group,
)
from airflow_provider_b24.sandbox.methods.method import Method
from airflow_provider_b24.sandbox.methods.records import array_parameter, as_text, old_order
from airflow_provider_b24.sandbox.methods.strict import array, parse_filter, parse_order
from airflow_provider_b24.sandbox.model import php
from airflow_provider_b24.sandbox.model.calls import PAGE, Answer, Call
from airflow_provider_b24.sandbox.model.errors import RestError
from airflow_provider_b24.sandbox.model.records import Record
from airflow_provider_b24.sandbox.model.schema import camel_case
from airflow_provider_b24.sandbox.model.state import SAMPLES, State

Row = Callable[[Record], dict[str, Any]]
MOST_DIALOGS = 200


def text_row(record: Record) -> dict[str, Any]:
    """Upper-case names, numbers as strings."""
    return {name: as_text(value) for name, value in record.items()}


def camel_row(record: Record) -> dict[str, Any]:
    """camelCase names, numbers as strings."""
    return {camel_case(name): as_text(value) for name, value in record.items()}


@dataclass(frozen=True)
class TableList:
    """A list method of one table: its result is the rows, or the rows under the key ``wrap``.

    ``by_pages`` rounds the offset down to a page of 50; ``sorted_by`` means the order comes as two
    parameters, SORT and ORDER; ``logic`` is the key of a filter that joins its conditions by OR.
    """

    table: str
    row: Row = text_row
    wrap: str = ""
    by_pages: bool = True
    sorted_by: bool = False
    logic: str = ""

    def run(self, state: State, call: Call) -> Answer:
        """One page."""
        answer = self._listing(state, call).answer(state.table(self.table), self._loader(state))
        selected = {str(name).upper() for name in php.values(call.array("select") or [])}
        rows = [self.row(_only(record, selected)) for record in answer.result]
        answer.result = {self.wrap: rows} if self.wrap else rows
        return answer

    def _listing(self, state: State, call: Call) -> Listing:
        known = self.known(state)
        start = page_start(call.start) if self.by_pages else call.start or 0
        order = _sort_and_order(call, known) if self.sorted_by else old_order(call, known)
        given = array_parameter(call, "filter")
        group = parse_group(given, known, state.behavior.utc_offset)
        if self.logic and php.to_text(php.item(given, self.logic)).upper() == "OR":
            group = Group(group.parts, any_of=True)
        return Listing(group, order, start)

    def known(self, state: State) -> set[str]:
        """The names of the fields that the list can filter and sort by."""
        records = state.table(self.table)
        first = next(records.ids(), None)
        return set() if first is None else set(records.get(first) or {})

    def _loader(self, state: State) -> Callable[[int], Record]:
        records = state.table(self.table)
        return lambda number: records.get(number) or {}


def _sort_and_order(call: Call, known: set[str]) -> tuple[tuple[str, bool], ...]:
    field = php.to_text(call.any_case("SORT")).upper()
    descending = php.to_text(call.any_case("ORDER")).upper() == "DESC"
    return ((field, descending),) if field in known else ()


def _only(record: Record, selected: set[str]) -> Record:
    if not selected or "*" in selected:
        return record
    return {name: value for name, value in record.items() if name in selected or name == "ID"}


def users(state: State, call: Call) -> Answer:
    """user.get: conditions may stand at the top, but only those in FILTER count as soon as there is one."""
    params: dict[php.Key, Any] = {str(name).upper(): value for name, value in call.params.items()}
    given: php.Array = params["FILTER"] if php.is_array(params.get("FILTER")) else params
    listed = TableList("user", sorted_by=True)
    known = listed.known(state) - {"SORT", "ORDER"}
    conditions: dict[php.Key, Any] = {str(name).upper(): value for name, value in php.pairs(given)}
    group = parse_group(conditions, known, state.behavior.utc_offset)
    records = state.table("user")
    listing = Listing(group, _sort_and_order(call, listed.known(state)), page_start(call.start))
    answer = listing.answer(records, lambda number: records.get(number) or {})
    selected = {str(name).upper() for name in php.values(params.get("SELECT") or [])}
    answer.result = [text_row(_only(record, selected)) for record in answer.result]
    return answer


def tasks(state: State, call: Call) -> Answer:
    """tasks.task.list: ``"::LOGIC": "OR"`` makes alternatives of the conditions beside it."""
    return TableList("task", camel_row, "tasks", by_pages=False, logic="::LOGIC").run(state, call)


def signed_documents(state: State, call: Call) -> Answer:
    """sign.b2e.personal.tail: ``limit``, 20 by default, and ``offset``; it counts nothing."""
    limit = min(1000, php.to_int(call.params.get("limit")) or 20)
    offset = max(0, php.to_int(call.params.get("offset")))
    records = state.table("signed_document")
    listing = Listing(Group(), (("ID", True),), offset)
    rows = listing.answer(records, lambda number: records.get(number) or {}, limit).result
    return Answer([{name.lower(): value for name, value in row.items()} for row in rows])


def calendar_events(state: State, call: Call) -> Answer:
    """calendar.event.get: everything at once, without a count."""
    records = state.table("calendar_event")
    return Answer([text_row(records.get(number) or {}) for number in records.ids()])


def data_sources(state: State, call: Call) -> Answer:
    """biconnector.source.list: pages by their number, without a count."""
    records = state.table("data_source")
    start = (max(1, php.to_int(call.params.get("page"))) - 1) * PAGE
    rows = Listing(Group(), (), start).answer(records, lambda number: records.get(number) or {}).result
    return Answer([{camel_case(name): value for name, value in row.items()} for row in rows])


def departments(state: State, call: Call) -> Answer:
    """department.get: the filter's fields are parameters of their own."""
    listed = TableList("department", sorted_by=True)
    known = listed.known(state)
    group = parse_group(call.params, known - {"SORT"})
    records = state.table("department")
    listing = Listing(group, _sort_and_order(call, known), page_start(call.start))
    answer = listing.answer(records, lambda number: records.get(number) or {})
    answer.result = [text_row(record) | {"SORT": record.get("SORT")} for record in answer.result]
    return answer


def addresses(state: State, call: Call) -> Answer:
    """crm.address.list: ``total`` is that of the page, and there is no ``next`` (fast_bitrix24 issue 260)."""
    answer = TableList("address").run(state, call)
    rows = [{name: value for name, value in row.items() if name != "ID"} for row in answer.result]
    return Answer(rows, total=len(rows))


def recent_dialogs(state: State, call: Call) -> Answer:
    """im.recent.list: pages by OFFSET and LIMIT, with ``hasMore`` in the result."""
    limit = php.to_int(call.any_case("LIMIT")) or PAGE
    offset = max(0, php.to_int(call.any_case("OFFSET")))
    records = state.table("dialog")
    size = max(1, min(limit, MOST_DIALOGS))
    page = Listing(Group(), (("ID", True),), offset).answer(
        records, lambda number: records.get(number) or {}, size
    )
    rows = [_dialog(record) for record in page.result]
    return Answer(
        {"items": rows, "hasMorePages": page.next is not None, "hasMore": page.next is not None}, total=-1
    )


def _dialog(record: Record) -> dict[str, Any]:
    return {
        "id": f"chat{record['ID']}",
        "chat_id": record["ID"],
        **{name.lower(): value for name, value in record.items() if name not in {"ID", "CHAT_ID"}},
    }


def elapsed_items(state: State, call: Call) -> Answer:
    """task.elapseditem.getlist: pages by ``NAV_PARAMS`` and ignores ``start``."""
    records = state.table("elapsed_item")
    listed = TableList("elapsed_item")
    known = listed.known(state)
    navigation = php.item(call.any_case("PARAMS"), "NAV_PARAMS")
    size = php.to_int(php.item(navigation, "nPageSize"))
    size = size if 0 < size <= PAGE else PAGE
    page = max(1, php.to_int(php.item(navigation, "iNumPage")))
    group = parse_group(array_parameter(call, "filter"), known, state.behavior.utc_offset)
    task_id = php.to_int(call.any_case("TASKID"))
    if task_id:
        group = Group((*group.parts, Condition("=", "TASK_ID", (task_id,))))
    listing = Listing(group, old_order(call, known), (page - 1) * size)
    answer = listing.answer(records, lambda number: records.get(number) or {}, size)
    return Answer([text_row(record) for record in answer.result], total=answer.total)


def stage_history(state: State, call: Call) -> Answer:
    """crm.stagehistory.list: of leads and deals; invoices and smart processes have no rows here."""
    if call.params.get("entityTypeId") is None:
        raise RestError(400, "100", "Could not find value for parameter {entityTypeId}")
    type_id = php.to_int(call.params["entityTypeId"])
    if type_id not in {*HISTORIES, *INVOICES, *(number for number in state.kinds if number >= SMART)}:
        raise RestError(400, "ENTITY_TYPE_NOT_SUPPORTED", f"Entity type `{type_id}` is not supported")
    table = HISTORIES.get(type_id, "stage_change")
    columns = {name: name for name in ("ID", *SAMPLES[table](1, 0))}
    group = parse_filter(array(call, "filter"), columns, state.behavior.utc_offset)
    order = parse_order(array(call, "order"), columns)
    if type_id not in HISTORIES:
        return Answer({"items": []}, total=0)
    records = state.table(table)
    listing = Listing(group, order, page_start(call.start))
    answer = listing.answer(records, lambda number: records.get(number) or {})
    selected = {str(name) for name in php.values(array(call, "select"))}
    answer.result = {"items": [_only(record, selected) for record in answer.result]}
    return answer


HISTORIES = {1: "status_change", 2: "stage_change"}
INVOICES = (5, 31)
SMART = 128  # type ids of smart processes begin here
METHODS = {
    "tasks.task.list": Method(tasks, scope="task"),
    "task.elapseditem.getlist": Method(elapsed_items, scope="task"),
    "user.get": Method(users, scope="user"),
    "department.get": Method(departments, scope="department"),
    "voximplant.statistic.get": Method(TableList("call", sorted_by=True).run, scope="telephony"),
    "crm.stagehistory.list": Method(stage_history),
    "crm.activity.list": Method(TableList("activity").run),
    "crm.address.list": Method(addresses),
    "im.recent.list": Method(recent_dialogs, scope="im"),
    "lists.element.get": Method(TableList("list_element").run, scope="lists"),
    "sign.b2e.personal.tail": Method(signed_documents, scope="sign.b2e"),
    "calendar.event.get": Method(calendar_events, scope="calendar"),
    "biconnector.source.list": Method(data_sources, scope="biconnector"),
}
