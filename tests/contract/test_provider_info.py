"""What Airflow is told about the package is valid, true and shown."""

import importlib
import json
import re
import subprocess
import sys
from importlib.metadata import entry_points, metadata
from importlib.resources import files

import pytest

from airflow_provider_b24 import __version__
from airflow_provider_b24.get_provider_info import get_provider_info
from tests.contract.conftest import importable_modules, module_names

pytest.importorskip("airflow", reason="needs Airflow")
jsonschema = pytest.importorskip("jsonschema")


def read_schema(name):
    return json.loads(files("airflow").joinpath(name).read_text())


def test_the_information_is_valid_by_the_schema_airflow_checks_it_with():
    jsonschema.validate(get_provider_info(), read_schema("provider_info.schema.json"))


def test_the_information_is_valid_by_the_strict_schema_of_official_providers():
    schema = read_schema("provider.yaml.schema.json")
    if "conn-fields" not in json.dumps(schema["properties"]["connection-types"]):
        pytest.skip("Airflow before 3.2 has no schema for the connection form")
    schema["required"].remove("state")  # of the official providers' release process
    schema["required"].remove("source-date-epoch")
    jsonschema.validate(get_provider_info(), schema)


def test_the_package_name_is_the_canonical_name_of_the_distribution():
    """With an underscore in it every airflow command ends with a ValueError, whatever it is about."""
    name = get_provider_info()["package-name"]
    assert name == metadata("airflow-provider-b24")["Name"]
    assert name == re.sub(r"[-_.]+", "-", name).lower()


def test_the_entry_point_gives_the_information():
    (entry_point,) = (
        entry
        for entry in entry_points(group="apache_airflow_provider")
        if entry.dist.name == "airflow-provider-b24"
    )
    assert entry_point.load() is get_provider_info


def test_the_newest_version_named_is_the_package_s_own():
    assert get_provider_info()["versions"][0] == __version__


def named_modules():
    info = get_provider_info()
    for kind in ("hooks", "operators", "sensors", "triggers"):
        for group in info.get(kind, []):
            yield from group["python-modules"]


@pytest.mark.parametrize("module", named_modules())
def test_a_module_that_is_named_can_be_imported(module):
    if module in importable_modules():
        importlib.import_module(module)
    else:
        assert module in module_names()


def named_objects():
    info = get_provider_info()
    yield from (connection["hook-class-name"] for connection in info["connection-types"])
    for kind in ("extra-links", "notifications", "cli", "secrets-backends"):
        yield from info.get(kind, [])
    for assets in info["asset-uris"]:
        yield from (assets["handler"], assets["factory"])
    yield from (plugin["plugin-class"] for plugin in info.get("plugins", []))
    yield from (decorator["class-name"] for decorator in info.get("task-decorators", []))


@pytest.mark.parametrize("path", named_objects())
def test_a_class_or_function_that_is_named_can_be_imported(path):
    module, _, name = path.rpartition(".")
    assert hasattr(importlib.import_module(module), name)


def test_the_hook_is_what_the_connection_type_says():
    (connection,) = get_provider_info()["connection-types"]
    module, _, name = connection["hook-class-name"].rpartition(".")
    hook = getattr(importlib.import_module(module), name)
    assert hook.conn_type == connection["connection-type"]
    assert hook.hook_name == connection["hook-name"]
    assert getattr(hook(), hook.conn_name_attr) == hook.default_conn_name


def airflow(*command):
    done = subprocess.run(
        [sys.executable, "-m", "airflow", *command], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout[done.stdout.index("[{") :])


@pytest.mark.slow
def test_airflow_lists_the_provider(airflow_console):
    shown = {row["package_name"]: row for row in airflow("providers", "list", "--output", "json")}
    assert shown["airflow-provider-b24"]["version"] == __version__


@pytest.mark.slow
def test_airflow_lists_the_hook(airflow_console):
    shown = {row["connection_type"]: row for row in airflow("providers", "hooks", "--output", "json")}
    assert shown["bitrix24"]["hook_name"] == "Bitrix24"
    assert shown["bitrix24"]["conn_id_attribute_name"] == "bitrix24_conn_id"
