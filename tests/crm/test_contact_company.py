import pytest

from airflow_provider_b24.crm.bindings import CompanyBinding
from airflow_provider_b24.crm.contact_company import add_company, delete_company

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
