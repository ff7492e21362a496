import pytest

from airflow_provider_b24.crm.contact import Contact
from airflow_provider_b24.errors import Bitrix24InputError, Bitrix24UnknownOutcomeError


def contact(result=True, sent=None):
    """A contact of a portal that answers every call with `result`."""

    def perform(call):
        if sent is not None:
            sent.append((call.method, dict(call.params)))
        return result

    return Contact("82", perform, "https://portal.example/crm2")


def test_a_contact_knows_its_card():
    assert contact().id == 82
    assert contact().url == "https://portal.example/crm2/crm/contact/details/82/"


def test_input_is_checked_before_the_call():
    sent = []
    assert contact(sent=sent).set_companies("[8, 9.0]", allow_empty="no", check_companies=0)
    assert sent == [
        ("crm.contact.company.items.set", {"id": 82, "items": [{"COMPANY_ID": 8}, {"COMPANY_ID": 9}]})
    ]


@pytest.mark.parametrize("switch", ["allow_empty", "check_companies"])
@pytest.mark.parametrize("value", [None, "", "maybe", 2, object()])
def test_a_switch_must_be_a_flag(switch, value):
    sent = []
    with pytest.raises(Bitrix24InputError, match=f"{switch} must be True or False"):
        contact(sent=sent).set_companies([8], **{switch: value})
    assert sent == []


@pytest.mark.parametrize("result", [None, False, 1, "true", [], {}])
def test_a_write_that_the_portal_does_not_confirm_is_unknown(result):
    for write in (lambda: contact(result).set_companies([8]), contact(result).clear_companies):
        with pytest.raises(Bitrix24UnknownOutcomeError, match="expected true, received") as caught:
            write()
        assert not caught.value.temporary


@pytest.mark.parametrize("result", [None, 1, "true", [], {}])
def test_a_change_that_the_portal_does_not_confirm_is_unknown(result):
    for change in (lambda: contact(result).add_company(8), lambda: contact(result).delete_company(8)):
        with pytest.raises(Bitrix24UnknownOutcomeError, match="expected true or false, received"):
            change()


def test_an_unexpected_text_is_not_quoted():
    with pytest.raises(Bitrix24UnknownOutcomeError) as caught:
        contact("https://portal.example/rest/1/secret0code/").clear_companies()
    assert "secret0code" not in str(caught.value)


@pytest.mark.parametrize("changed", [True, False])
def test_nothing_to_change_is_success(changed):
    assert contact(changed).add_company(8, "yes", "-5") is changed
    assert contact(changed).delete_company("8") is changed
