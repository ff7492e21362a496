import pytest

from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.rest.condition import check_expression, holds
from airflow_provider_b24.rest.replies import Reply

BINDINGS = [{"COMPANY_ID": 9, "IS_PRIMARY": "N"}, {"COMPANY_ID": "8", "IS_PRIMARY": "Y"}]


@pytest.mark.parametrize(
    ("until", "reply", "expected"),
    [
        ("total >= 10", Reply([], total=10), True),
        ("total >= 10", Reply([], total=9), False),
        ("result.item.stageId == 'WON'", Reply({"item": {"stageId": "WON"}}), True),
        ("result.item.stageId == 'WON'", Reply({"item": {"stageId": "NEW"}}), False),
        ("result.get('closed')", Reply({}), False),
        ("result | map(attribute='COMPANY_ID') | map('int') | sort == [8, 9]", Reply(BINDINGS), True),
        ("8 in result | map(attribute='COMPANY_ID') | map('int') | list", Reply(BINDINGS), True),
        ("result | length > 2", Reply(BINDINGS), False),
        ("result is false", Reply(False), True),
    ],
)
def test_an_expression_over_result_and_total(until, reply, expected):
    assert holds(until, reply) is expected


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ([], False),
        ([{"ID": 1}], True),
        ({}, False),
        ({"items": []}, False),
        ({"items": [{"id": 1}]}, True),
        ({"item": {"id": 1}}, True),
        ({"item": {"id": 1}, "tags": []}, True),
        (None, False),
        (False, False),
        (17, True),
    ],
)
def test_without_an_expression_the_result_must_hold_something(result, expected):
    assert holds(None, Reply(result)) is expected


@pytest.mark.parametrize(
    ("until", "reason"),
    [
        ("total >=", "is not a Jinja expression"),
        ("{{ total }}", "is not a Jinja expression"),
        (lambda reply: True, "until must be a Jinja expression such as 'total >= 10', got function"),
        (10, "got int"),
    ],
)
def test_what_is_no_expression_is_refused_before_it_is_needed(until, reason):
    with pytest.raises(Bitrix24InputError, match=reason):
        check_expression(until)


@pytest.mark.parametrize(
    ("until", "reason"),
    [
        ("result.item.stageID == 'WON'", "has no attribute 'stageID'"),
        ("totl > 1", "'totl' is undefined"),
        ("total > 1", "TypeError: '>' not supported"),
        ("result.__class__.__mro__", "SecurityError"),
    ],
)
def test_an_expression_that_does_not_fit_is_an_error(until, reason):
    with pytest.raises(Bitrix24InputError, match=reason) as caught:
        holds(until, Reply({"item": {"stageId": "NEW"}}))
    assert caught.value.__cause__ is None
    assert until in str(caught.value)


def test_none_is_a_condition():
    check_expression(None)
