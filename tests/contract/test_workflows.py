"""The workflows ask for few permissions and run what exists. The hooks before a commit need no network."""

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.version import Version

from tests.contract.conftest import ROOT

if not (ROOT / ".github").is_dir():
    pytest.skip("the source archive holds no workflows", allow_module_level=True)

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))
CI_RUN = ROOT / ".ci" / "run"
TARGETS = {*re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)}


def parse(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def lines_of_the_matrix() -> set[str]:
    """The Airflow lines of scripts/matrix.py: those with pins of their own, and the newest one."""
    names = {}
    for statement in ast.parse((ROOT / "scripts" / "matrix.py").read_text()).body:
        if isinstance(statement, ast.Assign):
            names[statement.targets[0].id] = statement.value
    newest = names["NEWEST"].value
    older = {one.value for one in names["LINES"].elts if isinstance(one, ast.Constant)}
    assert older == {path.stem.removeprefix("airflow-") for path in (ROOT / "scripts").glob("airflow-*.txt")}
    assert f"apache-airflow=={newest}." in (ROOT / "scripts" / "requirements.txt").read_text()
    return older | {newest}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_read_only_and_publishing_is_a_job_of_its_own(path):
    workflow = parse(path)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for name, job in workflow["jobs"].items():
        publishes = (path.name, name) == ("release.yml", "publish")
        allowed = {"id-token": "write"} if publishes else {"contents": "read"}
        assert job.get("permissions", {}).items() <= allowed.items()
        assert job.get("environment") == ("release" if publishes else None)
        assert job["timeout-minutes"] <= 30
        for step in job["steps"]:
            assert not publishes or "run" not in step, "no code of the repository runs with the identity"
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_text_that_others_write_does_not_reach_a_shell(path):
    inserted = {
        expression
        for job in parse(path)["jobs"].values()
        for step in job["steps"]
        for expression in re.findall(r"\$\{\{\s*(\w+)", step.get("run", ""))
    }
    assert inserted <= {"matrix"}


@pytest.mark.parametrize("path", [*WORKFLOWS, CI_RUN], ids=lambda path: path.name)
def test_the_make_targets_that_are_run_exist(path):
    script = re.sub(r"^\s*#.*", "", path.read_text(), flags=re.MULTILINE)
    commands = re.findall(r"\bmake ([a-z][a-z -]*)", script)
    used = {word for command in commands for word in command.split()}
    assert used
    assert used <= TARGETS


def test_every_supported_airflow_is_tested():
    lines = lines_of_the_matrix()
    jobs = parse(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]
    assert {*jobs["airflow"]["strategy"]["matrix"]["airflow"]} == lines
    older = re.search(r'LINE="([\d. ]+)"', CI_RUN.read_text()).group(1).split()
    assert {*older} < lines


def test_the_lowest_line_pins_the_oldest_version_of_each_requirement():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    needed = [*project["dependencies"], *(one for extra in extras for one in extra)]
    pins = (ROOT / "scripts" / "airflow-lowest.txt").read_text().splitlines()
    oldest = {(name, Version(version)) for name, version in (one.split(">=") for one in needed)}
    assert oldest <= {(name, Version(version)) for name, version in (pin.split("==") for pin in pins)}


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_an_issue_form_has_what_github_requires(path):
    form = parse(path)
    assert form["name"]
    assert form["description"]
    fields = [one for one in form["body"] if one["type"] != "markdown"]
    identifiers = [one["id"] for one in fields]
    assert len(identifiers) == len({*identifiers})
    assert all(one["attributes"]["label"] for one in fields)


def test_the_hooks_before_a_commit_download_nothing():
    repositories = parse(ROOT / ".pre-commit-config.yaml")["repos"]
    assert [one["repo"] for one in repositories] == ["local"]
    hooks = repositories[0]["hooks"]
    assert {hook["language"] for hook in hooks} <= {"system", "pygrep"}
    assert hooks[0]["entry"] == "make setup"
