import time

import pytest

from airflow_provider_b24.crm.bindings import CompanyBinding
from airflow_provider_b24.errors import Bitrix24ConfigError, Bitrix24InputError
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.sandbox import Fault
from airflow_provider_b24.sandbox.http.seed import NO_SCOPE_CODE, READ_ONLY_CODE

pytestmark = pytest.mark.airflow


@pytest.fixture
def hook(airflow_console, bitrix24_conn):
    from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook

    return Bitrix24Hook(bitrix24_conn)


def test_the_client_is_made_once(hook):
    assert hook.get_conn() is hook.get_conn()


def test_a_call_answers_with_its_result(hook):
    assert hook.call("profile")["ID"] == "1"
    assert hook.call("crm.contact.get", {"id": 82})["ID"] == "82"


def test_a_batch_answers_with_outcomes(hook):
    outcomes = hook.batch([Call("profile"), Call("no.such.method")])
    assert [outcome.status for outcome in outcomes] == ["success", "failure"]


def test_a_list_is_iterated_whole(hook, portal):
    portal.add_generated(contacts=120, companies=3)
    assert len(list(hook.iterate("crm.contact.list"))) >= 120


def test_the_six_methods_of_a_contacts_companies(hook, portal):
    assert hook.set_contact_companies(82, [8, {"company_id": 9, "sort": 5}]) == [
        {"COMPANY_ID": 8},
        {"COMPANY_ID": 9, "SORT": 5},
    ]
    assert [row["COMPANY_ID"] for row in hook.get_contact_companies(82)] == [9, 8]
    assert hook.add_contact_company(82, 10, is_primary="Y", sort=1) is True
    assert hook.add_contact_company(82, 10) is False
    assert hook.delete_contact_company(82, 10) is True
    assert hook.delete_contact_company(82, 10) is False
    assert hook.clear_contact_companies(82) is None
    assert hook.get_contact_companies(82) == []
    assert "COMPANY_ID" in hook.get_contact_company_fields()


def test_bindings_may_be_given_as_values(hook, portal):
    hook.set_contact_companies("82", [CompanyBinding(8, is_primary=True, sort=100)])
    assert portal.bindings(82) == [{"COMPANY_ID": 8, "SORT": 100, "ROLE_ID": 0, "IS_PRIMARY": "Y"}]


def test_what_was_read_can_be_written_back(hook, portal):
    portal.bind(82, [(8, 0, True), (9, -5, False), (10, 0, False)])
    rows = hook.get_contact_companies(82)
    assert [row["SORT"] for row in rows] == [-5, 0, 0]
    hook.set_contact_companies(82, rows)
    assert hook.get_contact_companies(82) == rows


@pytest.mark.parametrize("contact", [0, -1, "abc", None, True, 8.5, "82abc", [], {}])
def test_a_bad_contact_is_refused_by_every_method_before_anything_is_sent(hook, portal, contact):
    for call in (
        lambda: hook.get_contact_companies(contact),
        lambda: hook.set_contact_companies(contact, [8]),
        lambda: hook.add_contact_company(contact, 8),
        lambda: hook.delete_contact_company(contact, 8),
        lambda: hook.clear_contact_companies(contact),
        lambda: hook.contact(contact),
    ):
        with pytest.raises(Bitrix24InputError, match="contact_id must be a positive whole number"):
            call()
    assert portal.requests == 0


def test_companies_that_do_not_exist_are_found_before_the_write(hook, portal):
    before = portal.bindings(82)
    with pytest.raises(Bitrix24InputError, match=r"items\[1\]: company 777777 does not exist"):
        hook.set_contact_companies(82, [8, 777_777], check_companies=True)
    assert portal.bindings(82) == before


def test_a_company_that_the_user_may_not_read_counts_as_missing(hook, portal):
    portal.forbid_companies([9])
    with pytest.raises(
        Bitrix24InputError, match="company 9 does not exist, or the connection's user may not"
    ):
        hook.set_contact_companies(82, [8, 9], check_companies=True)


def test_the_connection_is_tested_with_one_request(hook, portal):
    ok, message = hook.test_connection()
    assert ok, message
    assert "connected as" in message
    assert "it has the scope 'crm'" in message
    assert portal.requests == 1


@pytest.mark.parametrize("kind", ["time_limit", "query_limit", "html_503", "reset", "expired_token"])
def test_the_test_of_a_connection_does_not_wait_for_a_busy_portal(hook, portal, monkeypatch, kind):
    monkeypatch.setattr("airflow_provider_b24.hooks.check.RETRY_TIMEOUT", 0.3)
    portal.add_fault(Fault(kind, every=1))
    started = time.monotonic()
    ok, message = hook.test_connection()
    assert not ok
    assert message
    assert not message.startswith("batch")
    assert time.monotonic() - started < 15  # a task would wait for two minutes and more


def test_a_missing_scope_is_named_with_what_to_do(hook, server, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_BITRIX24_DEFAULT", server.connection_json(9, NO_SCOPE_CODE))
    ok, message = hook.test_connection()
    assert not ok
    assert "scope 'crm' is missing; add it to the webhook" in message


def test_a_user_without_rights_still_passes_the_test_of_the_connection(hook, server, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_BITRIX24_DEFAULT", server.connection_json(7, READ_ONLY_CODE))
    assert hook.test_connection()[0]


@pytest.mark.parametrize(
    "connection",
    [
        {"conn_type": "bitrix24", "host": "127.0.0.1", "port": 1, "login": "1", "password": "code"},
        {"conn_type": "bitrix24", "host": "", "login": "1", "password": "code"},
        {"conn_type": "bitrix24", "host": "https://portal.invalid", "login": "1", "password": "code"},
    ],
)
def test_the_test_of_a_connection_never_raises(hook, monkeypatch, connection):
    import json

    monkeypatch.setenv("AIRFLOW_CONN_BITRIX24_DEFAULT", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW__BITRIX24__RETRY_TIMEOUT", "0")
    ok, message = hook.test_connection()
    assert not ok
    assert message
    assert "code" not in message.replace("webhook code", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("retry_timeout", value) for value in ("2m", "", "nan", "-5", "inf")),
        ("pacing_dir", "relative/folder"),
        ("pacing_dir", "~nobody0such/folder"),
        ("pacing_redis_url", "not a url"),
        ("token_store", "file:"),
    ],
)
def test_a_setting_that_cannot_be_used_is_a_config_error_that_names_it(
    hook, portal, monkeypatch, name, value
):
    monkeypatch.setenv(f"AIRFLOW__BITRIX24__{name.upper()}", value)
    with pytest.raises(Bitrix24ConfigError, match=rf"\[bitrix24\] {name}"):
        hook.call("profile")
    ok, message = hook.test_connection()
    assert not ok
    assert name in message
    assert portal.requests == 0


def test_the_home_directory_in_a_setting_is_expanded(hook, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__BITRIX24__PACING_DIR", "~/pacing")
    hook.call("profile")
    assert list((tmp_path / "pacing").iterdir())


def test_a_missing_host_is_a_config_error(hook, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_BITRIX24_DEFAULT", '{"conn_type": "bitrix24", "login": "1"}')
    with pytest.raises(Bitrix24ConfigError):
        hook.call("profile")
