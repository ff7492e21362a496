"""Authorization: webhooks, tokens, scope, the order of checks; the authorization server; a renamed portal."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from airflow_provider_b24.sandbox import Portal
from airflow_provider_b24.sandbox.http.seed import DEMO_CODE, NO_CRM_CODE, NO_SCOPE_CODE, READ_ONLY_CODE
from airflow_provider_b24.sandbox.model.errors import DOCUMENTED_STATUSES, PORTAL_REFUSALS

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
APP, SECRET = "local.app", "app0secret"
SET = "crm.contact.company.items.set"


def test_an_unknown_method_is_404_before_anybody_is_let_in(rest):
    expected = (404, "ERROR_METHOD_NOT_FOUND", "Method not found!")
    assert rest.error("crm.contact.company.items.put") == expected
    rest.code = "wrong"
    assert rest.error("no.such") == expected
    assert rest.send("POST", "/rest/no.such", JSON)[0] == 404


@pytest.mark.parametrize("path", ["/rest/", "/rest/1/x", "/rest/1/x/", "/rest/api/1/x/tasks.task.get"])
def test_a_path_without_a_method_is_an_unknown_method(rest, path):
    assert rest.send("POST", path, JSON)[1]["error"] == "ERROR_METHOD_NOT_FOUND"


@pytest.mark.parametrize(("user", "code"), [(1, "wrong"), (2, DEMO_CODE), (999, DEMO_CODE)])
def test_a_wrong_webhook_is_invalid_credentials(rest, user, code):
    rest.user, rest.code = user, code
    assert rest.error("profile") == (401, "INVALID_CREDENTIALS", "Invalid request credentials")


def test_no_authorization_at_all(rest):
    status, body = rest.send("POST", "/rest/profile", JSON)
    assert (status, body) == (
        401,
        {"error": "NO_AUTH_FOUND", "error_description": "Wrong authorization data"},
    )


def test_an_inactive_user_is_not_authorized(as_user):
    assert as_user(active=False).error("profile") == (401, "authorization_error", "Unable to authorize user")


def test_a_scope_the_webhook_lacks(as_user):
    text = "The request requires higher privileges than provided by the webhook token"
    assert as_user(scope=("im",)).error(SET, {"id": 0}) == (401, "insufficient_scope", text)


@pytest.mark.parametrize("method", ["event.bind", "event.offline.get"])
def test_some_methods_are_denied_to_webhooks(rest, method):
    text = "Current authorization type is denied for this method"
    assert rest.error(method) == (403, "WRONG_AUTH_TYPE", text)


@pytest.mark.parametrize("code", PORTAL_REFUSALS)
def test_a_whole_portal_can_refuse(portal, rest, code):
    portal.refusal = code
    status, error, text = rest.error("profile")
    assert (status, error, text) == PORTAL_REFUSALS[code]
    expected = 403 if code == "PORTAL_DELETED" else 404
    assert rest.error("no.such")[0] == expected


def test_the_manuals_statuses_are_a_switch(portal, rest):
    portal.documented_statuses = True
    for code, status in DOCUMENTED_STATUSES.items():
        if code in PORTAL_REFUSALS and code != "PORTAL_DELETED":
            portal.refusal = code
            assert rest.error("profile")[0] == status
    portal.refusal = None
    rest.code = "wrong"
    assert rest.error("profile")[0] == 403


def test_the_seeded_users_fail_as_described(rest):
    rest.user, rest.code = 7, READ_ONLY_CODE
    assert rest.error(SET, {"id": 82, "items": []})[1] == "ACCESS_DENIED"
    assert rest.result("crm.contact.company.items.get", {"id": 82})
    rest.user, rest.code = 8, NO_CRM_CODE
    assert rest.error(SET, {"id": 82, "items": []}) == (400, "", "Access denied.")
    rest.user, rest.code = 9, NO_SCOPE_CODE
    assert rest.error(SET, {"id": 82, "items": []})[1] == "insufficient_scope"


def test_a_plan_without_rest_tells_webhooks_and_applications_apart(portal, rest, app):
    """The texts of the server's code for a plan that does not include REST."""
    portal.refusal = "ACCESS_DENIED"
    assert rest.error("profile")[1:] == ("ACCESS_DENIED", "REST is available only by subscription.")
    access, _ = app.issue_tokens(APP)
    body = rest.send("POST", "/rest/profile", JSON, json.dumps({"auth": access}))[1]
    assert body["error_description"] == "REST is available only on commercial plans."


@pytest.mark.parametrize("suffix", ["", "/", ".json", ".json/"])
@pytest.mark.parametrize("method", ["profile", "Profile", "PROFILE"])
def test_the_method_may_be_written_in_several_ways(rest, method, suffix):
    assert rest.result(method + suffix)["ID"] == "1"


def test_get_and_post_and_form_and_json_are_read(portal, rest):
    path = f"/rest/1/{DEMO_CODE}/crm.contact.company.items.set"
    query = urlencode({"id": 82, "items[0][COMPANY_ID]": 9})
    assert rest.send("GET", f"{path}?{query}", {})[0] == 200
    assert portal.bindings(82)[0]["COMPANY_ID"] == 9
    assert rest.send("POST", path, FORM, urlencode({"id": 82, "items[0][COMPANY_ID]": 10}))[0] == 200
    assert portal.bindings(82)[0]["COMPANY_ID"] == 10
    assert rest.send("POST", f"{path}?id=83", JSON, json.dumps({"id": 82, "items": []}))[0] == 200
    assert portal.bindings(82) == []
    assert portal.bindings(83)


def test_a_form_cannot_carry_an_empty_list(rest):
    path = f"/rest/1/{DEMO_CODE}/{SET}"
    assert (
        rest.send("POST", path, FORM, "id=82")[1]["error_description"] == "The parameter items must be array."
    )


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (JSON, '{"id": 82, "items": ['),
        (JSON, '"82"'),
        (JSON, '{"id": 82, "items": [NaN]}'),
        (JSON, '{"id": 82, "items": [], "n": -Infinity}'),
        (JSON, '\ufeff{"id": 82, "items": []}'),
        (JSON, '{"id": 82, "items": [], "n": "\\ud83d"}'),
        (JSON, '{"id": 82, "items": [], "n": ' + "[" * 600 + "]" * 600 + "}"),
        (JSON, ""),
        ({"Content-Type": "text/plain"}, '{"id": 82, "items": []}'),
        ({}, '{"id": 82, "items": []}'),
    ],
)
def test_a_body_that_is_not_understood_is_no_parameters(portal, rest, headers, body):
    _status, answer = rest.send("POST", f"/rest/1/{DEMO_CODE}/{SET}", headers, body)
    assert answer["error_description"] == "The parameter ownerEntityID is invalid or not defined."
    assert portal.bindings(82)


def test_a_body_in_utf_16_is_no_parameters(portal, rest):
    body = json.dumps({"id": 82, "items": []}).encode("utf-16")
    portal.handle("POST", f"/rest/1/{DEMO_CODE}/{SET}", JSON, body)
    assert portal.bindings(82)


def test_answers_are_escaped_as_php_does(portal, rest):
    """The flags of the server's JSON encoder: slashes, quotes, angle brackets, ampersands, all but ASCII."""
    portal.add_contact(82, NAME="</b>&'\"\\ Ü\U0001f600")
    response = portal.handle("GET", f"/rest/1/{DEMO_CODE}/crm.contact.get?id=82", {}, b"")
    written = b'"NAME":"\\u003C\\/b\\u003E\\u0026\\u0027\\u0022\\\\ \\u00dc\\ud83d\\ude00"'
    assert written in response.body
    assert json.loads(response.body)["result"]["NAME"] == "</b>&'\"\\ Ü\U0001f600"


def test_large_bodies_can_be_refused_as_nginx_does(portal, rest):
    """nginx before a self-hosted portal refuses bodies over 1 MB with a page."""
    portal.max_body = 1_000_000
    body = json.dumps({"id": 82, "items": [], "more": "x" * 1_000_000}).encode()
    response = portal.handle("POST", f"/rest/1/{DEMO_CODE}/{SET}", JSON, body)
    assert (response.status, response.headers["Content-Type"]) == (413, "text/html; charset=utf-8")
    assert b"413 Request Entity Too Large" in response.body
    assert portal.bindings(82)
    assert rest.result(SET, {"id": 82, "items": []}) is True


def test_revoked_tokens_are_unknown(app, rest):
    access, refresh = app.issue_tokens(APP)
    app.revoke_tokens(APP)
    assert (
        rest.send("POST", "/rest/profile", JSON, json.dumps({"auth": access}))[1]["error"] == "invalid_token"
    )
    assert token(rest, grant_type="refresh_token", refresh_token=refresh)[1]["error"] == "invalid_grant"


@pytest.fixture
def app(portal: Portal) -> Portal:
    portal.add_app(APP, SECRET, scope=("crm",), user_id=1)
    return portal


def test_a_token_works_as_parameter_and_as_bearer(app, rest):
    access, _ = app.issue_tokens(APP)
    assert rest.send("POST", "/rest/profile", JSON, json.dumps({"auth": access}))[0] == 200
    assert rest.send("GET", f"/rest/profile?access_token={access}", {})[0] == 200
    assert rest.send("POST", "/rest/profile", {"Authorization": f"Bearer {access}"})[0] == 200
    assert access not in repr(app.journal)


def test_an_expired_and_an_unknown_token(app, rest, clock):
    app.token_lifetime = 2
    access, _ = app.issue_tokens(APP)
    body = json.dumps({"auth": access})
    assert rest.send("POST", "/rest/profile", JSON, body)[0] == 200
    clock.sleep(2)
    expired = {"error": "expired_token", "error_description": "The access token provided has expired"}
    assert rest.send("POST", "/rest/profile", JSON, body) == (401, expired)
    status, unknown = rest.send("POST", "/rest/profile", JSON, '{"auth": "nope"}')
    assert (status, unknown["error"]) == (401, "invalid_token")


def test_a_token_without_the_scope_is_told_so(app, rest):
    access, _ = app.issue_tokens(APP)
    _, body = rest.send("POST", "/rest/im.message.add", JSON, json.dumps({"auth": access}))
    assert (
        body["error_description"]
        == "The request requires higher privileges than provided by the access token"
    )


def token(rest, **params):
    return rest.send(
        "POST", "/oauth/token/", FORM, urlencode({"client_id": APP, "client_secret": SECRET, **params})
    )


def test_a_refresh_gives_a_new_pair_and_the_old_refresh_token_is_spent(app, rest, clock):
    _, refresh = app.issue_tokens(APP)
    status, body = token(rest, grant_type="refresh_token", refresh_token=refresh)
    assert status == 200
    assert set(body) == {
        "access_token",
        "refresh_token",
        "expires",
        "expires_in",
        "client_endpoint",
        "server_endpoint",
        "domain",
        "member_id",
        "scope",
        "status",
        "user_id",
    }
    assert body["expires"] == int(clock() + 3600)
    assert body["client_endpoint"].endswith("/rest/")
    assert rest.send("POST", "/rest/profile", JSON, json.dumps({"auth": body["access_token"]}))[0] == 200
    status, again = token(rest, grant_type="refresh_token", refresh_token=refresh)
    assert (status, again["error"]) == (400, "invalid_grant")
    assert (app.refreshes, app.refused_refreshes) == (1, 1)


def test_without_rotation_a_refresh_token_stays_good(app, rest):
    app.rotate_refresh_tokens = False
    _, refresh = app.issue_tokens(APP)
    for _ in range(2):
        assert token(rest, grant_type="refresh_token", refresh_token=refresh)[0] == 200
    assert app.refreshes == 2


def test_tokens_may_be_asked_for_by_get(app, rest):
    _, refresh = app.issue_tokens(APP)
    query = urlencode(
        {"grant_type": "refresh_token", "client_id": APP, "client_secret": SECRET, "refresh_token": refresh}
    )
    assert rest.send("GET", f"/oauth/token/?{query}", {})[0] == 200
    assert refresh not in repr(app.journal)
    assert SECRET not in repr(app.journal)


def test_the_authorization_servers_refusals(app, rest):
    assert token(rest, client_id="who")[1]["error"] == "wrong_client"
    assert token(rest, client_id="who")[0] == 200
    for wrong in ("no", "ключ"):
        assert token(rest, client_secret=wrong, grant_type="refresh_token")[0] == 401
    assert token(rest, grant_type="password")[1]["error"] == "invalid_request"
    assert token(rest, grant_type="authorization_code", code="no")[1]["error"] == "invalid_grant"


def test_another_applications_refresh_token_is_refused(app, rest):
    app.add_app("other", "other0secret")
    _, refresh = app.issue_tokens("other")
    assert token(rest, grant_type="refresh_token", refresh_token=refresh)[1]["error"] == "invalid_grant"


def test_a_code_is_exchanged_once_and_within_thirty_seconds(app, rest, clock):
    code = app.issue_code(APP)
    status, body = token(rest, grant_type="authorization_code", code=code)
    assert status == 200
    assert body["expires"] == int(clock() + 3600)
    assert body["user_id"] == 1
    assert body["server_endpoint"].endswith("/rest/")
    assert token(rest, grant_type="authorization_code", code=code)[0] == 400
    late = app.issue_code(APP)
    clock.sleep(31)
    assert token(rest, grant_type="authorization_code", code=late)[0] == 400


def test_authorize_sends_the_browser_back_with_a_code(app, rest):
    query = urlencode({"client_id": APP, "state": "s1", "redirect_uri": "https://airflow.example/back"})
    response = app.handle("GET", f"/oauth/authorize/?{query}", {}, b"")
    assert response.status == 302
    back = urlsplit(response.headers["Location"])
    answer = parse_qs(back.query)
    assert (back.netloc, answer["state"]) == ("airflow.example", ["s1"])
    assert token(rest, grant_type="authorization_code", code=answer["code"][0])[0] == 200


def test_authorize_without_a_way_back_shows_the_code(app, rest):
    response = app.handle("GET", f"/oauth/authorize/?client_id={APP}", {}, b"")
    code = response.body.decode().partition("<pre id='code'>")[2].partition("<")[0]
    assert token(rest, grant_type="authorization_code", code=code)[0] == 200
    assert app.handle("GET", "/oauth/authorize/?client_id=who", {}, b"").status == 200


def test_a_renamed_portal_points_to_the_new_host_with_the_same_path(portal):
    portal.renamed_to = "https://new.example:8443"
    response = portal.handle("POST", f"/rest/1/{DEMO_CODE}/{SET}?a=1", JSON, b'{"id":82,"items":[]}')
    assert response.status == 302
    assert response.headers["Location"] == f"https://new.example:8443/rest/1/{DEMO_CODE}/{SET}?a=1"
    assert portal.bindings(82)


def test_a_portal_may_live_below_a_prefix(portal, rest):
    portal.prefix = "/intranet"
    path = f"/rest/1/{DEMO_CODE}/profile"
    assert rest.send("POST", f"/intranet{path}", JSON)[0] == 200
    assert portal.handle("POST", path, JSON, b"").status == 404
    assert portal.handle("GET", "/intranet/crm/contact/details/82/", {}, b"").status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/rest/1/canary0secret/profile",
        "/rest/1/canary0secret/",
        "/rest/1/canary0secret",
        "/rest/1/canary0secret/profile/more",
        "/rest/api/1/canary0secret/profile",
        "/prefix/rest/1/canary0secret/profile",
    ],
)
def test_no_webhook_code_reaches_the_journal(portal, path):
    portal.handle("POST", path, JSON, b"{}")
    assert "canary0secret" not in json.dumps(portal.journal[-1].as_dict())
    assert "***" in portal.journal[-1].path


def test_a_caller_and_a_webhook_print_without_their_secret(portal):
    assert DEMO_CODE not in repr(portal.access.add_webhook(1, DEMO_CODE, ("crm",)))


def test_a_right_denied_is_denied_to_an_administrator_too(as_user):
    assert as_user(can_update=False).error(SET, {"id": 82, "items": []})[1] == "ACCESS_DENIED"
    assert as_user().result(SET, {"id": 82, "items": []}) is True
