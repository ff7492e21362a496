"""The table of list methods: its form, and what it says of methods that matter."""

import pytest

from airflow_provider_b24.rest.list_description import DOCS
from airflow_provider_b24.rest.lists import TABLE, UNKNOWN, list_method

ROWS = list(TABLE.items())


def test_there_are_at_least_a_hundred_methods_each_with_a_source_of_its_own():
    assert len(TABLE) >= 100
    assert len({how.source for how in TABLE.values()}) == len(TABLE)


@pytest.mark.parametrize(("method", "how"), ROWS, ids=list(TABLE))
def test_a_row_of_the_table_is_consistent(method, how):
    assert method == method.lower()
    assert how.source.startswith(f"{DOCS}/api-reference/")
    assert how.source.endswith(".html")
    assert bool(how.pages.refusal) == (how.paging == "refused")
    assert not how.pages.inside or how.paging in ("offset", "OFFSET")
    assert not how.parameters.sort or how.parameters.order
    assert not how.fields_in or how.fields
    assert how.fields == "" or " " not in how.fields
    if how.keyset:
        assert len(how.key) == 1
        assert how.filter
        assert how.parameters.order


def test_methods_by_id():
    """Only where filtering and sorting by id with start -1 is documented, or was seen."""
    assert {name for name, how in ROWS if how.keyset} == {
        *("crm.item.list", "crm.contact.list", "crm.company.list", "crm.deal.list", "crm.lead.list"),
        *("crm.quote.list", "crm.activity.list", "crm.requisite.list", "crm.stagehistory.list"),
        *("tasks.task.list", "user.get", "voximplant.statistic.get"),
    }


def test_names_of_methods_count_in_any_case():
    assert list_method("Sale.Order.List") is TABLE["sale.order.list"]
    assert list_method("own.thing.list") is UNKNOWN


@pytest.mark.parametrize(
    ("method", "fields", "inside"),
    [
        ("crm.item.list", "crm.item.fields", "fields"),
        ("crm.contact.list", "crm.contact.fields", ""),
        ("tasks.task.list", "tasks.task.getFields", "fields"),
        ("user.get", "user.fields", ""),
        ("sale.order.list", "sale.order.getFields", "order"),
        ("catalog.store.list", "catalog.store.getFields", "store"),
        ("lists.element.get", "lists.field.get", ""),
        ("voximplant.statistic.get", "", ""),
    ],
)
def test_methods_that_describe_the_fields_of_rows(method, fields, inside):
    how = list_method(method)
    assert (how.fields, how.fields_in) == (fields, inside)
