"""The commands that choose which events the portal queues."""

import pytest

from airflow_provider_b24.cli.__main__ import main
from tests.triggers.conftest import app_connection

pytestmark = pytest.mark.airflow


@pytest.fixture
def events(portal, server, monkeypatch, airflow_console, capsys):
    """Run a command; return what it prints."""
    monkeypatch.setenv("AIRFLOW_CONN_APP", app_connection(portal, server))

    def run(*arguments, conn_id="app"):
        main(["events", *arguments, "--conn-id", conn_id])
        lines = capsys.readouterr().out.splitlines()
        return [line for line in lines if not line.startswith("[")]  # older versions of Airflow log to stdout

    return run


def test_events_are_bound_listed_and_unbound(events, portal):
    assert events("list") == ["No offline events are bound."]
    assert events("bind", "onCrmContactUpdate", "onCrmDealAdd") == [
        "ONCRMCONTACTUPDATE  bound",
        "ONCRMDEALADD  bound",
    ]
    portal.events.push("ONCRMDEALADD", {"FIELDS": {"ID": "1"}})
    assert events("list") == ["ONCRMCONTACTUPDATE  0 in the queue", "ONCRMDEALADD  1 in the queue"]
    assert events("unbind", "onCrmDealAdd", "onCrmLeadAdd") == [
        "ONCRMDEALADD  unbound",
        "ONCRMLEADADD  was not bound",
    ]
    assert events("list") == ["ONCRMCONTACTUPDATE  0 in the queue"]


def test_events_that_are_bound_already_are_not_bound_twice(events, portal):
    events("bind", "onCrmContactUpdate")
    assert events("bind", "onCrmContactUpdate") == ["ONCRMCONTACTUPDATE  was bound already"]
    assert len(portal.events.handlers) == 1


def test_what_the_plan_does_not_allow_is_said(events, portal):
    portal.offline_extended = False
    with pytest.raises(SystemExit, match="Use Bitrix24ChangesTrigger"):
        events("bind", "onCrmContactUpdate")
    assert portal.events.handlers == []
    assert "no extended offline events" in events("list")[-1]


def test_what_the_rights_do_not_allow_is_said(events, portal):
    portal.state.users[1].admin = False
    with pytest.raises(SystemExit, match="ACCESS_DENIED"):
        events("bind", "onCrmContactUpdate")


def test_a_webhook_and_an_unknown_connection_are_refused(events, bitrix24_conn):
    with pytest.raises(SystemExit, match="WRONG_AUTH_TYPE"):
        events("list", conn_id=bitrix24_conn)
    with pytest.raises(SystemExit, match="nowhere"):
        events("list", conn_id="nowhere")


@pytest.mark.parametrize("name", ["contacts", "onNothingKnown"])
def test_a_name_that_is_no_event_is_refused(events, name):
    with pytest.raises(SystemExit, match=r"event must be a name|Event not found"):
        events("bind", name)


def test_airflow_has_the_commands(airflow_console):
    pytest.importorskip("airflow.cli.cli_config")
    from airflow_provider_b24.cli.definition import get_bitrix24_cli_commands

    (group,) = get_bitrix24_cli_commands()
    (events,) = [one for one in group.subcommands if one.name == "events"]
    assert [one.name for one in events.subcommands] == ["list", "bind", "unbind"]
