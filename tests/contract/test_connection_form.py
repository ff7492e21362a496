"""Each supported Airflow takes the connection form from its one statement, in its own way."""

import pytest

from airflow_provider_b24.get_provider_info import get_provider_info

pytest.importorskip("airflow", reason="needs Airflow")
pytestmark = pytest.mark.airflow

(STATED,) = get_provider_info()["connection-types"]
FIELDS = STATED["conn-fields"]
SECRET = {name for name, stated in FIELDS.items() if stated["schema"].get("format") == "password"}


@pytest.fixture(scope="module")
def manager(airflow_console):
    from airflow.providers_manager import ProvidersManager

    return ProvidersManager()


@pytest.fixture
def widgets(manager):
    shown = {
        widget.field_name: widget
        for name, widget in manager.connection_form_widgets.items()
        if name.startswith("extra__bitrix24__")
    }
    if not shown:
        pytest.importorskip("flask_appbuilder", reason="without it Airflow 3.0 shows no type's own fields")
    return shown


def test_airflow_knows_the_type_and_can_test_its_connections(manager):
    hook = manager.hooks["bitrix24"]
    assert hook is not None
    assert hook.hook_name == "Bitrix24"
    assert hook.connection_testable


def test_airflow_has_every_field_and_knows_which_are_secret(widgets):
    assert set(widgets) == set(FIELDS)
    assert {name for name, widget in widgets.items() if widget.is_sensitive} == SECRET


def test_airflow_has_our_labels_of_the_standard_fields(manager, widgets):
    stated = STATED["ui-field-behaviour"]
    behaviour = manager.field_behaviours["bitrix24"]
    assert behaviour["relabeling"] == stated["relabeling"]
    assert behaviour["placeholders"] == stated["placeholders"]
    assert behaviour["hidden_fields"] == stated["hidden-fields"]


def test_the_web_interface_of_airflow_3_gets_the_form(manager, widgets):
    service = pytest.importorskip(
        "airflow.api_fastapi.core_api.services.ui.connections", reason="Airflow 2 has another interface"
    )
    (form,) = (
        kind for kind in service.HookMetaService.hook_meta_data() if kind.connection_type == "bitrix24"
    )
    assert form.hook_name == "Bitrix24"
    assert form.standard_fields.host.title == "Portal"
    assert list(form.extra_fields) == list(FIELDS)
    for name, field in form.extra_fields.items():
        assert field["schema"]["title"] == FIELDS[name]["label"]
        assert field["schema"].get("format") == FIELDS[name]["schema"].get("format")
        assert field["schema"].get("enum") == FIELDS[name]["schema"].get("enum")
        assert field["description"] == FIELDS[name]["description"]
