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
RELEASE = ROOT / ".github" / "workflows" / "release.yml"
# What the jobs that release may do beyond reading, and the environment in which somebody may have to approve.
MAY = {
    ("release.yml", "rehearse"): ({"id-token": "write"}, "testpypi"),
    ("release.yml", "publish"): ({"id-token": "write"}, "release"),
    ("release.yml", "announce"): ({"contents": "write"}, None),
}
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


def jobs_of(path: Path) -> dict[str, Any]:
    return parse(path)["jobs"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_only_read_apart_from_the_jobs_that_release(path):
    assert parse(path)["permissions"] in ({}, {"contents": "read"})
    for name, job in jobs_of(path).items():
        allowed, environment = MAY.get((path.name, name), ({"contents": "read"}, None))
        assert job.get("permissions", {}).items() <= allowed.items()
        assert job.get("environment") == environment
        assert job["timeout-minutes"] <= 30
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert allowed == {"contents": "read"}, "no code of the repository runs with more rights"
                assert step["with"]["persist-credentials"] is False
            if environment:
                assert "run" not in step, "nor any other script with the identity that publishes"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit_with_their_version_beside(path):
    lines = [line for line in path.read_text().splitlines() if "uses:" in line]
    assert lines
    pinned = re.compile(r"\s*- uses: [\w-]+/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+")
    assert [line for line in lines if not pinned.fullmatch(line)] == []


def test_an_action_has_one_commit_everywhere():
    pins = {
        tuple(line.split("uses: ")[1].split("@"))
        for path in WORKFLOWS
        for line in path.read_text().splitlines()
        if "uses:" in line
    }
    assert len({action for action, _ in pins}) == len(pins)


def test_a_release_is_checked_documented_and_tested_on_every_airflow_before_it_is_published():
    jobs = jobs_of(RELEASE)
    assert {"lint", "test", "docs"} <= set(jobs["checks"]["steps"][-1]["run"].split())
    ci = jobs_of(RELEASE.with_name("ci.yml"))
    assert jobs["airflow"]["strategy"]["matrix"] == ci["airflow"]["strategy"]["matrix"]
    assert set(jobs["rehearse"]["needs"]) == {"checks", "airflow", "build"}
    assert (jobs["publish"]["needs"], jobs["announce"]["needs"]) == ("rehearse", "publish")
    assert jobs["publish"]["if"] == "github.ref_type == 'tag'"


def test_a_release_is_built_with_the_build_backend_and_nothing_else():
    steps = [step["run"] for step in jobs_of(RELEASE)["build"]["steps"] if "run" in step]
    assert steps[:2] == [
        "python -m pip install --require-hashes -r scripts/build.txt",
        "python -m build --no-isolation",
    ]
    assert not any("make" in step or "pip install" in step for step in steps[1:])
    wanted = (ROOT / "scripts" / "build.in").read_text().split("\n", 1)[1].split()
    assert wanted == ["build", "hatchling"]
    versions = [{pin.split(" ")[0] for pin in pins_in(file)} for file in ("build.txt", "requirements.txt")]
    assert versions[0] <= versions[1]


def test_the_rehearsal_goes_to_the_test_index():
    upload = jobs_of(RELEASE)["rehearse"]["steps"][-1]
    assert upload["with"] == {"repository-url": "${{ vars.TEST_INDEX_URL }}", "skip-existing": True}
    assert "with" not in jobs_of(RELEASE)["publish"]["steps"][-1]


def pins_in(file: str) -> list[str]:
    """The pinned packages of a requirements file, without their hashes."""
    lines = [line.removesuffix("\\").rstrip() for line in (ROOT / "scripts" / file).read_text().splitlines()]
    return [line for line in lines if line and not line.startswith((" ", "#"))]


@pytest.mark.parametrize("file", sorted(path.name for path in (ROOT / "scripts").glob("*.txt")))
def test_every_pin_has_hashes_and_no_address(file):
    text = (ROOT / "scripts" / file).read_text()
    blocks = re.findall(r"^\S[^\\\n]*(?: \\\n +--hash=sha256:[0-9a-f]{64})+$", text, re.MULTILINE)
    assert [block.partition(" ")[0] for block in blocks] == [pin.partition(" ")[0] for pin in pins_in(file)]
    assert all("==" in pin for pin in pins_in(file))
    assert "://" not in text
    assert "index-url" not in text


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_text_that_others_write_does_not_reach_a_shell(path):
    inserted = {
        expression
        for job in parse(path)["jobs"].values()
        for step in job["steps"]
        for expression in re.findall(r"\$\{\{\s*(\w+)", step.get("run", ""))
    }
    assert inserted <= {"matrix"}


def test_a_maintainer_is_asked_about_every_change():
    rules = [line.split() for line in (ROOT / ".github" / "CODEOWNERS").read_text().splitlines()]
    owned = {rule[0]: rule[1:] for rule in rules if rule and rule[0] != "#"}
    assert owned["*"]
    for path in owned.keys() - {"*"}:
        assert owned[path]
        assert (ROOT / path.strip("/")).exists()


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
    pins = pins_in("airflow-lowest.txt")
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
