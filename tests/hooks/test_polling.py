"""One look at the portal: what counts as "not yet", and what is an error."""

import logging

import pytest

from airflow_provider_b24.errors import (
    Bitrix24AccessDeniedError,
    Bitrix24AuthError,
    Bitrix24Error,
    Bitrix24InputError,
)
from airflow_provider_b24.sandbox import Fault
from airflow_provider_b24.sandbox.http.seed import NO_CRM_CODE

pytestmark = pytest.mark.airflow

GET_82 = ("crm.item.get", {"entityTypeId": 3, "id": 82})
GET_500 = ("crm.item.get", {"entityTypeId": 3, "id": 500})


@pytest.fixture
def look(airflow_console, bitrix24_conn):
    from airflow_provider_b24.hooks.polling import poke

    return lambda call, until=None: poke(bitrix24_conn, *call, until, logging.getLogger("looking"))


def test_the_answer_that_is_waited_for(look):
    assert look(GET_82).result["item"]["id"] == 82
    assert look(GET_82, "result.item.id == 82").result["item"]["id"] == 82
    assert look(("crm.item.list", {"entityTypeId": 3}), "total > 10").total > 10


def test_another_answer_is_not_yet_one(look, caplog):
    caplog.set_level(logging.INFO, "looking")
    assert look(GET_82, "result.item.id == 83") is None
    assert "Not yet: result.item.id == 83" in caplog.text


def test_neither_is_a_record_that_does_not_exist(look):
    assert look(GET_500) is None
    assert look(("crm.item.list", {"entityTypeId": 3, "filter": {"@id": [500]}})) is None


@pytest.mark.parametrize(
    "kind", ["html_503", "reset", "query_limit", "time_limit", "server_error", "not_json", "truncated"]
)
@pytest.mark.parametrize("call", [GET_82, ("im.dialog.messages", {})])
def test_an_error_that_passes_is_not_repeated_here(look, portal, caplog, kind, call):
    portal.add_fault(Fault(kind))
    assert look(call) is None
    assert portal.requests == 1
    assert "No answer yet: " in caplog.text


@pytest.mark.parametrize("call", [("crm.no.such.get", {}), ("a b", {}), ("crm.item.get", {"id": 1})])
def test_an_error_that_does_not_pass_is_raised(look, call):
    with pytest.raises(Bitrix24Error) as caught:
        look(call)
    assert not caught.value.temporary


def test_missing_rights_are_an_error(look, server, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_BITRIX24_DEFAULT", server.connection_json(8, NO_CRM_CODE))
    with pytest.raises(Bitrix24AccessDeniedError):
        look(GET_82)
    monkeypatch.setenv("AIRFLOW_CONN_BITRIX24_DEFAULT", server.connection_json(8, "revoked0code"))
    with pytest.raises(Bitrix24AuthError):
        look(GET_82)


@pytest.mark.parametrize("call", [GET_82, GET_500])
def test_a_wrong_expression_is_found_even_where_there_is_no_record(look, portal, call):
    with pytest.raises(Bitrix24InputError, match="is not a Jinja expression"):
        look(call, "result =")
    assert portal.requests == 0
