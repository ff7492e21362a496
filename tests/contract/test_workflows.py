"""The workflows ask for few permissions, and run what exists."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_reads_and_only_a_release_is_published(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for name, job in workflow["jobs"].items():
        allowed = (
            {"id-token": "write"} if (path.stem, name) == ("release", "publish") else {"contents": "read"}
        )
        assert job.get("permissions", {}).items() <= allowed.items()
        assert job["timeout-minutes"] <= 30
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / ".ci" / "run"], ids=lambda path: path.name)
def test_the_make_targets_that_are_run_exist(path):
    commands = re.findall(r"^\s*(?:- run: )?make (.+)$", path.read_text(), re.MULTILINE)
    used = {word for command in commands for word in command.split() if re.fullmatch("[a-z-]+", word)}
    assert used
    assert used <= {*TARGETS}


def test_every_pinned_older_airflow_is_tested():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    pinned = {path.stem.removeprefix("airflow-") for path in (ROOT / "scripts").glob("airflow-*.txt")}
    assert {*workflow["jobs"]["older-airflow"]["strategy"]["matrix"]["airflow"]} == pinned
