"""Harvests: processes that use connections with canaries in every way, and what they leave behind."""

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 1200  # enough for a busy machine


@dataclass(frozen=True)
class Harvest:
    """The files of one harvest, and its results."""

    folder: Path
    outcomes: dict[str, Any]

    @property
    def database(self) -> Path:
        return self.folder / "airflow" / "airflow.db"

    def read(self, file: str) -> str:
        return (self.folder / file).read_text()


@pytest.hookimpl(trylast=True)  # after -m
def pytest_collection_modifyitems(config, items) -> None:
    """The few are among all."""
    extents = {item: item.callspec.params.get("harvest") for item in items if hasattr(item, "callspec")}
    if "all" in extents.values():
        few = [item for item in items if extents.get(item) == "few"]
        config.hook.pytest_deselected(items=few)
        items[:] = [item for item in items if item not in few]


@pytest.fixture(scope="session")
def gather(tmp_path_factory) -> Callable[[str], Harvest]:
    """Run a harvest, `few` or `all`, once."""
    pytest.importorskip("airflow", reason="needs Airflow")
    return functools.cache(lambda extent: run_harvest(tmp_path_factory.mktemp(f"canary-{extent}"), extent))


@pytest.fixture(params=["few", pytest.param("all", marks=pytest.mark.slow)])
def harvest(request, gather) -> Harvest:
    """A few connections, which takes seconds, then all."""
    return gather(request.param)


@pytest.fixture
def full_harvest(gather) -> Harvest:
    """All connections and Airflow's web server."""
    return gather("all")


def run_harvest(folder: Path, extent: str) -> Harvest:
    from cryptography.fernet import Fernet

    for name in ("airflow", "evidence", "reports", "tmp"):
        (folder / name).mkdir()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    environment = inherited | {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__BITRIX24__RETRY_TIMEOUT": "0.2",
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "airflow" / "dags"),
        "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__BITRIX24__REPORT_LOCATIONS": str(folder / "reports"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow/airflow.db",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
        "CANARY_EVIDENCE": str(folder / "evidence"),
        "CANARY_REPORTS": str(folder / "reports"),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
        "TMPDIR": str(folder / "tmp"),  # for locks and files that processes share
    }
    if version("apache-airflow").startswith(("2.11.0", "3.0.")):
        environment["AIRFLOW__CORE__SENSITIVE_VAR_CONN_NAMES"] = "proxy"  # as SECURITY.md says
    with (folder / "stdout.txt").open("w") as out, (folder / "stderr.txt").open("w") as err:
        done = subprocess.run(
            [sys.executable, "-m", "tests.canary.harvest", extent],
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
