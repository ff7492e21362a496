"""crm.contact.*, crm.company.*, crm.item.*: key case, types of ids, filters, pages."""

from __future__ import annotations

import json

import pytest

from airflow_provider_b24.sandbox import Portal

JSON = {"Content-Type": "application/json"}


def test_contact_get_has_upper_keys_and_ids_as_text(rest):
    contact = rest.result("crm.contact.get", {"id": 82})
    assert contact["ID"] == "82"
    assert contact["COMPANY_ID"] == "27"
    assert contact["LAST_NAME"] == "Petrović"
    assert contact["PHONE"][0]["VALUE"].startswith("+1 ")


def test_a_contact_without_companies_has_a_null_company(rest):
    assert rest.result("crm.contact.get", {"id": 87})["COMPANY_ID"] is None


@pytest.mark.parametrize("kind", ["contact", "company"])
def test_get_refuses_bad_and_absent_ids(rest, kind):
    assert rest.error(f"crm.{kind}.get", {"id": 0}) == (400, "", "ID is not defined or invalid.")
    assert rest.error(f"crm.{kind}.get", {"id": 99999}) == (400, "", "Not found")


def test_records_are_added_changed_and_deleted(portal, rest):
    contact_id = rest.result("crm.contact.add", {"fields": {"NAME": "Ivo", "COMPANY_ID": 8}})
    assert portal.bindings(contact_id) == [{"COMPANY_ID": 8, "SORT": 10, "ROLE_ID": 0, "IS_PRIMARY": "Y"}]
    assert rest.result("crm.contact.update", {"id": contact_id, "fields": {"NAME": "Iva"}}) is True
    assert portal.contact(contact_id)["NAME"] == "Iva"
    assert portal.bindings(contact_id)
    assert rest.result("crm.contact.delete", {"id": contact_id}) is True
    assert portal.contact(contact_id) is None
    company_id = rest.result("crm.company.add", {"fields": {"TITLE": "Nova"}})
    assert rest.result("crm.company.get", {"id": str(company_id)})["TITLE"] == "Nova"
    assert rest.result("crm.company.delete", {"id": company_id}) is True
    assert rest.error("crm.company.update", {"id": company_id, "fields": {}}) == (
        400,
        "",
        "Company is not found",
    )


def test_an_update_of_company_id_replaces_the_set_unless_it_is_bound(portal, rest):
    portal.bind(82, [(8, 10, True), (9, 20, False)])
    rest.result("crm.contact.update", {"id": 82, "fields": {"COMPANY_ID": 9}})
    assert len(portal.bindings(82)) == 2
    rest.result("crm.contact.update", {"id": 82, "fields": {"COMPANY_ID": 10}})
    assert [row["COMPANY_ID"] for row in portal.bindings(82)] == [10]


def test_a_user_without_rights_changes_nothing(as_user):
    caller = as_user(admin=False, can_update=False)
    for method in ("crm.contact.add", "crm.contact.update", "crm.company.delete"):
        assert caller.error(method, {"id": 82, "fields": {}}) == (400, "", "Access denied.")
    blind = as_user(admin=False, can_read=False)
    assert blind.error("crm.contact.list") == (400, "", "Access denied.")
    assert blind.error("crm.item.list", {"entityTypeId": 3})[1] == "ACCESS_DENIED"


def test_contact_list_has_rows_in_the_result_and_ids_as_text(rest):
    _status, body = rest("crm.contact.list", {"filter": {"@ID": [82, 83, 424242]}, "order": {"ID": "DESC"}})
    assert [row["ID"] for row in body["result"]] == ["83", "82"]
    assert body["total"] == 2
    assert "next" not in body
    assert "PHONE" not in body["result"][0]


def test_contact_list_selects_and_always_gives_the_id(rest):
    rows = rest.result("crm.contact.list", {"filter": {"ID": 82}, "select": ["NAME", "PHONE"]})
    assert set(rows[0]) == {"ID", "NAME", "PHONE"}


def test_classic_lists_round_start_down_to_a_page(portal, rest):
    portal.add_generated(contacts=200)
    _, body = rest("crm.contact.list", {"start": 70, "select": ["ID"]})
    assert body["result"][0]["ID"] == "51"
    assert body["next"] == 100


def test_item_get_has_camel_keys_ints_and_companies_in_link_order(portal, rest):
    portal.bind(82, [(31, 20, False), (27, 10, True)])
    item = rest.result("crm.item.get", {"entityTypeId": 3, "id": 82})["item"]
    assert (item["id"], item["companyId"], item["companyIds"]) == (82, 27, [27, 31])
    assert item["lastName"] == "Petrović"
    assert item["fm"][0]["typeId"] == "PHONE"


def test_item_get_says_what_is_wrong(rest):
    missing = "Could not find value for parameter {entityTypeId}"
    assert rest.error("crm.item.get", {"id": 82}) == (400, "100", missing)
    assert rest.error("crm.item.get", {"entityTypeId": 3}) == (
        400,
        "100",
        "Could not find value for parameter {id}",
    )
    assert rest.error("crm.item.get", {"entityTypeId": 77, "id": 1}) == (400, "NOT_FOUND", "SPA not found")
    assert rest.error("crm.item.get", {"entityTypeId": 4, "id": 424242}) == (
        400,
        "NOT_FOUND",
        "Element not found",
    )


def test_item_list_finds_which_companies_exist(portal, rest):
    portal.forbid_companies([10])
    params = {"entityTypeId": 4, "filter": {"@id": [8, "9", 10, 555]}, "select": ["id"], "start": -1}
    _status, body = rest("crm.item.list", params)
    assert body["result"] == {"items": [{"id": 8}, {"id": 9}]}
    assert body["total"] == 0
    assert "next" not in body


def test_an_unreadable_company_is_left_out_and_its_card_refused(portal, rest):
    portal.forbid_companies([10])
    assert rest.error("crm.item.get", {"entityTypeId": 4, "id": 10}) == (
        400,
        "ACCESS_DENIED",
        "You do not have permission to view this item",
    )
    assert rest.error("crm.company.get", {"id": 10}) == (400, "", "Access denied.")


def test_a_keyset_walk_over_generated_contacts_sees_each_once(portal, rest):
    portal.add_generated(contacts=120)
    portal.delete_contact(60)
    seen: list[int] = []
    while True:
        params = {
            "entityTypeId": 3,
            "order": {"id": "ASC"},
            "filter": {">id": seen[-1] if seen else 0},
            "start": -1,
        }
        items = rest.result("crm.item.list", {**params, "select": ["id"]})["items"]
        seen += [item["id"] for item in items]
        if len(items) < 50:
            break
    assert seen == sorted(set(range(1, 136)) - {60})


def test_an_offset_walk_counts_and_ends(portal, rest):
    portal.add_generated(contacts=120)
    _, first = rest("crm.item.list", {"entityTypeId": 3, "select": ["id"]})
    _, last = rest("crm.item.list", {"entityTypeId": 3, "select": ["id"], "start": 100})
    assert (first["total"], first["next"]) == (135, 50)
    assert len(last["result"]["items"]) == 35
    assert "next" not in last


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ({"id": 83}, [83]),
        ({"=id": [83, 84]}, [83, 84]),
        ({">=id": 86, "<id": 100}, [86, 87]),
        ({"companyIds": 31}, [83]),
        ({"companyId": 31}, []),
        ({"companyId": 8}, [83]),
        ({"%lastName": "etrov"}, [82]),
        ({"lastName": "o'connor"}, [86]),
        ({"<=id": 87, "!id": [82, 83, 84, 85]}, [86, 87]),
        ({"<=id": 87, "!%name": "e"}, [82, 86]),
        ({"<=id": 83, ">createdTime": "1999-01-01"}, [82, 83]),
    ],
)
def test_filters_narrow_the_list(rest, condition, found):
    params = {"entityTypeId": 3, "filter": condition, "select": ["id"]}
    assert [item["id"] for item in rest.result("crm.item.list", params)["items"]] == found


def test_lists_are_ordered_by_any_field(rest):
    params = {
        "entityTypeId": 3,
        "filter": {"<=id": 87},
        "order": {"lastName": "DESC"},
        "select": ["lastName"],
    }
    names = [item["lastName"] for item in rest.result("crm.item.list", params)["items"]]
    assert names == sorted(names, key=str.casefold, reverse=True)


def test_filter_and_order_by_unknown_fields_are_refused(rest):
    assert rest.error("crm.item.list", {"entityTypeId": 3, "filter": {">ID": 1}}) == (
        400,
        "INVALID_ARG_VALUE",
        "Invalid filter: field 'ID' is not allowed in filter",
    )
    assert rest.error("crm.item.list", {"entityTypeId": 3, "order": {"nope": "ASC"}})[2] == (
        "Invalid order: field 'nope' is not allowed in order"
    )
    assert rest.error("crm.item.list", {"entityTypeId": 3, "order": {"id": "UP"}})[2] == (
        "Invalid order: allowed sort directions are ASC, DESC. But got 'UP' for field 'id'"
    )


def test_forbidden_contacts_are_not_listed(portal, rest):
    portal.forbid_contacts([83])
    _, body = rest("crm.item.list", {"entityTypeId": 3, "filter": {"@id": [82, 83]}, "select": ["id"]})
    assert (body["result"]["items"], body["total"]) == ([{"id": 82}], 1)


def test_generated_records_are_the_same_each_time_and_give_way_to_explicit_ones():
    portal = Portal()
    portal.add_generated(contacts=1_000_000, companies=500)
    assert portal.contact(777_777) == portal.contact(777_777)
    portal.add_contact(5, NAME="Five")
    assert portal.contact(5)["NAME"] == "Five"
    assert portal.add_contact(NAME="Next") == 1_000_001
    assert portal.contact(1_000_002) is None
    assert portal.contacts.count() == 1_000_001
    assert portal.company(500)["TITLE"]
    assert portal.company(501) is None


def test_whether_a_record_can_be_reached_follows_from_its_phone_and_email(portal, rest):
    number = rest.result("crm.contact.add", {"fields": {"NAME": "Ida", "PHONE": [{"VALUE": "+1 555 0100"}]}})
    card = rest.result("crm.contact.get", {"id": number})
    assert (card["HAS_PHONE"], card["HAS_EMAIL"], card["UTM_SOURCE"]) == ("Y", "N", None)
    gone = {"ID": card["PHONE"][0]["ID"], "DELETE": "Y"}
    rest.result("crm.contact.update", {"id": number, "fields": {"PHONE": [gone], "UTM_SOURCE": "news"}})
    card = rest.result("crm.contact.get", {"id": number})
    assert (card["HAS_PHONE"], card["UTM_SOURCE"]) == ("N", "news")


def test_values_of_a_multifield_are_added_changed_and_removed_by_their_ids(rest):
    """The server's code: a value without an ID is added, whatever there was."""

    def write(*phones):
        rest.result("crm.contact.update", {"id": 82, "fields": {"PHONE": list(phones)}})
        return rest.result("crm.contact.get", {"id": 82}).get("PHONE", [])

    (first,) = write()
    assert first["VALUE_TYPE"] == "WORK"
    _, second = write({"VALUE": " +1 555 0101 ", "VALUE_TYPE": "HOME"}, {"VALUE": ""}, "text", {"ID": 7})
    assert (second["VALUE"], second["VALUE_TYPE"], second["TYPE_ID"]) == ("+1 555 0101", "HOME", "PHONE")
    assert write({"ID": first["ID"], "VALUE": ""}) == [second]
    changed = second | {"VALUE": "+1 555 0102"}
    assert write(changed, {"VALUE": "+1 555 0103"})[0] == changed
    assert [one["VALUE"] for one in write(changed | {"DELETE": "Y"})] == ["+1 555 0103"]


def test_the_older_methods_leave_out_phones_and_addresses_that_a_record_does_not_have(rest):
    """The documentation of crm.contact.get; crm.item.* has every field."""
    fields = {
        "NAME": "Ida",
        "WEB": [{"VALUE": "example.com"}],
        "IM": [{"VALUE": "ida", "VALUE_TYPE": "SKYPE"}],
    }
    number = rest.result("crm.contact.add", {"fields": fields})
    card = rest.result("crm.contact.get", {"id": number})
    assert not {"PHONE", "EMAIL", "LINK"} & card.keys()
    assert (card["WEB"][0]["VALUE"], card["IM"][0]["VALUE_TYPE"]) == ("example.com", "SKYPE")
    row = rest.result("crm.contact.list", {"filter": {"ID": number}, "select": ["PHONE", "WEB"]})[0]
    assert row.keys() == {"ID", "WEB"}
    item = rest.result("crm.item.get", {"entityTypeId": 3, "id": number})["item"]
    assert (item["photo"], item["phone"]) == (None, "")
    assert [(one["typeId"], one["value"]) for one in item["fm"]] == [("WEB", "example.com"), ("IM", "ida")]


def test_files_have_addresses_with_the_credentials_of_the_caller(portal, rest):
    """The documentation of files in crm.item.*, and the server's code of the older methods."""
    portal.add_user_field(3, "UF_CRM_1700000001", "file", "Contract", multiple=True)
    photo, contract = {"fileData": ["a.png", "aW1n"]}, [["a.pdf", "cGRm"], ["b.pdf", "cGRm"]]
    rest.result("crm.contact.update", {"id": 82, "fields": {"PHOTO": photo}})
    fields = {"ufCrm_1700000001": contract}
    rest.result("crm.item.update", {"entityTypeId": 3, "id": 82, "fields": fields})
    card = rest.result("crm.contact.get", {"id": 82})
    page = "/bitrix/components/bitrix/crm.contact.show/show_file.php?auth=&ownerId=82&fieldName=PHOTO"
    assert card["PHOTO"]["downloadUrl"].startswith(page)
    assert len(card["UF_CRM_1700000001"]) == 2
    address = rest.result("crm.item.get", {"entityTypeId": 3, "id": 82})["item"]["photo"]["urlMachine"]
    assert f"/rest/1/{rest.code}/crm.controller.item.getFile/?token=" in address
    portal.add_app("local.app", "s", user_id=1)
    access, _ = portal.issue_tokens("local.app")
    for method, name in (("crm.contact.get", "PHOTO"), ("crm.item.get", "photo")):
        body = json.dumps({"auth": access, "entityTypeId": 3, "id": 82})
        result = rest.send("POST", f"/rest/{method}", JSON, body)[1]["result"]
        assert f"auth={access}" in str(result.get("item", result)[name])
    rest.result("crm.contact.update", {"id": 82, "fields": {"PHOTO": {"remove": "Y"}}})
    assert "PHOTO" not in rest.result("crm.contact.get", {"id": 82})
    assert rest.result("crm.contact.get", {"id": 83})["PHOTO"] is None
    assert rest.result("crm.item.get", {"entityTypeId": 3, "id": 82})["item"]["photo"] is None
