"""The documentation names what exists, all of it, and its links lead somewhere."""

import ast
import inspect
import re
import subprocess
import sys
from typing import get_args

import pytest

from airflow_provider_b24 import errors, sandbox
from airflow_provider_b24.sandbox import Bucket, Fault, Operating, Portal
from airflow_provider_b24.sandbox.http.faults import Kind
from tests.contract.conftest import PACKAGE, ROOT
from tests.contract.pages import DOCS, FENCE, INFO, PAGES, SETTINGS, TEXT, anchors, first_column, operators

ERRORS = {
    name
    for name, one in vars(errors).items()
    if inspect.isclass(one) and issubclass(one, errors.Bitrix24Error)
}


@pytest.mark.slow
def test_the_documentation_is_built_without_a_warning(tmp_path):
    pytest.importorskip("sphinx", reason="needs Sphinx")
    pytest.importorskip("airflow", reason="needs Airflow")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", DOCS, tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "_images" / "results.svg").is_file()


def test_every_operator_is_in_the_readme_and_in_the_reference():
    pytest.importorskip("airflow", reason="needs Airflow")
    names = [one.__name__ for one in operators()]
    assert sorted(first_column(PAGES["README.md"], "Operator")) == names
    assert sorted(re.findall(r"autoclass:: .*\.(\w+Operator)\n", PAGES["docs/api/operators.md"])) == names


def test_everything_public_of_the_sandbox_is_in_the_reference():
    listed = re.findall(
        r"auto\w+:: airflow_provider_b24\.sandbox\.(\w+)$", PAGES["docs/api/sandbox.md"], re.MULTILINE
    )
    assert sorted(listed) == sorted(["pytest_plugin", *sandbox.__all__])


def test_every_error_setting_fault_and_fixture_is_described():
    assert {*first_column(PAGES["docs/install.md"], "Setting")} == set(SETTINGS)
    page = PAGES["docs/testing.md"]
    assert {*first_column(page, "Fault")} == set(get_args(Kind))
    fixtures = re.findall(r"@pytest.fixture\ndef (\w+)", (PACKAGE / "sandbox/pytest_plugin.py").read_text())
    assert first_column(page, "Fixture") == fixtures
    page = PAGES["docs/errors.md"]
    assert [name for name in sorted(ERRORS) if f"`{name}`" not in page] == []


def test_every_class_and_setting_that_is_named_exists():
    classes = {
        node.name
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ClassDef)
    }
    named = set(re.findall(r"`(?:\w+\.)*(Bitrix24\w+|\w+(?:Operator|Error|Trigger|Hook|Store|Link))\b", TEXT))
    assert named - classes == {"ApprovalOperator", "BaseOperator", "ValueError"}  # which are others'
    assert set(re.findall(r"\[bitrix24\] (\w+)`", TEXT)) <= set(SETTINGS)


def arguments(function) -> set[str]:
    found = inspect.signature(function).parameters.items()
    return {name for name, one in found if one.kind != one.VAR_KEYWORD and name != "self"}


def own_arguments(operator: type) -> set[str]:
    ours = [base for base in operator.__mro__ if base.__module__.startswith("airflow_provider_b24")]
    return set().union(*(arguments(base.__init__) for base in ours))


def test_every_argument_of_an_operator_is_described_and_no_other():
    pytest.importorskip("airflow", reason="needs Airflow")
    from airflow.providers.common.compat.sdk import BaseOperator, BaseSensorOperator

    from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook

    ours = set().union(*(own_arguments(one) for one in operators()))
    assert [name for name in sorted(ours) if not re.search(rf"\b{name}\b", TEXT)] == []
    methods = [one for one in vars(Bitrix24Hook).values() if inspect.isfunction(one)]
    others = [BaseOperator.__init__, BaseSensorOperator.__init__, *methods]
    others += [Fault, Bucket, Operating, Portal, Portal.bind]
    known = ours.union(
        *(arguments(one) for one in others), {"schedule", "pinned_arguments"}
    )  # a DAG, a toolset
    assert set(re.findall(r"`([a-z]\w*)=[^=`]*`", TEXT)) - known == set()


def test_every_field_of_the_connection_is_described():
    (connection,) = INFO["connection-types"]
    fields = {name: field["label"] for name, field in connection["conn-fields"].items()}
    fields |= connection["ui-field-behaviour"]["relabeling"]
    page = PAGES["docs/connection.md"]
    assert [name for name, label in fields.items() if f"| {label} | `{name}` |" not in page] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", PAGES[page])):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_the_architecture_draws_every_package_and_names_files_that_exist():
    page = PAGES["docs/architecture.md"]
    (drawing,) = (source for kind, source in FENCE.findall(page) if kind == "text")
    drawn = set(re.findall(r"(\w+)/", drawing))
    assert drawn == {file.parent.name for file in PACKAGE.glob("*/__init__.py")}
    assert len({len(line) for line in drawing.splitlines() if line.startswith("  │")}) == 1
    paths = re.findall(r"`([\w/.]+(?:\.py|/))`", page)
    assert [path for path in paths if not (PACKAGE / path).exists() and not (ROOT / path).exists()] == []


def test_contributing_lists_every_make_target():
    targets = re.findall(r"^([\w-]+):.*  ## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    listed = first_column(PAGES["CONTRIBUTING.md"], "Command")
    assert sorted(listed) == sorted(f"make {target}" for target in targets if target != "help")


def test_the_readme_is_short_and_its_figures_are_those_of_the_benchmark():
    readme = PAGES["README.md"]
    assert len(readme.splitlines()) <= 150
    seconds, requests = re.search(r"written in ([\d.]+) seconds with (\d+) requests", readme).groups()
    rows = PAGES["docs/performance.md"].splitlines()
    (row,) = (row for row in rows if row.startswith("| 10,000 writes"))
    assert f"| {seconds} s (" in row
    assert f", {requests} requests |" in row


def test_the_documentation_uses_the_usual_terms():
    others = r"patience|ghosts?|wipe guard|cargo|fate|settle\w*|mended|in silence|anew|shall|outcomes?"
    texts = PAGES | {file.name: file.read_text() for file in (ROOT / "example_dags").glob("*.py")}
    found = {page: re.findall(rf"\b(?:{others})\b", text) for page, text in texts.items()}
    assert {page: words for page, words in found.items() if words} == {}
