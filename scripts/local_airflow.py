"""Run an Airflow that is private to this checkout."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
AIRFLOW = [sys.executable, "-m", "airflow"]


def make_home(name: str) -> Path:
    """Create a directory for one Airflow, so that several can run at the same time."""
    homes = ROOT / ".airflow"
    homes.mkdir(exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=homes))


def make_environment(home: Path) -> dict[str, str]:
    """Return the environment variables of an Airflow in this directory, isolated from any other."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    return inherited | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "example_dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # Airflow runs itself by name
        "AIRFLOW_CONN_WAREHOUSE": f"sqlite://{home}/warehouse.db",  # the examples' database
        "BITRIX24_EXAMPLES": str(home / "files"),  # the examples' directory
        "NO_PROXY": "127.0.0.1,localhost",
    }


def run_airflow(*command: str, environment: Mapping[str, str], log: Path) -> None:
    """Run an airflow command. If it fails, show the end of its log and exit."""
    with log.open("a") as output:
        code = subprocess.call(
            [*AIRFLOW, *command], env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    if code:
        give_up(f"airflow {' '.join(command[:2])} exited with code {code}", log)


def give_up(reason: str, log: Path) -> None:
    last_lines = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
    sys.exit(f"\n{last_lines}\n\nFailed: {reason}\nThe whole log is in {log.relative_to(ROOT)}")


@contextmanager
def step(what: str) -> Iterator[None]:
    """Show a step and how long it took."""
    started = time.monotonic()
    print(f"  {what} ...", end="", flush=True)
    yield
    print(f" {time.monotonic() - started:.0f} s", flush=True)
