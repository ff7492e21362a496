"""The types of the operators' arguments hold for DAGs that are checked strictly."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.conftest import ROOT

pytest.importorskip("airflow.sdk", reason="Airflow 2 has no typed tasks")
pytest.importorskip("mypy")

TYPED_DAG = Path(__file__).with_name("typed_dag.py")
MISTAKES = """
from airflow_provider_b24.operators.contact_company import (
    GetContactCompaniesOperator, SetContactCompaniesOperator,
)

GetContactCompaniesOperator(task_id="get", contact_id=[82])
SetContactCompaniesOperator(task_id="set", contact_id=82, items=8)
SetContactCompaniesOperator(task_id="set", contact_id=82)
"""


def check(file):
    # In the cache that `make lint` leaves, Airflow's own modules are checked already.
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", str(file)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)


@pytest.mark.slow
def test_a_strictly_typed_dag_passes_and_mistakes_are_found(tmp_path):
    done = check(TYPED_DAG)
    assert done.returncode == 0, done.stdout
    file = tmp_path / "mistakes.py"
    file.write_text(MISTAKES)
    done = check(file)
    assert done.stdout.count(" error: ") == 3, done.stdout
