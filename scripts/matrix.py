"""Run the tests that use Airflow on each supported version of it. Other arguments are passed to pytest."""

import argparse
import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEWEST = "3.3"  # the development environment
LINES = ("lowest", "2.11", "3.0", "3.1", "3.2", NEWEST)  # lowest: the oldest of each requirement
WITHOUT_AIRFLOW = (
    "conformance",
    "crm",
    "export",
    "files",
    "sandbox",
    "sync",
)  # rest stays: Airflow decides the version of requests
ABOUT_THIS_PACKAGE = ("benchmarks", "faults")  # slow, and independent of Airflow's version
TESTS = [
    "tests",
    *(f"--ignore=tests/{room}" for room in WITHOUT_AIRFLOW + ABOUT_THIS_PACKAGE),
]
WORKERS = 2 * (os.cpu_count() or 1)  # the tests wait a lot
PARALLEL = ["-n", str(WORKERS), "--maxprocesses", "8", "--dist", "loadfile", "--no-loadscope-reorder"]
PYTEST = ["-m", "pytest", *PARALLEL, "--tb=short"]
ALL = ["-m", "not ui"]
QUICK = ["-m", "airflow and not slow and not ui"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--line", action="append", choices=LINES, help="may be repeated; default: all")
    parser.add_argument("--print-lowest", action="store_true", help="print the oldest allowed versions")
    parser.add_argument("--quick", action="store_true", help="only the fast tests that run Airflow")
    options, arguments = parser.parse_known_args()
    if options.print_lowest:
        print("\n".join(lowest()))
        return
    results = {}
    for line in options.line or LINES:
        print(f"\n===== Airflow {line} =====", flush=True)
        started = time.monotonic()
        python = make_environment(line)
        chosen = [*(QUICK if options.quick else ALL), *(arguments or TESTS)]
        code = subprocess.call([python, *PYTEST, *chosen], cwd=ROOT)
        result = "passed" if code == 0 else f"FAILED, pytest's exit code {code}"
        results[line] = f"{result} ({time.monotonic() - started:.0f} s)"
    print()
    for line, result in results.items():
        print(f"Airflow {line:5} {result}")
    sys.exit(any("FAILED" in result for result in results.values()))


def lowest() -> list[str]:
    """The oldest versions that pyproject.toml allows, as pins."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    needed = [*project["dependencies"], *(one for extra in extras for one in extra)]
    return [requirement.replace(">=", "==") for requirement in needed]


def make_environment(line: str) -> Path:
    """Install the pinned requirements of a line and return its Python."""
    environment, requirements = f".matrix/{line}", f"scripts/airflow-{line}.txt"
    if line == NEWEST:
        environment, requirements = ".venv", "scripts/requirements.txt"
    python = sys.executable if line == NEWEST else find_python()
    if subprocess.call([python, ROOT / "scripts/setup.py", environment, requirements]):
        sys.exit(f"Failed: no environment for Airflow {line}")
    return ROOT / environment / "bin/python"


def find_python() -> str:
    """Find a Python for the older lines: their packages are pinned for 3.11 and also work with 3.12."""
    for python in (sys.executable, "python3.12", "python3.11"):
        try:
            probe = [python, "-c", "import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))"]
            if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
                return python
        except FileNotFoundError:
            continue
    sys.exit("The older Airflow versions need Python 3.11 or 3.12, but neither was found.")


if __name__ == "__main__":
    main()
