"""What is known of the fields of a list before its first row."""

import pytest

from airflow_provider_b24.crm.documented_fields import DOCUMENTED, FLAGS
from airflow_provider_b24.crm.fields import camel, describe, fields_call, is_user_field


@pytest.mark.parametrize(
    ("method", "params", "asked", "given"),
    [
        ("crm.item.list", {"entityTypeId": 2}, "crm.item.fields", {"entityTypeId": 2}),
        ("crm.item.list", {"ENTITYTYPEID": 2}, "crm.item.fields", {"entityTypeId": 2}),
        (
            "crm.item.list",
            {"entityTypeId": 2, "useOriginalUfNames": "Y"},
            "crm.item.fields",
            {"entityTypeId": 2, "useOriginalUfNames": "Y"},
        ),
        ("crm.deal.list", {"select": ["ID"]}, "crm.deal.fields", {}),
        ("CRM.Deal.Recurring.List", {}, "crm.deal.recurring.fields", {}),
        ("crm.category.list", {"entityTypeId": 2}, "crm.category.fields", {"entityTypeId": 2}),
        ("crm.deal.userfield.list", {}, "crm.userfield.fields", {}),
        ("tasks.task.list", {}, "tasks.task.getFields", {}),
        ("user.get", {}, "user.fields", {}),
        ("sale.order.list", {}, "sale.order.getFields", {}),
        ("catalog.store.list", {}, "catalog.store.getFields", {}),
        (
            "catalog.product.list",
            {"FILTER": {"iblockId": 1, ">id": 5}},
            "catalog.product.getFieldsByFilter",
            {"filter": {"iblockId": 1}},
        ),
        (
            "lists.element.get",
            {"IBLOCK_TYPE_ID": "lists", "IBLOCK_ID": 7, "FILTER": {}},
            "lists.field.get",
            {"IBLOCK_TYPE_ID": "lists", "IBLOCK_ID": 7},
        ),
    ],
)
def test_fields_are_described_by_the_method_of_their_family(method, params, asked, given):
    call = fields_call(method, params)
    assert (call.method, call.params) == (asked, given)


@pytest.mark.parametrize("method", ["crm.stagehistory.list", "im.recent.list", "own.list"])
def test_other_lists_have_no_description(method):
    assert fields_call(method, {}) is None


INTEGER = {"type": "integer", "title": "ID"}


@pytest.mark.parametrize(
    "result",
    [
        {"id": INTEGER},
        {"fields": {"id": INTEGER}},
        {"order": {"id": INTEGER}},
        {"fields": [{"title": "id", "type": "integer"}]},
    ],
)
def test_a_description_is_found_wherever_the_method_puts_it(result):
    description = describe("biconnector.source.list", {}, result)
    assert [(one.name, one.type) for one in description.fields.values()] == [("id", "integer")]
    assert description.is_complete


@pytest.mark.parametrize("result", [None, [], {}, False, "text", {"id": None}])
def test_no_description_promises_nothing(result):
    description = describe("own.list", {}, result)
    assert dict(description.fields) == {}
    assert not description.is_complete


@pytest.mark.parametrize(
    ("method", "name", "about", "type_"),
    [
        ("crm.deal.list", "OPENED", {"type": "char"}, "boolean"),
        ("crm.deal.list", "SOMETHING", {"type": "char"}, "string"),
        ("crm.deal.recurring.list", "IS_LIMIT", {"type": "char"}, "string"),
        ("crm.deal.recurring.list", "CATEGORY_ID", {"type": "char"}, "string"),
        ("crm.deal.recurring.list", "ACTIVE", {"type": "char"}, "boolean"),
        ("crm.status.list", "SEMANTICS", {"type": "char"}, "string"),
        ("crm.deal.list", "UF_CRM_1", {"type": "double"}, "number"),
        ("crm.deal.list", "UF_CRM_1", {"type": "double", "isMultiple": True}, "json"),
        ("crm.deal.list", "BEGINDATE", {"type": "date"}, "date"),
        ("crm.deal.list", "UF_CRM_1", {"type": "address"}, "string"),
        ("crm.deal.list", "UF_CRM_1", {"title": "no type"}, "string"),
        ("tasks.task.list", "MATCH_WORK_TIME", {"type": "integer"}, "boolean"),
        (
            "tasks.task.list",
            "FORKED_BY_TEMPLATE_ID",
            {"type": "enum", "values": {"Y": "", "N": ""}},
            "string",
        ),
    ],
)
def test_each_word_of_a_description_promises_a_type(method, name, about, type_):
    description = describe(method, {}, {name: about, "ID": INTEGER})
    assert description.find(name).type == type_


def test_tasks_are_selected_in_capitals_and_have_rows_in_camel_case():
    result = {"fields": {"ID": INTEGER, "CHANGED_DATE": {"type": "datetime"}, "UF_CRM_TASK": {"type": "crm"}}}
    description = describe("tasks.task.list", {}, result)
    chosen = description.chosen(["ID", "CHANGED_DATE", "UF_CRM_TASK", "UF_AUTO_12"])
    assert [one.name for one in chosen] == ["id", "changedDate", "ufCrmTask", "ufAuto12"]


def test_rows_that_the_portal_does_not_describe_have_the_documented_types():
    fields = describe("voximplant.statistic.get", {}).fields
    assert (fields["COST"].type, fields["CALL_FAILED_CODE"].type) == ("number", "string")
    titles = describe("user.get", {}, {"ID": "ID", "ACTIVE": "Active", "UF_X": "X"}).fields
    assert (titles["ACTIVE"].type, titles["ACTIVE"].title) == ("boolean", "Active")
    assert titles["UF_X"].type == "string"


def test_properties_of_lists_are_objects():
    result = {
        "NAME": {"FIELD_ID": "NAME", "TYPE": "NAME"},
        "PROPERTY_5": {"FIELD_ID": "PROPERTY_5", "TYPE": "S"},
    }
    fields = describe("lists.element.get", {}, result).fields
    assert (fields["NAME"].type, fields["PROPERTY_5"].type, fields["ID"].type) == (
        "string",
        "json",
        "integer",
    )


OLD = {
    "ID": INTEGER,
    "TITLE": {"type": "string"},
    "PHONE": {"type": "crm_multifield", "isMultiple": True},
    "UF_CRM_1": {"type": "string"},
}


@pytest.mark.parametrize(
    ("select", "names"),
    [
        (None, ["ID", "TITLE"]),
        ([], ["ID", "TITLE"]),
        (["*"], ["ID", "TITLE"]),
        (["UF_*"], ["UF_CRM_1"]),
        (["*", "UF_*", "PHONE"], ["ID", "TITLE", "UF_CRM_1", "PHONE"]),
        (["PHONE", "ID"], ["PHONE", "ID"]),
        ({"0": "TITLE", "3": "ID"}, ["TITLE", "ID"]),
        (["UF_CRM_9"], ["UF_CRM_9"]),
    ],
)
def test_what_select_means_in_the_older_lists(select, names):
    assert [one.name for one in describe("crm.lead.list", {}, OLD).chosen(select)] == names


@pytest.mark.parametrize("select", [None, ["*"]])
def test_items_have_all_their_fields_and_some_that_are_not_described(select):
    described = {"fields": {"id": INTEGER, "ufCrm_1": {"type": "string"}}}
    description = describe("crm.item.list", {"entityTypeId": 3}, described)
    names = ["id", "ufCrm_1", "entityTypeId", "phone", "email", "fm"]
    assert [one.name for one in description.chosen(select)] == names
    assert [one.name for one in description.chosen(["ID", "ufCrm*"])] == ["id", "ufCrm_1"]


def test_digits_after_the_point_are_taken_from_the_settings():
    about = {"type": "double", "settings": {"PRECISION": 9}}
    assert describe("crm.deal.list", {}, {"UF_CRM_1": about}).fields["UF_CRM_1"].decimals == 9


@pytest.mark.parametrize("name", ["UF_CRM_1", "ufCrm_1", "ufCrm7_1", "ufAuto1", "PROPERTY_5", "parentId128"])
def test_fields_that_users_add_are_known_by_their_names(name):
    assert is_user_field(name)


@pytest.mark.parametrize("name", ["ID", "title", "updatedTime", "ufo", "parentId", "PROPERTYS"])
def test_standard_fields_are_no_users(name):
    assert not is_user_field(name)


def test_names_in_camel_case_stay():
    assert [camel(name) for name in ("CHANGED_DATE", "changedDate", "ID")] == [
        "changedDate",
        "changedDate",
        "id",
    ]


def test_each_table_of_fields_names_its_page():
    assert all(one.source.startswith("https://apidocs.bitrix24.com/") for one in DOCUMENTED.values())
    assert all(FLAGS.values())
