"""What the README shows works as it stands."""

import re
import subprocess
import sys
from typing import get_args

import pytest

from airflow_provider_b24.get_provider_info import get_provider_info
from airflow_provider_b24.sandbox.http.faults import Kind
from tests.contract.conftest import PACKAGE, ROOT

TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
DAGS = [block for block in BLOCKS if re.search(r"\bDAG\b|@dag\b", block)]
INFO = get_provider_info()


def test_the_readme_shows_a_dag():
    assert DAGS


@pytest.mark.parametrize("source", DAGS, ids=range(1, len(DAGS) + 1))
def test_a_dag_of_the_readme_runs(source, run_dag, bitrix24_conn):
    run = run_dag(source)
    assert run.state == "success", run.states


@pytest.mark.parametrize("source", BLOCKS, ids=range(1, len(BLOCKS) + 1))
def test_python_in_the_readme_is_python(source):
    compile(source, "README.md", "exec")


@pytest.mark.slow
@pytest.mark.airflow
def test_the_test_in_the_readme_passes(airflow_console, tmp_path, monkeypatch):
    (conftest,) = (block for block in BLOCKS if "pytest_plugins" in block)
    (test,) = (block for block in BLOCKS if "def test_" in block)
    (tmp_path / "conftest.py").write_text(conftest)
    (tmp_path / "test_readme.py").write_text(test)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_readme_names_every_field_of_the_connection():
    (connection,) = INFO["connection-types"]
    missing = [
        name
        for name, field in connection["conn-fields"].items()
        if f"| {field['label']} | `{name}` |" not in TEXT
    ]
    labels = connection["ui-field-behaviour"]["relabeling"]
    missing += [name for name, label in labels.items() if f"| {label} | `{name}` |" not in TEXT]
    assert missing == []


def test_the_readme_names_every_setting_operator_and_fault():
    operators = "".join(file.read_text() for file in (PACKAGE / "operators").glob("*.py"))
    names = {
        *INFO["config"]["bitrix24"]["options"],
        *re.findall(r"^class (\w+Operator)\(", operators, re.MULTILINE),
        *get_args(Kind),
    }
    hidden = {"_ContactOperator", "Bitrix24BaseOperator"}
    assert sorted(name for name in names - hidden if f"`{name}`" not in TEXT) == []
