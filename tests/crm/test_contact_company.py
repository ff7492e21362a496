import pytest

from airflow_provider_b24.crm.bindings import CompanyBinding
from airflow_provider_b24.crm.contact_company import (
    add_company,
    confirm_write,
    delete_company,
    parse_changed,
)
from airflow_provider_b24.errors import Bitrix24UnknownOutcomeError

BOUND = [{"COMPANY_ID": "8", "SORT": 10}]  # what the portal answers may hold digits as text


@pytest.mark.parametrize(
    ("call", "rows", "applied"),
    [
        (add_company(82, CompanyBinding(8)), BOUND, True),
        (add_company(82, CompanyBinding(8)), [], False),
        (delete_company(82, 8), BOUND, False),
        (delete_company(82, 8), [], True),
    ],
    ids=["added", "not added", "not deleted", "deleted"],
)
def test_whether_a_write_without_an_answer_was_applied_is_read_from_the_contact(call, rows, applied):
    assert call.verification.read.params == {"id": 82}
    assert call.verification.shows(rows) is applied


@pytest.mark.parametrize(
    ("result", "shown"),
    [(False, "false"), (None, "null"), (0, "0"), ("a secret", "str"), (["a secret"], "list"), (1.5, "float")],
    ids=repr,
)
def test_only_true_confirms_a_write_and_text_is_not_quoted(result, shown):
    with pytest.raises(Bitrix24UnknownOutcomeError, match=f"expected true, received {shown}"):
        confirm_write(result, "crm.contact.company.items.set")
    if result is not False:
        with pytest.raises(Bitrix24UnknownOutcomeError, match=f"expected true or false, received {shown}"):
            parse_changed(result, "crm.contact.company.add")
