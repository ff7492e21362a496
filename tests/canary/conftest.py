"""One harvest for all tests: a process in which everything is done that a canary could slip out of."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 1200  # on a machine that has much else to do


@dataclass(frozen=True)
class Harvest:
    """What the process left in its folder, and what it said that became of it."""

    folder: Path
    outcomes: dict[str, Any]

    @property
    def database(self) -> Path:
        return self.folder / "airflow" / "airflow.db"

    def read(self, file: str) -> str:
        return (self.folder / file).read_text()


@pytest.fixture(scope="session")
def harvest(tmp_path_factory) -> Harvest:
    pytest.importorskip("airflow", reason="needs Airflow")
    from cryptography.fernet import Fernet

    folder = tmp_path_factory.mktemp("canary")
    for name in ("airflow", "evidence", "reports", "tmp"):
        (folder / name).mkdir()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    environment = inherited | {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__BITRIX24__RETRY_TIMEOUT": "0.2",
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "airflow" / "dags"),
        "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow/airflow.db",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
        "CANARY_EVIDENCE": str(folder / "evidence"),
        "CANARY_REPORTS": str(folder / "reports"),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
        "TMPDIR": str(folder / "tmp"),  # of locks and of what processes share
    }
    with (folder / "stdout.txt").open("w") as out, (folder / "stderr.txt").open("w") as err:
        done = subprocess.run(
            [sys.executable, "-m", "tests.canary.harvest"],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            timeout=SECONDS,
            check=False,
        )
    assert done.returncode == 0, (folder / "stderr.txt").read_text()[-5000:]
    return Harvest(folder, json.loads((folder / "outcomes.json").read_text()))
