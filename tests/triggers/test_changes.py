"""Changes of a list, in spans of time that follow one another."""

import asyncio

import pytest

from tests.conftest import delete_variables

pytestmark = pytest.mark.airflow


@pytest.fixture
def clock(portal):
    """The portal's clock, which a test moves."""
    now = [portal.state.clock()]
    portal.state.clock = lambda: now[0]
    return now


@pytest.fixture
def look(bitrix24_conn, airflow_console, clock):
    """Look for changes once, in a trigger of its own, and return its event's payload; 60 s pass before."""
    from airflow_provider_b24.triggers.changes import Bitrix24ChangesTrigger

    delete_variables()

    def look(field="updatedTime", method="crm.item.list", stored=True):
        clock[0] += 60
        parameters = {"entityTypeId": 3} if "item" in method else {}
        trigger = Bitrix24ChangesTrigger(method, parameters, field, bitrix24_conn)
        found = trigger._look()
        if found is not None and stored:
            trigger._save(found["until"])
        return found

    yield look
    delete_variables()


def test_the_first_look_finds_nothing_and_the_next_ones_what_changed_since(look, portal):
    assert look()["count"] == 0
    portal.update_record("contact", 82, NAME="Ana")
    first = look()
    assert (first["ids"], first["count"]) == ([82], 1)
    portal.update_record("contact", 83, NAME="Ben")
    portal.update_record("contact", 84, NAME="Ida")
    second = look()
    assert second["ids"] == [83, 84]
    assert second["since"] == first["until"]
    assert look()["count"] == 0


def test_a_change_within_the_last_seconds_comes_with_the_next_span(look, portal, clock):
    look()
    clock[0] += 55  # the next look is 60 s later, so this change is 5 s old then
    now = clock[0]
    clock[0] = now + 55
    portal.update_record("contact", 82, NAME="Ana")
    clock[0] = now
    assert look()["ids"] == []
    assert look()["ids"] == [82]
    assert look()["ids"] == []


def test_a_span_that_was_not_stored_comes_again(look, portal):
    look()
    portal.update_record("contact", 82, NAME="Ana")
    lost = look(stored=False)
    portal.update_record("contact", 83, NAME="Ben")
    again = look()
    assert (lost["ids"], again["ids"]) == ([82], [82, 83])
    assert again["since"] == lost["since"]


def test_older_lists_have_their_own_field(look, portal):
    look(field="DATE_MODIFY", method="crm.contact.list")
    portal.update_record("contact", 82, NAME="Ana")
    assert look(field="DATE_MODIFY", method="crm.contact.list")["ids"] == [82]


def test_a_refusal_is_said_once_and_loses_nothing(look, portal, bitrix24_conn, capsys):
    from airflow_provider_b24.triggers.changes import Bitrix24ChangesTrigger

    look()
    portal.update_record("contact", 82, NAME="Ana")
    portal.state.users[1].crm_access = False
    trigger = Bitrix24ChangesTrigger("crm.item.list", {"entityTypeId": 3}, "updatedTime", bitrix24_conn)
    assert [trigger._look(), trigger._look()] == [None, None]
    assert capsys.readouterr().out.count("Changes cannot be looked for") == 1
    portal.state.users[1].crm_access = True
    assert look()["ids"] == [82]


def test_it_fires_when_something_changed(bitrix24_conn, look, portal, clock):
    from airflow_provider_b24.triggers.changes import Bitrix24ChangesTrigger

    look()
    portal.update_record("contact", 82, NAME="Ana")
    clock[0] += 60

    async def first():
        trigger = Bitrix24ChangesTrigger(
            "crm.item.list", {"entityTypeId": 3}, "updatedTime", bitrix24_conn, 0.01
        )
        return (await anext(trigger.run())).payload

    assert asyncio.run(first())["ids"] == [82]
