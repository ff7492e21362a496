"""Who may import whom, what importing costs, and what needs no Airflow."""

import ast
import sys
from collections.abc import Container, Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.contract.conftest import PACKAGE, importable_modules, module_names

NAME = "airflow_provider_b24"
# The rooms from top to bottom, and what each may import of this package. Every room may import itself.
CORE = {"errors", "__init__"}
SHELL = {"hooks", "connection", "connection_form"}
ALLOWED = {
    "__init__": set(),
    "get_provider_info": set(),
    "errors": set(),
    "rest": CORE,
    "files": CORE,
    "runs": CORE | {"files"},
    "crm": CORE | {"rest.calls", "files.idset"},
    "sync": CORE | {"crm", "files", "rest", "runs"},
    "export": CORE | {"crm", "files", "rest", "runs"},
    "connection_form": CORE | {"get_provider_info"},
    "connection": CORE | {"connection_form", "rest"},
    "links": CORE,
    "assets": CORE,
    "hooks": CORE | {"connection", "connection_form", "crm", "files", "rest", "runs", "sync", "export"},
    "triggers": CORE | {"hooks", "crm", "rest"},
    "operators": CORE | {"triggers", "hooks", "links", "crm", "files", "rest", "runs", "sync"},
    "sensors": CORE | {"triggers", "hooks", "links", "crm", "rest", "operators.templated"},
    "notifications": CORE | {"triggers", "hooks", "crm", "rest"},
    "plugins": CORE | {"operators.task_run", "hooks", "files", "runs"},
    "cli": CORE | SHELL | {"crm", "rest", "export", "files"},
    "sandbox": {"__init__"},
}
WITHOUT_AIRFLOW = {
    *("__init__", "get_provider_info", "errors", "connection_form", "connection"),
    *("rest", "crm", "files", "runs", "sync", "export", "sandbox"),
}
# The few modules that may import a library other than the standard one and Airflow.
LIBRARIES = {
    "rest.transport": {"requests", "urllib3"},  # the second names errors of a body that is being read
    "rest.sessions": {"requests"},
    "rest.connections": {"urllib3"},  # deadlines, and paths that only the server sees
    "rest.condition": {"jinja2"},  # Airflow's own, for the expressions of sensors
    "rest.limits.stores": {"redis"},
    "rest.replies": {"msgspec"},  # Airflow's own, for numbers with all their digits
    "export.values": {"msgspec"},
    "export.saved_rows": {"msgspec"},
    "export.formats": {"pyarrow"},
    "export.targets.merging": {"alembic"},  # Airflow's own, for a column that is added
    "hooks.drivers": {"MySQLdb", "duckdb_engine", "psycopg", "sqlalchemy"},  # each only with its own database
    "hooks.token_store": {"cryptography"},  # Airflow's own, for values encrypted with its Fernet key
    "triggers.threads": {"asgiref"},  # Airflow's own, for threads that may ask the triggerer
    "plugins.api": {"fastapi", "sqlalchemy"},  # Airflow's own, and only its API server imports this module
    "connection_form": {"wtforms", "flask_appbuilder", "flask_babel"},
    "sandbox.pytest_plugin": {"pytest"},
}
LIBRARIES_OF_ROOMS = {"export.targets": {"sqlalchemy"}}  # Airflow's own: SQL is its business


def imports_of(file: Path) -> Iterator[str]:
    """The dotted names a file imports, at whatever depth, for types only too."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_name(file: Path) -> str:
    """`rest.client`, `crm`, `__init__`."""
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


def may_import(importer: str, imported: str) -> bool:
    room = importer.partition(".")[0]
    allowed = ALLOWED[room] | {room}
    return any(f"{imported}.".startswith(f"{name}.") for name in allowed)


FILES = [pytest.param(file, id=own_name(file)) for file in sorted(PACKAGE.rglob("*.py"))]


@pytest.mark.parametrize("file", FILES)
def test_imports_within_the_package_point_down(file):
    for name in imports_of(file):
        if name.partition(".")[0] == NAME:
            imported = name.removeprefix(f"{NAME}.")
            if imported in ("__version__", "DEFAULT_CONN_ID"):
                imported = "__init__"
            assert may_import(own_name(file), imported), f"{own_name(file)} imports {name}"


def test_no_modules_import_one_another_in_a_circle():
    names = {own_name(file): file for file in PACKAGE.rglob("*.py")}
    graph = {name: set(modules_in(imports_of(file), names)) - {name} for name, file in names.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def modules_in(imported: Iterable[str], names: Container[str]) -> Iterator[str]:
    """The modules of this package among imported names, each of which may be a module or a name in one."""
    for name in imported:
        if name.startswith(f"{NAME}."):
            inner = name.removeprefix(f"{NAME}.")
            yield from (one for one in (inner, inner.rpartition(".")[0]) if one in names)


@pytest.mark.parametrize("file", FILES)
def test_other_libraries_are_imported_only_where_they_belong(file):
    name = own_name(file)
    allowed = {NAME, "pendulum"} | sys.stdlib_module_names | LIBRARIES.get(name, set())
    allowed |= LIBRARIES_OF_ROOMS.get(name.rpartition(".")[0], set())
    if name.partition(".")[0] not in WITHOUT_AIRFLOW:
        allowed |= {"airflow"}
    foreign = {imported.partition(".")[0] for imported in imports_of(file)} - allowed
    assert not foreign, f"{name} imports {foreign}"


NEW_MODULES = """
import sys
import airflow.models
from airflow.providers.common.compat.sdk import BaseHook, BaseOperator, DAG, XComArg, dag, task
before = set(sys.modules)
for name in {names!r}:
    __import__(name)
answer = sorted(set(sys.modules) - before)
"""


def test_parsing_a_dag_loads_the_operators_and_their_like_and_hardly_anything_else(fresh_python):
    pytest.importorskip("airflow", reason="needs Airflow")
    rooms = tuple(f"{NAME}.{room}" for room in ("operators", "sensors", "notifications"))
    names = [name for name in importable_modules() if name.startswith(rooms)]
    new = fresh_python(NEW_MODULES.format(names=names))
    assert {*names} <= {*new}
    assert "requests" not in new
    assert not [
        name
        for name in new
        if name.startswith(("airflow_provider_b24.hooks", "airflow_provider_b24.sandbox"))
    ]
    foreign = [name for name in new if not name.startswith(NAME)]
    assert len(foreign) <= 5, foreign


def test_the_core_can_be_imported_without_airflow(fresh_python):
    core = [
        name for name in module_names() if name.removeprefix(f"{NAME}.").partition(".")[0] in WITHOUT_AIRFLOW
    ]
    core = [name for name in core if name != f"{NAME}.sandbox.pytest_plugin"]
    imports = f"import sys, tests.no_airflow\nfor name in {core!r}: __import__(name)"
    assert fresh_python(f"{imports}\nanswer = 'airflow' in sys.modules") is False
