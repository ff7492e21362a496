import pytest

from airflow_provider_b24.crm.messages import message, parse_message_id
from airflow_provider_b24.errors import Bitrix24InputError, Bitrix24UnknownOutcomeError


@pytest.mark.parametrize(
    ("dialog_id", "sent"),
    [("chat42", "chat42"), (" sg7 ", "sg7"), ("5", "5"), (5, "5")],
)
def test_a_dialog_is_a_chat_a_workgroup_or_a_user(dialog_id, sent):
    call = message("Hello", dialog_id=dialog_id)
    assert (call.method, call.params) == ("im.message.add", {"DIALOG_ID": sent, "MESSAGE": "Hello"})


@pytest.mark.parametrize("user_id", [5, "5"])
def test_a_user_is_told_by_the_notification_bell(user_id):
    call = message("Hello", user_id=user_id)
    assert (call.method, call.params) == ("im.notify.system.add", {"USER_ID": 5, "MESSAGE": "Hello"})


def test_a_message_is_not_repeated_blindly():
    assert not message("Hello", user_id=5).repeatable
    assert not message("Hello", dialog_id=5).repeatable


@pytest.mark.parametrize("recipient", [{}, {"dialog_id": "chat1", "user_id": 5}])
def test_exactly_one_recipient_is_needed(recipient):
    with pytest.raises(Bitrix24InputError, match="exactly one of dialog_id and user_id is required"):
        message("Hello", **recipient)


@pytest.mark.parametrize("dialog_id", ["", "chat", "chat0", "general", "chat1/../x", -5, True, 0])
def test_an_impossible_dialog_is_refused(dialog_id):
    with pytest.raises(Bitrix24InputError, match="dialog_id must look like 'chat42'"):
        message("Hello", dialog_id=dialog_id)


@pytest.mark.parametrize("user_id", ["", "chat1", 0, True])
def test_an_impossible_user_is_refused(user_id):
    with pytest.raises(Bitrix24InputError, match="user_id must be a positive whole number"):
        message("Hello", user_id=user_id)


@pytest.mark.parametrize("text", ["", " \n", None, 5])
def test_an_empty_message_is_refused(text):
    with pytest.raises(Bitrix24InputError, match="text of a message must not be empty"):
        message(text, user_id=5)


def test_the_id_of_a_message_is_a_number():
    assert parse_message_id(17, "im.message.add") == 17


@pytest.mark.parametrize("result", [None, False, True, 0, "17", [17]])
def test_any_other_result_confirms_nothing(result):
    with pytest.raises(Bitrix24UnknownOutcomeError, match="expected the id of the message"):
        parse_message_id(result, "im.message.add")
