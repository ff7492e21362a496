"""How each list method pages: the table, and what is assumed of a method that is not in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PAGE = 50  # rows of a page, fixed by the portal

Paging = Literal["start", "OFFSET", "NAV_PARAMS"]

_DOCS = "https://apidocs.bitrix24.com"
_HUGE = f"{_DOCS}/settings/performance/huge-data.html"


@dataclass(frozen=True, slots=True)
class ListMethod:
    """
    How one list method is read.

    :param source: the page that documents it.
    :param rows: name of the list inside ``result``; empty if the result itself is the list.
    :param key: the fields that identify a row; a single one is its id.
    :param keyset: whether the rows can be filtered and sorted by that id with ``start: -1``.
    :param id: the id's name in ``filter`` and ``order``.
    :param filter: name of the parameter with the filter.
    :param order: how rows are sorted. ``order``: a mapping of field to direction. ``sort``, ``SORT``: two
        texts, the field and, in ``order`` or ``ORDER``, the direction. Empty: not by this reader.
    :param nests: whether a filter may hold a filter, so that one with ``logic`` can be narrowed.
    :param paging: the parameter that selects a page where keyset is not used.
    """

    source: str
    rows: str = ""
    key: tuple[str, ...] = ()
    keyset: bool = False
    id: str = "ID"
    filter: str = "filter"
    order: Literal["order", "sort", "SORT", ""] = "order"
    nests: bool = False
    paging: Paging = "start"


def _crm(path: str) -> ListMethod:
    return ListMethod(f"{_DOCS}/api-reference/crm/{path}.html", key=("ID",), keyset=True)


def _named(path: str, rows: str) -> ListMethod:
    """A list with camel-case rows under a name of their own."""
    return ListMethod(f"{_DOCS}/api-reference/{path}.html", rows=rows, key=("id",), id="id")


TABLE = {
    # Filter and order by id with start -1: named in "How to Retrieve Large Volumes of Data".
    "crm.item.list": ListMethod(_HUGE, rows="items", key=("id",), keyset=True, id="id", nests=True),
    "crm.contact.list": _crm("contacts/crm-contact-list"),
    "crm.company.list": _crm("companies/crm-company-list"),
    "crm.deal.list": _crm("deals/crm-deal-list"),
    "crm.lead.list": _crm("leads/crm-lead-list"),
    "crm.quote.list": _crm("quote/crm-quote-list"),
    "crm.activity.list": _crm("timeline/activities/activity-base/crm-activity-list"),
    "crm.requisite.list": _crm("requisites/universal/crm-requisite-list"),
    "crm.stagehistory.list": ListMethod(
        f"{_DOCS}/api-reference/crm/crm-stage-history-list.html", rows="items", key=("ID",), keyset=True
    ),
    "tasks.task.list": ListMethod(
        f"{_DOCS}/api-reference/tasks/tasks-task-list.html", rows="tasks", key=("id",), keyset=True
    ),
    "user.get": ListMethod(
        f"{_DOCS}/api-reference/user/user-get.html", key=("ID",), keyset=True, filter="FILTER", order="sort"
    ),
    "voximplant.statistic.get": ListMethod(
        f"{_DOCS}/api-reference/telephony/voximplant/voximplant-statistic-get.html",
        key=("ID",),
        keyset=True,
        filter="FILTER",
        order="SORT",
    ),
    # By offset: no filter by id is documented, or none that a page may be chosen by.
    "department.get": ListMethod(
        f"{_DOCS}/api-reference/departments/department-get.html", key=("ID",), order="sort"
    ),
    "lists.element.get": ListMethod(
        f"{_DOCS}/api-reference/lists/elements/lists-element-get.html",
        key=("ID",),
        filter="FILTER",
        order="",  # ELEMENT_ORDER
    ),
    # An address has no id; answers have come with a total of 50 and without `next` although there were more.
    "crm.address.list": ListMethod(
        f"{_DOCS}/api-reference/crm/requisites/addresses/crm-address-list.html",
        key=("TYPE_ID", "ENTITY_TYPE_ID", "ENTITY_ID"),
        order="",
    ),
    "crm.status.list": ListMethod(f"{_DOCS}/api-reference/crm/status/crm-status-list.html", key=("ID",)),
    "crm.category.list": _named("crm/universal/category/crm-category-list", "categories"),
    "crm.type.list": _named("crm/universal/user-defined-object-types/crm-type-list", "types"),
    "crm.item.productrow.list": _named("crm/universal/product-rows/crm-item-productrow-list", "productRows"),
    "catalog.product.list": _named("catalog/product/catalog-product-list", "products"),
    "sale.order.list": _named("sale/order/sale-order-list", "orders"),
    # Pages of their own kind.
    "im.recent.list": ListMethod(
        f"{_DOCS}/api-reference/chats/im-recent-list.html",
        rows="items",
        key=("id",),
        order="",
        paging="OFFSET",
    ),
    "task.elapseditem.getlist": ListMethod(
        f"{_DOCS}/api-reference/tasks/elapsed-item/task-elapsed-item-get-list.html",
        key=("ID",),
        filter="FILTER",
        order="",
        paging="NAV_PARAMS",
    ),
}

_UNKNOWN = ListMethod(f"{_DOCS}/settings/how-to-call-rest-api/list-methods-pecularities.html", order="")


def list_method(method: str) -> ListMethod:
    """Return how a list method is read; one not in the table pages by ``start`` until it shows otherwise."""
    return TABLE.get(method.lower(), _UNKNOWN)
