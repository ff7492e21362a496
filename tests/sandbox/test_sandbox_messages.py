"""profile, scope, method.get and the like; notifications; the offline event queue."""

from __future__ import annotations

import json

import pytest

JSON = {"Content-Type": "application/json"}


def test_profile_has_a_text_id_and_a_true_admin_flag(rest, as_user):
    profile = rest.result("profile")
    assert (profile["ID"], profile["ADMIN"], profile["NAME"]) == ("1", True, "Alex")
    assert as_user(scope=(), admin=False).result("profile")["ADMIN"] is False


def test_scope_method_get_and_methods_follow_the_token(as_user):
    caller = as_user(scope=("im",), can_update=False)
    assert caller.result("scope") == ["im"]
    name = "crm.contact.company.items.set"
    assert caller.result("method.get", {"name": name}) == {"isExisting": True, "isAvailable": False}
    assert caller.result("method.get", {"name": "no.such"}) == {"isExisting": False, "isAvailable": False}
    assert "im.message.add" in caller.result("methods")
    assert name not in caller.result("methods")


def test_method_get_shows_scope_and_not_rights(as_user):
    caller = as_user(admin=False, can_update=False, crm_access=False)
    answer = caller.result("method.get", {"name": "crm.contact.company.items.set"})
    assert answer == {"isExisting": True, "isAvailable": True}


def test_server_time_and_app_info(rest):
    assert rest.result("server.time") == "2027-01-15T08:00:00+00:00"
    assert rest.result("app.info") == {
        "SCOPE": ["crm", "im"],
        "LICENSE": "de_pro100",
        "LICENSE_TYPE": "pro100",
        "LICENSE_FAMILY": "pro",
    }


def test_user_current_needs_its_scope(rest, as_user):
    assert rest.error("user.current")[1] == "insufficient_scope"
    assert as_user(scope=("user",)).result("user.current")["ID"] == "40"


def test_messages_are_kept(portal, rest):
    first = rest.result("im.notify.system.add", {"USER_ID": 5, "MESSAGE": "Done"})
    second = rest.result("im.message.add", {"DIALOG_ID": "chat12", "MESSAGE": "Hello"})
    assert (first, second) == (1, 2)
    assert [sent["params"]["MESSAGE"] for sent in portal.messages] == ["Done", "Hello"]


def test_the_same_tag_replaces_the_earlier_notification(portal, rest):
    for text in ("one", "two"):
        rest.result(
            "im.notify.personal.add", {"USER_ID": 5, "MESSAGE": text, "TAG": "T", "CLIENT_ID": "airflow"}
        )
    assert [sent["params"]["MESSAGE"] for sent in portal.messages] == ["two"]


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("im.notify.system.add", {"MESSAGE": "x"}, "USER_ID_EMPTY"),
        ("im.notify.system.add", {"USER_ID": 5}, "MESSAGE_EMPTY"),
        ("im.notify.system.add", {"USER_ID": 5, "MESSAGE": "x", "ATTACH": "no json"}, "ATTACH_ERROR"),
        ("im.notify.system.add", {"USER_ID": 5, "MESSAGE": "x", "ATTACH": ["y" * 60_000]}, "ATTACH_OVERSIZE"),
        ("im.message.add", {}, "MESSAGE_EMPTY"),
        ("im.message.add", {"MESSAGE": 5, "DIALOG_ID": "5"}, "MESSAGE_EMPTY"),
        ("im.message.add", {"MESSAGE": "x"}, "PARAMS_ERROR"),
        ("im.message.add", {"MESSAGE": "x", "DIALOG_ID": ""}, "USER_ID_EMPTY"),
        ("im.message.add", {"MESSAGE": "x", "DIALOG_ID": "4242"}, "USER_NOT_FOUND"),
        ("im.message.add", {"DIALOG_ID": "5"}, "MESSAGE_EMPTY"),
        ("im.message.add", {"DIALOG_ID": "chat", "MESSAGE": "x"}, "USER_ID_EMPTY"),
        ("im.message.add", {"DIALOG_ID": "chat0", "MESSAGE": "x"}, "CHAT_ID_EMPTY"),
        ("im.message.add", {"DIALOG_ID": "CRM0", "MESSAGE": "x"}, "CHAT_ID_EMPTY"),
        ("im.message.add", {"DIALOG_ID": "5", "ATTACH": "no json"}, "ATTACH_ERROR"),
    ],
)
def test_bad_messages_are_refused(rest, method, params, code):
    status, error, _ = rest.error(method, params)
    assert (status, error) == (400, code)


def test_a_tag_replaces_only_the_notifications_of_its_sender(portal, rest):
    """The server's code, and the documentation: a webhook names the sender in CLIENT_ID."""
    for client, text in (("a", "one"), ("b", "two"), ("a", "three"), ("", "four"), ("", "five")):
        message = {"USER_ID": 5, "MESSAGE": text, "TAG": "T", "CLIENT_ID": client}
        assert rest.result("im.notify.system.add", message) > 0
    assert [sent["params"]["MESSAGE"] for sent in portal.messages] == ["two", "three", "four", "five"]


def test_parameter_names_of_messages_have_any_case(portal, rest):
    """The server's code changes the names to upper case."""
    rest.result("im.message.add", {"dialog_id": 5, "Message": "Hello"})
    rest.result("im.notify.system.add", {"user_id": 5, "message": "Hi", "Tag": "T"})
    assert [sent["params"]["MESSAGE"] for sent in portal.messages] == ["Hello", "Hi"]


@pytest.fixture
def app(portal, rest):
    portal.add_app("local.app", "s", user_id=1)
    access, _ = portal.issue_tokens("local.app")

    def call(method, **params):
        body = json.dumps({"auth": access, **params})
        return rest.send("POST", f"/rest/{method}", JSON, body)

    return call


def test_events_are_fetched_once_by_default(portal, app):
    message = portal.events.push("onCrmContactUpdate", {"FIELDS": {"ID": 82}})
    portal.events.push("onCrmContactUpdate", {"FIELDS": {"ID": 82}})
    assert app("event.offline.list")[1]["total"] == 1
    _, body = app("event.offline.get")
    assert [event["MESSAGE_ID"] for event in body["result"]["events"]] == [message]
    assert body["result"]["process_id"] is None
    assert app("event.offline.get")[1]["result"]["events"] == []


def test_reserved_events_are_cleared_or_given_back(portal, app):
    first = portal.events.push("ONCRMCONTACTUPDATE", {"FIELDS": {"ID": 82}})
    second = portal.events.push("ONCRMCONTACTUPDATE", {"FIELDS": {"ID": 83}})
    process_id = app("event.offline.get", clear=0)[1]["result"]["process_id"]
    assert app("event.offline.get", clear=0)[1]["result"]["events"] == []
    assert app("event.offline.error", process_id=process_id, message_id=[first])[1]["result"] is True
    assert app("event.offline.clear", process_id=process_id, message_id=[second])[1]["result"] is True
    failed = app("event.offline.get", error=1)[1]["result"]["events"]
    assert [event["MESSAGE_ID"] for event in failed] == [first]
    assert app("event.offline.clear")[1]["error"] == "ERROR_ARGUMENT"


def test_offline_events_are_for_administrators_only(portal, app):
    """The documentation of event.offline.*."""
    portal.events.push("ONCRMCONTACTUPDATE", {"FIELDS": {"ID": 82}})
    portal.state.users[1].admin = False
    denied = {"error": "ACCESS_DENIED", "error_description": "Access denied!"}
    for method in ("get", "list", "clear", "error"):
        assert app(f"event.offline.{method}") == (403, denied)
    for method, deed in (("bind", "binding"), ("unbind", "unbinding")):
        status, body = app(f"event.{method}", event="onCrmContactUpdate", event_type="offline")
        assert (status, body["error"]) == (403, "ACCESS_DENIED")
        assert body["error_description"].startswith(f"Access denied! Offline events {deed} requires")
    assert app("event.bind", event="onCrmContactUpdate", handler="https://h.example")[1]["result"] is True


def test_offline_events_obey_filter_order_and_limit(portal, app):
    for number in (82, 83, 84):
        portal.events.push("ONCRMCONTACTUPDATE", {"FIELDS": {"ID": number}})
    portal.events.push("ONCRMCONTACTDELETE", {"FIELDS": {"ID": 85}})

    def found(**params):
        events = app("event.offline.get", clear=0, **params)[1]["result"]
        app("event.offline.error", process_id=events["process_id"])
        return [event["EVENT_DATA"]["FIELDS"]["ID"] for event in events["events"]]

    assert found(filter={"=EVENT_NAME": "ONCRMCONTACTDELETE"}) == [85]
    assert found(order={"ID": "DESC"}, limit=2) == [84, 83]
    assert found(error=1, filter={">ID": 1}) == [83, 84, 85]


def test_a_process_can_fetch_its_reserved_events_again(portal, app):
    portal.events.push("ONCRMCONTACTUPDATE", {"FIELDS": {"ID": 82}})
    reserved = app("event.offline.get", clear=0)[1]["result"]
    again = app("event.offline.get", clear=0, process_id=reserved["process_id"])[1]["result"]
    assert again == reserved
    assert app("event.offline.list")[1]["result"][0]["PROCESS_ID"] == reserved["process_id"]
    assert app("event.offline.get", process_id=reserved["process_id"])[1]["result"]["events"]
    assert app("event.offline.list")[1]["total"] == 0


def test_only_known_events_can_be_bound(portal, app):
    assert app("event.bind", event="onCrmContactUpdate", event_type="offline")[1]["result"] is True
    assert app("event.bind", event="onNothing")[1]["error"] == "ERROR_EVENT_NOT_FOUND"
    online = {"event": "onCrmDealAdd", "handler": "https://h.example/"}
    assert app("event.bind", **online)[1]["result"] is True
    bound = app("event.get")[1]["result"]
    assert [(one["event"], one["handler"], one["offline"]) for one in bound] == [
        ("ONCRMCONTACTUPDATE", "", 1),
        ("ONCRMDEALADD", "https://h.example/", 0),
    ]
    assert app("event.unbind", **online)[1]["result"] == {"count": 1}
    assert len(app("event.get")[1]["result"]) == 1


def test_changes_by_rest_are_queued_once_per_object_if_a_handler_is_bound(portal, rest, app):
    """The documentation: one row per event and object. The binding methods send no event (server's code)."""
    rest.result("crm.contact.update", {"id": 83, "fields": {"POST": "x"}})
    for event in ("onCrmContactUpdate", "onCrmContactDelete"):
        app("event.bind", event=event, event_type="offline")
    rest.result("crm.contact.update", {"id": 82, "fields": {"POST": "x"}})
    rest.result("crm.item.update", {"entityTypeId": 3, "id": 82, "fields": {"post": "y"}})
    rest.result("crm.contact.company.items.set", {"id": 84, "items": []})
    rest.result("crm.contact.add", {"fields": {"NAME": "x"}})
    rest.result("crm.contact.delete", {"id": 85})
    events = app("event.offline.get")[1]["result"]["events"]
    assert [(event["EVENT_NAME"], event["EVENT_DATA"]["FIELDS"]["ID"]) for event in events] == [
        ("ONCRMCONTACTUPDATE", "82"),
        ("ONCRMCONTACTDELETE", "85"),
    ]


def test_handlers_belong_to_users(portal, app):
    online = {"event": "onCrmDealAdd", "handler": "https://h.example/"}
    for user in (0, 1, 15):
        assert app("event.bind", **online, auth_type=user)[1]["result"] is True
    assert [one["auth_type"] for one in app("event.get")[1]["result"]] == ["0", "1", "15"]
    assert app("event.unbind", **online, auth_type=0)[1]["result"] == {"count": 1}
    portal.state.users[1].admin = False
    for method in ("bind", "unbind"):
        status, body = app(f"event.{method}", **online, auth_type=15)
        assert (status, body["error"]) == (403, "ACCESS_DENIED")
        assert "with AUTH_TYPE requires administrator" in body["error_description"]
    assert app("event.unbind", event="onCrmDealAdd")[1]["result"] == {"count": 2}


def test_a_feature_is_told_in_an_object(portal, rest):
    """The documentation of feature.get."""
    assert rest.result("feature.get", {"CODE": "rest_offline_extended"}) == {"value": "Y"}
    portal.offline_extended = False
    assert rest.result("feature.get", {"CODE": "rest_offline_extended"}) == {"value": "N"}
    assert rest.result("feature.get", {"CODE": "anything_else"}) == {"value": "N"}
