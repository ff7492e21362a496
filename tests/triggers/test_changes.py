"""Changes of a list, in spans of time that follow one another."""

import asyncio

import pytest

from airflow_provider_b24.errors import Bitrix24InputError
from tests.conftest import delete_variables

pytestmark = pytest.mark.airflow


@pytest.fixture
def clock(portal):
    """The portal's clock, which a test moves."""
    now = [portal.state.clock()]
    portal.state.clock = lambda: now[0]
    return now


@pytest.fixture
def poll(bitrix24_conn, airflow_console, clock):
    """Poll once, in a trigger of its own, and return its event's payload; 60 s pass before."""
    from airflow_provider_b24.triggers.changes import Bitrix24ChangesTrigger

    delete_variables()

    def poll(field="updatedTime", method="crm.item.list", stored=True, trigger=None):
        clock[0] += 60
        parameters = {"entityTypeId": 3} if "item" in method else {}
        trigger = trigger or Bitrix24ChangesTrigger(method, parameters, field, bitrix24_conn)

        async def once():
            found = await trigger._poll()
            if found is not None and stored:
                await trigger._save(found)
            return found

        return asyncio.run(once())

    yield poll
    delete_variables()


@pytest.fixture
def make_trigger(bitrix24_conn, airflow_console):
    from airflow_provider_b24.triggers.changes import Bitrix24ChangesTrigger

    def make(field="updatedTime", **arguments):
        return Bitrix24ChangesTrigger("crm.item.list", {"entityTypeId": 3}, field, bitrix24_conn, **arguments)

    return make


def test_the_first_poll_finds_nothing_and_the_next_ones_what_changed_since(poll, portal):
    assert poll()["count"] == 0
    portal.update_record("contact", 82, NAME="Ana")
    first = poll()
    assert (first["ids"], first["count"]) == ([82], 1)
    portal.update_record("contact", 83, NAME="Ben")
    portal.update_record("contact", 84, NAME="Ida")
    second = poll()
    assert second["ids"] == [83, 84]
    assert second["since"] == first["until"]
    assert poll()["count"] == 0


def test_a_change_within_the_last_seconds_comes_with_the_next_span(poll, portal, clock):
    poll()
    clock[0] += 55  # the next poll is 60 s later, so this change is 5 s old then
    now = clock[0]
    clock[0] = now + 55
    portal.update_record("contact", 82, NAME="Ana")
    clock[0] = now
    assert poll()["ids"] == []
    assert poll()["ids"] == [82]
    assert poll()["ids"] == []


def test_a_span_that_was_not_stored_comes_again(poll, portal):
    poll()
    portal.update_record("contact", 82, NAME="Ana")
    lost = poll(stored=False)
    portal.update_record("contact", 83, NAME="Ben")
    again = poll()
    assert (lost["ids"], again["ids"]) == ([82], [82, 83])
    assert again["since"] == lost["since"]


def test_older_lists_have_their_own_field(poll, portal):
    poll(field="DATE_MODIFY", method="crm.contact.list")
    portal.update_record("contact", 82, NAME="Ana")
    assert poll(field="DATE_MODIFY", method="crm.contact.list")["ids"] == [82]


def test_a_refusal_is_logged_once_and_loses_nothing(poll, portal, make_trigger, capsys):
    poll()
    portal.update_record("contact", 82, NAME="Ana")
    portal.state.users[1].crm_access = False
    trigger = make_trigger()
    assert [poll(trigger=trigger), poll(trigger=trigger)] == [None, None]
    assert capsys.readouterr().out.count("Changes of crm.item.list cannot be polled; trying again") == 1
    portal.state.users[1].crm_access = True
    assert poll()["ids"] == [82]


@pytest.mark.parametrize("field", ["DATE_MODIFY", "updateTime"])
def test_a_field_that_does_not_exist_is_logged_at_the_first_poll(poll, make_trigger, field, capsys):
    trigger = make_trigger(field=field)
    assert [poll(trigger=trigger), poll(trigger=trigger)] == [None, None]
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "cannot be polled" in line]
    assert field in line or "dateModify" in line


def test_an_unexpected_error_does_not_end_the_watcher(poll, portal, make_trigger, monkeypatch, capsys):
    import airflow_provider_b24.triggers.changes as module

    poll()
    portal.update_record("contact", 82, NAME="Ana")
    trigger = make_trigger()
    with monkeypatch.context() as patch:
        patch.setattr(module, "get_variable", lambda name: {}["nothing"])
        assert [poll(trigger=trigger), poll(trigger=trigger)] == [None, None]
    assert capsys.readouterr().out.count("unexpected KeyError: 'nothing'") == 1
    assert poll(trigger=trigger)["ids"] == [82]


def test_a_change_is_reported_once_although_its_span_could_not_be_stored(
    poll, portal, make_trigger, monkeypatch, capsys
):
    import airflow_provider_b24.triggers.changes as module

    trigger = make_trigger()
    poll(trigger=trigger)
    portal.update_record("contact", 82, NAME="Ana")
    with monkeypatch.context() as patch:
        patch.setattr(module, "set_variable", lambda *_: {}["nothing"])
        assert poll(trigger=trigger)["ids"] == [82]
        assert poll(trigger=trigger)["ids"] == []
    assert capsys.readouterr().out.count("cannot be stored; trying again") == 1
    portal.update_record("contact", 83, NAME="Ben")
    assert poll(trigger=trigger)["ids"] == [83]
    assert poll()["ids"] == []


def test_a_variable_that_holds_no_time_is_named(poll, make_trigger, capsys):
    from airflow_provider_b24.hooks.variables import set_variable

    trigger = make_trigger()
    set_variable(trigger._variable, "soon", "")
    assert poll(trigger=trigger) is None
    out = capsys.readouterr().out
    assert f"the Variable {trigger._variable} must be an ISO 8601 time" in out
    assert "To begin with the present, delete it." in out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"method": "crm.item.list?x"}, "method must be"),
        ({"method": None}, "method must be"),
        ({"parameters": "{}"}, "parameters must be a mapping"),
        ({"field": ""}, "field must be the name of a field"),
        ({"field": None}, "field must be the name of a field"),
        ({"poke_interval": 0}, "poke_interval must be"),
        ({"poke_interval": -1}, "poke_interval must be"),
        ({"poke_interval": float("inf")}, "poke_interval must be"),
        ({"poke_interval": float("nan")}, "poke_interval must be"),
        ({"poke_interval": "60"}, "poke_interval must be"),
        ({"poke_interval": True}, "poke_interval must be"),
    ],
)
def test_arguments_that_cannot_work_are_refused(airflow_console, arguments, reason):
    from airflow_provider_b24.triggers.changes import Bitrix24ChangesTrigger

    with pytest.raises(Bitrix24InputError, match=reason):
        Bitrix24ChangesTrigger(**{"method": "crm.item.list", **arguments})


def test_it_can_be_made_again_from_what_it_serializes(make_trigger):
    trigger = make_trigger(poke_interval=5)
    _, arguments = trigger.serialize()
    assert type(trigger)(**arguments).serialize() == trigger.serialize()


def test_it_fires_when_something_changed(bitrix24_conn, poll, portal, clock):
    from airflow_provider_b24.triggers.changes import Bitrix24ChangesTrigger

    poll()
    portal.update_record("contact", 82, NAME="Ana")
    clock[0] += 60

    async def first():
        trigger = Bitrix24ChangesTrigger(
            "crm.item.list", {"entityTypeId": 3}, "updatedTime", bitrix24_conn, 0.01
        )
        return (await anext(trigger.run())).payload

    assert asyncio.run(asyncio.wait_for(first(), 20))["ids"] == [82]
