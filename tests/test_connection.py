"""From a connection as people fill it in to a portal's configuration, or to an error that names the field."""

import json
from importlib.metadata import PackageNotFoundError, version
from types import SimpleNamespace

import pytest

from airflow_provider_b24.connection import portal_config, secrets
from airflow_provider_b24.connection_form import fields
from airflow_provider_b24.errors import Bitrix24ConfigError
from airflow_provider_b24.get_provider_info import get_provider_info
from airflow_provider_b24.rest.config import OAuthApp, PortalConfig, Webhook
from airflow_provider_b24.rest.redaction import secret_forms

CODE = "canary0webhook0code"
APP = {
    "client_id": "local.5c8bb1b0891cf2.87252039",
    "client_secret": "canary0client0secret",
    "access_token": "canary0access0token",
    "refresh_token": "canary0refresh0token",
}
try:
    IS_AIRFLOW_2 = version("apache-airflow").startswith("2.")
except PackageNotFoundError:
    IS_AIRFLOW_2 = False
# Not asked of the modules: Airflow 3 puts mocks of those that it lacks into sys.modules.
airflow_2_only = pytest.mark.skipif(not IS_AIRFLOW_2, reason="only Airflow 2 brings its web form along")
CANARIES = [CODE, *(value for name, value in APP.items() if name != "client_id")]


def connection(**fields):
    """What Airflow's connections look like: everything optional, the extra as JSON text."""
    extra = fields.pop("extra", None)
    plain = {"host": "portal.example", "port": None, "schema": None, "login": "1", "password": CODE}
    return SimpleNamespace(**plain | fields, extra=json.dumps(extra) if isinstance(extra, dict) else extra)


def app_connection(**extra):
    return connection(login=None, password=None, extra=APP | extra)


def refusal(conn):
    with pytest.raises(Bitrix24ConfigError) as caught:
        portal_config(conn)
    text = str(caught.value)
    assert not [canary for canary in CANARIES if canary in text]
    assert caught.value.__cause__ is None
    return text


def test_an_ordinary_webhook_gives_https_and_the_defaults():
    assert portal_config(connection()) == PortalConfig(
        url="https://portal.example", credentials=Webhook(1, CODE)
    )


def test_the_defaults_of_the_form_are_those_of_the_configuration():
    config = portal_config(connection())
    for name, field in fields().items():
        if "default" in field["schema"] and name != "allow_http":
            assert getattr(config, name) == getattr(PortalConfig("", Webhook(1, "x")), name), name


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({"host": "acme.bitrix24.com"}, "https://acme.bitrix24.com"),
        ({"host": " Acme.Bitrix24.COM. "}, "https://acme.bitrix24.com"),
        ({"host": "https://acme.bitrix24.com/"}, "https://acme.bitrix24.com"),
        ({"host": "https://acme.bitrix24.com/rest/"}, "https://acme.bitrix24.com"),
        ({"host": "https://portal.example:8443/prefix/"}, "https://portal.example:8443/prefix"),
        ({"host": "portal.example/intra/net"}, "https://portal.example/intra/net"),
        ({"host": "portal.example:8443"}, "https://portal.example:8443"),
        ({"port": 8443}, "https://portal.example:8443"),
        ({"port": "8443", "host": "portal.example:8443"}, "https://portal.example:8443"),
        ({"port": 443}, "https://portal.example"),
        ({"schema": "HTTPS"}, "https://portal.example"),
        ({"host": "bücher.example"}, "https://xn--bcher-kva.example"),
        ({"host": "bitrix_box"}, "https://bitrix_box"),
        ({"host": "10.0.0.7", "port": 8443}, "https://10.0.0.7:8443"),
        ({"host": "::1", "port": 8443}, "https://[::1]:8443"),
        ({"host": "[FE80::1]"}, "https://[fe80::1]"),
        ({"host": "http://portal.example", "extra": {"allow_http": True}}, "http://portal.example"),
        ({"schema": "http", "port": 80, "extra": {"allow_http": "on"}}, "http://portal.example"),
        (
            {"host": "127.0.0.1", "schema": "http", "port": 8024, "extra": '{"allow_http": 1}'},
            "http://127.0.0.1:8024",
        ),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else "",
)
def test_the_portal_s_address_is_understood_as_people_write_it(given, url):
    assert portal_config(connection(**given)).url == url


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"password": f"https://portal.example/rest/7/{CODE}/"}, id="with the host"),
        pytest.param({"password": f"https://portal.example/rest/7/{CODE}/", "host": ""}, id="alone"),
        pytest.param(
            {"password": f" https://portal.example/rest/7/{CODE}/profile.json\n"}, id="with a method"
        ),
        pytest.param({"password": f"portal.example/rest/7/{CODE}"}, id="without a scheme"),
        pytest.param(
            {"password": f"https://portal.example/rest/7/{CODE}/", "login": "7"}, id="with the login"
        ),
        pytest.param({"password": f"https://PORTAL.example:443/rest/7/{CODE}/"}, id="with the port"),
    ],
)
def test_a_whole_webhook_address_in_the_password_is_taken_apart(given):
    config = portal_config(connection(**{"login": None} | given))
    assert config.url == "https://portal.example"
    assert config.credentials == Webhook(7, CODE)


def test_a_client_id_means_oauth():
    config = portal_config(app_connection(oauth_server="https://oauth.bitrix24.tech/"))
    assert config.credentials == OAuthApp(**APP, server="https://oauth.bitrix24.tech")


def test_the_documented_authorization_server_is_the_default():
    assert portal_config(app_connection()).credentials.server == "https://oauth.bitrix.info"


@pytest.mark.parametrize("empty", [None, "", "  "], ids=repr)
def test_an_empty_field_means_its_default(empty):
    config = portal_config(connection(extra=dict.fromkeys(fields(), empty)))
    assert config == portal_config(connection())


def test_fields_come_as_text_from_web_forms_and_addresses():
    extra = {"plan": "enterprise", "verify_tls": "false", "read_timeout": "7.5", "max_parallel": "2"}
    config = portal_config(connection(extra=extra))
    assert (config.plan, config.verify_tls, config.read_timeout, config.max_parallel) == (
        "enterprise",
        False,
        7.5,
        2,
    )


def test_the_prefixed_names_of_old_web_forms_are_known():
    config = portal_config(connection(extra={"extra__bitrix24__plan": "none"}))
    assert config.plan == "none"


@pytest.mark.parametrize("extra", [None, "", "{}", {}], ids=repr)
def test_no_extra_is_fine(extra):
    assert portal_config(connection(extra=extra)).plan == "standard"


def test_an_extra_that_is_a_mapping_already_is_read_too():
    conn = connection()
    conn.extra = {"plan": "none"}
    assert portal_config(conn).plan == "none"


@pytest.mark.parametrize(
    "hosts", ["New.example, b.example:8443 [::1]:80", ["new.example", "b.example:8443", "[::1]:80"]]
)
def test_allowed_hosts_are_a_text_or_a_list(hosts):
    config = portal_config(connection(extra={"allowed_hosts": hosts}))
    assert config.allowed_hosts == ("new.example", "b.example:8443", "::1:80")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"host": None}, ["Portal (host)", "missing"]),
        (
            {"host": f"https://portal.example/rest/1/{CODE}/"},
            ["Portal (host)", "Webhook code (password)", "Create a new webhook"],
        ),
        ({"host": f"portal.example/rest/1/{CODE}"}, ["Portal (host)", "address of a webhook"]),
        ({"host": f"portal.example/REST/1/{CODE}"}, ["Portal (host)", "address of a webhook"]),
        ({"host": f"portal.example/rest//1/{CODE}"}, ["Portal (host)", "address of a webhook"]),
        ({"host": f"https://1:{CODE}@portal.example"}, ["Portal (host)", "'@'"]),
        ({"host": f"https://portal.example/?auth={CODE}"}, ["Portal (host)", "'?'"]),
        ({"host": "ftp://portal.example"}, ["Portal (host)", "ftp"]),
        ({"host": "https://"}, ["Portal (host)", "contains no host"]),
        ({"host": "portal example"}, ["Portal (host)", "portal example"]),
        ({"host": "portal..example"}, ["Portal (host)", "portal..example"]),
        ({"host": "portal.example/../admin"}, ["Portal (host)", "path"]),
        ({"host": "portal.example:99999"}, ["Portal (host)", "port"]),
        ({"host": "https://[::1"}, ["Portal (host)"]),
        ({"port": 0}, ["Port (port)", "65535", "'0'"]),
        ({"port": 8443, "host": "portal.example:8444"}, ["8443", "8444"]),
        ({"schema": "bitrix24"}, ["Schema (schema)", "bitrix24"]),
        ({"schema": "http", "host": "https://portal.example"}, ["Schema (schema)", "http", "https"]),
        ({"schema": "http"}, ["plain http", "allow_http"]),
        ({"host": "http://portal.example"}, ["Portal (host)", "plain http", "allow_http"]),
        ({"login": None}, ["Webhook user id (login)", "missing"]),
        ({"login": "admin"}, ["Webhook user id (login)", "'admin'"]),
        ({"login": "0"}, ["Webhook user id (login)", "'0'"]),
        ({"login": "-1"}, ["Webhook user id (login)"]),
        ({"login": CODE}, ["Webhook user id (login)"]),
        ({"password": None}, ["Webhook code (password)", "missing", "client_id"]),
        ({"password": f"{CODE}?x=1"}, ["Webhook code (password)", "letters, digits"]),
        ({"password": f"{CODE} {CODE}"}, ["Webhook code (password)", "letters, digits"]),
        ({"password": f"https://portal.example/{CODE}/"}, ["Webhook code (password)", "/rest/"]),
        (
            {"password": f"https://portal.example/rest/api/1/{CODE}/"},
            ["Webhook code (password)", "version 3.0", "without /api"],
        ),
        ({"password": f"https://portal.example/rest/0/{CODE}/"}, ["Webhook code (password)"]),
        ({"password": f"https://other.example/rest/1/{CODE}/"}, ["other.example", "portal.example"]),
        ({"password": f"https://portal.example/rest/2/{CODE}/"}, ["is 1", "user 2"]),
        ({"password": f"http://portal.example/rest/1/{CODE}/"}, ["plain http", "allow_http"]),
        ({"extra": "{"}, ["extra", "JSON"]),
        ({"extra": "[1]"}, ["extra", "list"]),
        ({"extra": {"read_timout": 5}}, ["'read_timout'", "did you mean 'read_timeout'"]),
        ({"extra": {"headers": {}}}, ["'headers'", "plan", "proxy"]),
        ({"extra": {"plan": "gold"}}, ["Plan (plan)", "standard, enterprise, none", "'gold'"]),
        ({"extra": {"read_timeout": "abc"}}, ["Read timeout (s) (read_timeout)", "number", "'abc'"]),
        ({"extra": {"read_timeout": True}}, ["read_timeout", "number", "True"]),
        ({"extra": {"connect_timeout": 0}}, ["connect_timeout", "at least 0.1", "got 0"]),
        ({"extra": {"connect_timeout": "nan"}}, ["connect_timeout"]),
        ({"extra": {"max_parallel": 17}}, ["max_parallel", "from 1 to 16", "17"]),
        ({"extra": {"max_parallel": 1.5}}, ["max_parallel", "integer"]),
        ({"extra": {"verify_tls": "maybe"}}, ["verify_tls", "boolean", "'maybe'"]),
        ({"extra": {"ca_bundle": ["/x"]}}, ["ca_bundle", "string"]),
        ({"extra": {"client_secret": ["canary0client0secret"]}}, ["client_secret", "string"]),
        ({"extra": {"refresh_token": "canary0refresh0token"}}, ["refresh_token", "client_id"]),
        ({"extra": {"proxy": "canary0client0secret"}}, ["Proxy (proxy)", "http://"]),
        ({"extra": {"allowed_hosts": "a b/c"}}, ["allowed_hosts", "b/c"]),
        ({"extra": APP}, ["webhook", "OAuth", "empty"]),
    ],
    ids=lambda value: str(value)[:50] if isinstance(value, dict) else "",
)
def test_what_cannot_work_is_refused_by_the_name_of_its_field(given, words):
    text = refusal(connection(**given))
    assert not [word for word in words if word not in text], text


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"client_secret": ""}, ["client_secret", "missing"]),
        ({"access_token": "", "refresh_token": None}, ["refresh_token", "authorize"]),
        ({"client_secret": "canary0client0secret x"}, ["client_secret", "space"]),
        ({"oauth_server": "http://oauth.example"}, ["OAuth server (oauth_server)", "plain http"]),
        (
            {"oauth_server": f"https://portal.example/rest/1/{CODE}"},
            ["OAuth server (oauth_server)", "a webhook's address"],
        ),
        ({"oauth_server": "https://x@oauth.example"}, ["OAuth server (oauth_server)", "'@'"]),
    ],
    ids=lambda value: str(value)[:50] if isinstance(value, dict) else "",
)
def test_an_application_that_cannot_work_is_refused(extra, words):
    text = refusal(app_connection(**extra))
    assert not [word for word in words if word not in text], text


def test_an_application_may_begin_with_only_one_of_its_tokens():
    assert portal_config(app_connection(access_token="")).credentials.access_token == ""
    assert portal_config(app_connection(refresh_token="")).credentials.refresh_token == ""


def test_no_representation_shows_a_secret():
    proxied = {"proxy": "http://name:canary0proxy0word@proxy.example:3128"}
    for conn in (connection(extra=proxied), app_connection(**proxied)):
        shown = repr(portal_config(conn))
        assert not [canary for canary in [*CANARIES, "canary0proxy0word"] if canary in shown]


def test_every_secret_is_named_in_every_form_it_may_take():
    found = secrets(portal_config(connection(extra={"proxy": "http://name:a%2Fb%2Bcd@proxy.example:3128"})))
    assert CODE in found
    assert f"https://portal.example/rest/1/{CODE}/" in found
    assert f"https%3A%2F%2Fportal.example%2Frest%2F1%2F{CODE}" in found
    assert {"a/b+cd", "name:a%2Fb%2Bcd"} <= set(found)
    assert "" not in found


def test_the_secrets_of_an_application_are_its_own_secret_and_its_tokens():
    found = secrets(portal_config(app_connection()))
    assert {APP["client_secret"], APP["access_token"], APP["refresh_token"]} <= set(found)
    assert APP["client_id"] not in found


def test_an_empty_secret_is_not_masked():
    assert secret_forms("") == []
    assert "" not in secrets(portal_config(app_connection(access_token="")))


def test_every_secret_field_is_a_password_field_and_every_field_has_label_and_help():
    for name, field in fields().items():
        assert field["label"]
        assert field["description"]
        secret = name in ("client_secret", "access_token", "refresh_token", "proxy")
        assert (field["schema"].get("format") == "password") == secret, name


URI_EXTRA = "__extra__=%7B%22allow_http%22%3A%20true%2C%20%22plan%22%3A%20%22none%22%7D"


@pytest.mark.airflow
@pytest.mark.parametrize(
    ("uri", "url"),
    [
        (f"bitrix24://1:{CODE}@portal.example/", "https://portal.example"),
        (f"bitrix24://1:{CODE}@portal.example:8443", "https://portal.example:8443"),
        (f"bitrix24://1:{CODE}@portal.example/https", "https://portal.example"),
        (f"bitrix24://1:{CODE}@127.0.0.1:8024/http?{URI_EXTRA}", "http://127.0.0.1:8024"),
        (f"bitrix24://1:{CODE}@127.0.0.1:8024/http?allow_http=true&plan=none", "http://127.0.0.1:8024"),
        (f"bitrix24://1:{CODE}@[::1]:8024/?verify_tls=false", "https://[::1]:8024"),
        (
            f"bitrix24://1:{CODE}@https%3A%2F%2Fportal.example%3A8443%2Fprefix%2F",
            "https://portal.example:8443/prefix",
        ),
        (f"bitrix24://:https%3A%2F%2Fportal.example%2Frest%2F1%2F{CODE}%2F@/", "https://portal.example"),
    ],
)
def test_the_address_form_of_a_connection_is_read_as_airflow_reads_it(uri, url):
    models = pytest.importorskip("airflow.models", reason="needs Airflow")
    config = portal_config(models.Connection(conn_id="b24", uri=uri))
    assert config.url == url
    assert config.credentials == Webhook(1, CODE)


@pytest.mark.airflow
def test_the_json_form_of_a_connection_is_read_as_airflow_reads_it():
    models = pytest.importorskip("airflow.models", reason="needs Airflow")
    text = json.dumps(
        {"conn_type": "bitrix24", "host": "portal.example", "extra": APP | {"plan": "enterprise"}}
    )
    config = portal_config(models.Connection.from_json(text, conn_id="b24"))
    assert config.plan == "enterprise"
    assert config.credentials == OAuthApp(**APP)


@pytest.mark.airflow
def test_a_connection_survives_the_way_through_its_address():
    models = pytest.importorskip("airflow.models", reason="needs Airflow")
    first = models.Connection(
        conn_id="b24",
        conn_type="bitrix24",
        host="https://portal.example:8443/x",
        login="1",
        password=CODE,
        extra=json.dumps({"read_timeout": 5}),
    )
    second = models.Connection(conn_id="b24", uri=first.get_uri())
    assert portal_config(second) == portal_config(first)


@pytest.mark.airflow
@airflow_2_only
def test_the_web_form_of_airflow_2_shows_the_same_fields_as_the_metadata():
    from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget

    from airflow_provider_b24.connection_form import form_widgets

    widgets = form_widgets()
    assert list(widgets) == list(fields())
    for name, widget in widgets.items():
        assert widget.kwargs["label"] == fields()[name]["label"]
        hidden = isinstance(widget.kwargs.get("widget"), BS3PasswordFieldWidget)
        assert hidden == (fields()[name]["schema"].get("format") == "password")


@pytest.mark.airflow
@airflow_2_only
def test_airflow_2_accepts_every_class_of_field_in_its_web_form():
    """One field of another class, and Airflow 2 knows neither the hook nor its type of connection."""
    from wtforms import BooleanField, IntegerField, PasswordField, StringField

    from airflow_provider_b24.connection_form import form_widgets

    classes = {widget.field_class for widget in form_widgets().values()}
    assert classes <= {IntegerField, PasswordField, StringField, BooleanField}


@pytest.mark.airflow
@airflow_2_only
def test_other_types_of_connections_can_still_be_saved_in_the_web_form_of_airflow_2():
    from werkzeug.datastructures import MultiDict
    from wtforms import Form

    from airflow_provider_b24.connection_form import form_widgets

    form = type("ConnectionForm", (Form,), form_widgets())(formdata=MultiDict({"conn_type": "postgres"}))
    assert form.validate(), form.errors


def test_the_labels_of_older_airflows_are_those_of_the_metadata():
    from airflow_provider_b24.connection_form import ui_field_behaviour

    (statement,) = get_provider_info()["connection-types"]
    behaviour = ui_field_behaviour()
    assert behaviour["relabeling"] == statement["ui-field-behaviour"]["relabeling"]
    assert behaviour["hidden_fields"] == statement["ui-field-behaviour"]["hidden-fields"]
    assert behaviour["placeholders"] == statement["ui-field-behaviour"]["placeholders"]
