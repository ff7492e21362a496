"""The connection form in a real browser and a real Airflow."""

from dataclasses import dataclass

import pytest

from airflow_provider_b24.get_provider_info import get_provider_info
from airflow_provider_b24.sandbox.http.seed import DEMO_CODE
from tests.ui.connection_form import Field

pytestmark = pytest.mark.ui

(STATED,) = get_provider_info()["connection-types"]


@dataclass(frozen=True)
class EmptyForm:
    """The form before anything is filled in."""

    standard: list[Field]
    extra: list[Field]
    plans: list[str]


@pytest.fixture(scope="module")
def empty_form(pages) -> EmptyForm:
    pages.open_new_form()
    standard = pages.fields("standardFields")
    pages.browser.picture("form-standard-fields")
    pages.open_section("Extra Fields")
    extra = pages.fields("Extra Fields")
    pages.browser.picture("form-extra-fields")
    plans = pages.options("plan")
    pages.browser.picture("form-plan")
    return EmptyForm(standard, extra, plans)


def test_the_standard_fields_have_bitrix24_labels(empty_form):
    assert {field.name: field.label for field in empty_form.standard} == {
        "description": "Description",
        "host": "Portal",
        "login": "Webhook user id",
        "password": "Webhook code",
        "port": "Port",
    }


def test_the_extra_fields_have_their_labels_and_help_texts_in_order(empty_form):
    assert [(field.name, field.label, field.help) for field in empty_form.extra] == [
        (name, stated["label"], stated["description"]) for name, stated in STATED["conn-fields"].items()
    ]


def test_secrets_are_password_fields(empty_form):
    hidden = {field.name for field in empty_form.standard + empty_form.extra if field.kind == "password"}
    assert hidden == {"password", "client_secret", "access_token", "refresh_token", "proxy"}


def test_the_plan_is_a_drop_down(empty_form):
    (plan,) = (field for field in empty_form.extra if field.name == "plan")
    assert (plan.kind, plan.value) == ("list", "standard")
    assert empty_form.plans == ["standard", "enterprise", "none"]


def test_a_connection_opens_as_it_was_saved_without_its_secret(pages, connection, new_portal):
    pages.open_form_of(connection)
    shown = {field.name: field.value for field in pages.fields("standardFields")}
    pages.browser.picture("form-reopened-standard-fields")
    assert shown == {
        "description": "created in the form",
        "host": f"http://{new_portal.host}",
        "port": str(new_portal.port),
        "login": "1",
        "password": "***",
    }
    pages.open_section("Extra Fields")
    shown = {field.name: field.value for field in pages.fields("Extra Fields")}
    pages.browser.picture("form-reopened-extra-fields")
    assert shown["plan"] == "enterprise"
    assert shown["allow_http"] == "True"
    assert shown["verify_tls"] == "True"
    assert DEMO_CODE not in pages.browser.driver.page_source


def test_saving_again_keeps_the_secret_and_the_test_button_shows_the_user(pages, connection):
    pages.open_form_of(connection)
    pages.fill(description="saved twice")
    pages.save()
    notice = pages.test(connection)
    pages.browser.picture("test-button")
    assert notice.startswith("Test Connection Successful")
    assert "Alex Morgan" in notice


def test_the_test_button_shows_the_error(pages, api, new_portal):
    plain = {"connection_id": "plain", "conn_type": "bitrix24", "login": "1", "password": DEMO_CODE}
    plain |= {"host": f"http://{new_portal.host}", "port": new_portal.port}
    api("POST", "/api/v2/connections", json=plain)
    notice = pages.test("plain")
    pages.browser.picture("test-button-failed")
    assert notice.startswith("Test Connection Failed")
    assert "Allow plain http" in notice


def test_the_secrets_of_oauth_are_not_shown_again(pages):
    secrets = {"client_secret": "canary1", "access_token": "canary2", "refresh_token": "canary3"}
    secrets["proxy"] = "http://me:canary4@proxy:80"
    pages.open_new_form()
    pages.fill(connection_id="by_oauth", host="mycompany.bitrix24.com")
    pages.open_section("Extra Fields")
    pages.fill(client_id="local.1", **secrets)
    pages.save()

    pages.open_form_of("by_oauth")
    pages.open_section("Extra Fields")
    shown = {field.name: field.value for field in pages.fields("Extra Fields")}
    assert shown["client_id"] == "local.1"
    assert [shown[name] for name in secrets] == ["***"] * len(secrets)
    pages.open_section("Extra Fields JSON")
    pages.browser.picture("form-oauth-json")
    assert "canary" not in pages.browser.driver.page_source
