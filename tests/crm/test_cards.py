import pytest

from airflow_provider_b24.crm.cards import card_path, record_path


@pytest.mark.parametrize(
    ("method", "params", "result", "path"),
    [
        ("crm.contact.get", {"id": 82}, None, "/crm/contact/details/82/"),
        ("crm.contact.get", {"ID": "82"}, None, "/crm/contact/details/82/"),
        ("crm.contact.company.items.set", {"id": 82, "items": []}, True, "/crm/contact/details/82/"),
        ("crm.company.update", {"id": 7, "fields": {}}, True, "/crm/company/details/7/"),
        ("CRM.Deal.Get", {"id": 5}, None, "/crm/deal/details/5/"),
        ("crm.lead.add", {"fields": {}}, 9, "/crm/lead/details/9/"),
        ("crm.lead.add", {"fields": {}}, "9", "/crm/lead/details/9/"),
        ("crm.item.get", {"entityTypeId": 3, "id": 82}, None, "/crm/contact/details/82/"),
        ("crm.item.get", {"entityTypeId": "128", "id": "5"}, None, "/crm/type/128/details/5/"),
        ("crm.item.add", {"entityTypeId": 2}, {"item": {"id": 11}}, "/crm/deal/details/11/"),
    ],
)
def test_the_card_of_a_record(method, params, result, path):
    assert card_path(method, params, result) == path


@pytest.mark.parametrize(
    ("method", "params", "result"),
    [
        ("profile", None, None),
        ("crm.contact.list", {"filter": {"ID": 82}}, []),
        ("crm.contact.delete", {"id": 82}, True),
        ("crm.item.delete", {"entityTypeId": 3, "id": 82}, []),
        ("crm.contact.get", {"id": "82/../x"}, None),
        ("crm.contact.get", {"id": [82]}, None),
        ("crm.contact.get", {"id": 0}, None),
        ("crm.contact.add", {"id": 5}, None),
        ("crm.contact.add", {}, True),
        ("crm.item.get", {"id": 82}, None),
        ("crm.item.add", {"entityTypeId": 2}, {"item": []}),
        ("crm.status.get", {"id": 82}, None),
        ("tasks.task.get", {"id": 82}, None),
    ],
)
def test_no_card(method, params, result):
    assert card_path(method, params, result) is None


@pytest.mark.parametrize(
    ("method", "params", "path"),
    [
        ("crm.item.list", {"entityTypeId": 2}, "crm/deal"),
        ("crm.item.list", {"ENTITYTYPEID": "177"}, "crm/item/177"),
        ("crm.item.list", {}, "crm/item"),
        ("crm.deal.list", None, "crm/deal"),
        ("tasks.task.list", None, "tasks/task"),
        ("profile", None, "profile"),
    ],
)
def test_what_records_a_method_is_about(method, params, path):
    assert record_path(method, params) == path
