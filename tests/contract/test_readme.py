"""What the README shows works as it stands."""

import re

import pytest

from tests.contract.conftest import ROOT

BLOCKS = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
DAGS = [block for block in BLOCKS if re.search(r"\bDAG\b|@dag\b", block)]


def test_the_readme_shows_a_dag():
    assert DAGS


@pytest.mark.parametrize("source", DAGS, ids=range(1, len(DAGS) + 1))
def test_a_dag_of_the_readme_runs(source, run_dag, bitrix24_conn):
    run = run_dag(source)
    assert run.state == "success", run.states


@pytest.mark.parametrize("source", BLOCKS, ids=range(1, len(BLOCKS) + 1))
def test_python_in_the_readme_is_python(source):
    compile(source, "README.md", "exec")
