"""Bindings of companies, deals, leads and quotes to contacts, and the fields that show bindings."""

from __future__ import annotations

from typing import Any

import pytest

FAMILIES = ["deal", "lead", "quote"]


def row(contact_id: int, sort: int, primary: str = "N") -> dict[str, Any]:
    return {"CONTACT_ID": contact_id, "SORT": sort, "ROLE_ID": 0, "IS_PRIMARY": primary}


@pytest.fixture
def linked(portal, rest):
    portal.add_generated(deal=3, lead=3, quote=3)
    return rest


@pytest.mark.parametrize("owner", FAMILIES)
def test_sort_of_deal_lead_and_quote_bindings_follows_the_position(linked, owner):
    """The documentation (measured in 2026) and the server's code: position times 10, also for 0 and less."""
    items = [
        {"CONTACT_ID": 83},
        {"CONTACT_ID": 82, "IS_PRIMARY": "Y", "SORT": 0},
        {"CONTACT_ID": 84, "SORT": 5},
    ]
    assert linked.result(f"crm.{owner}.contact.items.set", {"id": 1, "items": items}) is True
    rows = linked.result(f"crm.{owner}.contact.items.get", {"id": 1})
    assert rows == [row(84, 5), row(83, 10), row(82, 20, "Y")]


@pytest.mark.parametrize("owner", FAMILIES)
def test_contacts_are_added_and_removed_one_by_one(linked, owner):
    add, delete = f"crm.{owner}.contact.add", f"crm.{owner}.contact.delete"
    assert linked.result(add, {"id": 1, "fields": {"CONTACT_ID": 82}}) is True
    assert linked.result(add, {"id": 1, "fields": {"CONTACT_ID": 83, "IS_PRIMARY": "Y"}}) is True
    assert linked.result(add, {"id": 1, "fields": {"CONTACT_ID": 83}}) is False
    assert linked.result(f"crm.{owner}.contact.items.get", {"id": 1}) == [row(82, 10), row(83, 20, "Y")]
    assert linked.result(delete, {"id": 1, "fields": {"CONTACT_ID": 83}}) is True
    assert linked.result(delete, {"id": 1, "fields": {"CONTACT_ID": 83}}) is False
    assert linked.result(f"crm.{owner}.contact.items.get", {"id": 1}) == [row(82, 10, "Y")]
    assert linked.result(f"crm.{owner}.contact.items.delete", {"id": 1}) is True
    assert linked.result(f"crm.{owner}.contact.items.get", {"id": 1}) == []
    assert "CONTACT_ID" in linked.result(f"crm.{owner}.contact.fields")


@pytest.mark.parametrize("owner", ["deal", "lead"])
def test_an_absent_deal_or_lead_is_not_found_without_a_dot_when_read(linked, owner):
    """The server's code: items.get and items.delete have texts of their own."""
    assert linked.error(f"crm.{owner}.contact.items.get", {"id": 99}) == (400, "", "Not found")
    assert linked.error(f"crm.{owner}.contact.items.delete", {"id": 99}) == (400, "", "Not found")
    params = {"id": 99, "items": []}
    assert linked.error(f"crm.{owner}.contact.items.set", params) == (400, "", "Not found.")


def test_an_absent_quote_reads_as_empty(linked):
    assert linked.result("crm.quote.contact.items.get", {"id": 99}) == []
    assert linked.error("crm.quote.contact.items.set", {"id": 99, "items": []})[2] == "Not found."


def test_missing_rights_are_400_for_deals_and_403_for_quotes(portal, as_user):
    portal.add_generated(deal=1, quote=1)
    caller = as_user(admin=False, can_update=False)
    assert caller.error("crm.deal.contact.items.set", {"id": 1, "items": []}) == (400, "", "Access denied.")
    assert caller.error("crm.quote.contact.items.set", {"id": 1, "items": []})[0] == 403


def test_items_show_and_set_their_contacts(linked):
    linked.result("crm.deal.contact.items.set", {"id": 1, "items": [{"CONTACT_ID": 83}, {"CONTACT_ID": 82}]})
    item = linked.result("crm.item.get", {"entityTypeId": 2, "id": 1})["item"]
    assert (item["contactId"], item["contactIds"]) == (83, [83, 82])
    changed = {"entityTypeId": 2, "id": 1, "fields": {"contactIds": [84, 83]}}
    assert linked.result("crm.item.update", changed)["item"]["contactIds"] == [84, 83]
    assert linked.result("crm.deal.contact.items.get", {"id": 1}) == [row(84, 10, "Y"), row(83, 20)]


COMPANY = "crm.company.contact"


def test_a_company_becomes_primary_of_every_contact_it_gets(portal, rest):
    """The server's code, bindContacts: the contact's other companies lose the flag."""
    portal.bind(82, [(27, 10, True)])
    portal.bind(83, [(31, 10, True)])
    items = [{"CONTACT_ID": 82}, {"CONTACT_ID": 83}]
    assert rest.result(f"{COMPANY}.items.set", {"id": 8, "items": items}) is True
    assert rest.result(f"{COMPANY}.items.get", {"id": 8}) == [row(82, 10, "Y"), row(83, 20, "Y")]
    assert [one["IS_PRIMARY"] for one in portal.bindings(82)] == ["Y", "N"]
    assert portal.contact(82)["COMPANY_ID"] == 8


def test_removing_contacts_from_a_company_promotes_no_other_company(portal, rest):
    """The server's code, unbindContacts: COMPANY_ID becomes the lowest id left while no row is primary."""
    portal.bind(82, [(27, 10, False), (31, 20, False), (8, 30, True)])
    assert rest.result(f"{COMPANY}.delete", {"id": 8, "fields": {"CONTACT_ID": 82}}) is True
    assert rest.result(f"{COMPANY}.delete", {"id": 8, "fields": {"CONTACT_ID": 82}}) is False
    assert [one["IS_PRIMARY"] for one in portal.bindings(82)] == ["N", "N"]
    assert portal.contact(82)["COMPANY_ID"] == 27
    assert rest.result(f"{COMPANY}.add", {"id": 31, "fields": {"CONTACT_ID": 84, "SORT": 7}}) is True
    assert rest.result(f"{COMPANY}.add", {"id": 31, "fields": {"CONTACT_ID": 84}}) is False
    assert rest.result(f"{COMPANY}.items.delete", {"id": 31}) is True
    assert rest.result(f"{COMPANY}.items.get", {"id": 31}) == []


def test_company_contact_methods_refuse_as_their_siblings_do(rest):
    assert (
        rest.error(f"{COMPANY}.add", {"id": 0})[2]
        == "The parameter 'ownerEntityID' is invalid or not defined."
    )
    assert rest.error(f"{COMPANY}.items.set", {"id": 8})[2] == "The parameter items must be array."
    assert rest.error(f"{COMPANY}.add", {"id": 9999, "fields": {"CONTACT_ID": 82}})[2] == "Not found."
    assert rest.error(f"{COMPANY}.add", {"id": 8, "fields": {}})[2] == "The parameter 'fields' is not valid."


@pytest.mark.parametrize("method", ["add", "update"])
def test_company_ids_set_the_bindings_of_a_contact(portal, rest, method):
    """The documentation of crm.contact.add and crm.contact.update."""
    params = {"id": 82, "fields": {"NAME": "Ana", "COMPANY_IDS": [9, "8", 9]}}
    result = rest.result(f"crm.contact.{method}", params)
    rows = portal.bindings(result if method == "add" else 82)
    assert [(one["COMPANY_ID"], one["SORT"], one["IS_PRIMARY"]) for one in rows] == [
        (9, 10, "Y"),
        (8, 20, "N"),
    ]


def test_items_are_added_changed_and_deleted(portal, rest):
    fields = {"name": "Ivo", "companyIds": [8, 9], "assignedById": "7", "noSuchField": 1}
    item = rest.result("crm.item.add", {"entityTypeId": 3, "fields": fields})["item"]
    assert (item["name"], item["companyId"], item["companyIds"], item["assignedById"]) == (
        "Ivo",
        8,
        [8, 9],
        7,
    )
    changed = {"entityTypeId": 3, "id": item["id"], "fields": {"companyId": 10}}
    assert rest.result("crm.item.update", changed)["item"]["companyIds"] == [10]
    assert rest.result("crm.item.delete", {"entityTypeId": 3, "id": item["id"]}) == []
    assert rest.error("crm.item.get", {"entityTypeId": 3, "id": item["id"]})[1] == "NOT_FOUND"


def test_an_update_of_company_ids_checks_them_and_keeps_roles(portal, rest):
    """The documentation's tutorial: unknown companies are refused, roles of bound ones are kept."""
    portal.bind(82, [(8, 10, True, 5)])
    params = {"entityTypeId": 3, "id": 82, "fields": {"companyIds": [9, 8]}}
    rest.result("crm.item.update", params)
    assert [(one["COMPANY_ID"], one["ROLE_ID"]) for one in portal.bindings(82)] == [(9, 0), (8, 5)]
    params["fields"] = {"companyIds": [777777]}
    assert rest.error("crm.item.update", params)[:2] == (400, "CRM_FIELD_ERROR_VALUE_NOT_VALID")


def test_items_are_refused_without_the_right_to_update(as_user):
    caller = as_user(admin=False, can_update=False)
    for method in ("add", "update", "delete"):
        params = {"entityTypeId": 3, "id": 82, "fields": {"name": "x"}}
        assert caller.error(f"crm.item.{method}", params)[1] == "ACCESS_DENIED"
