"""
Run the tests that use Airflow on each supported version of it. Other arguments are passed to pytest.

Several versions are tested at the same time, and what each of them prints is shown when it has ended.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
NEWEST = "3.3"  # the development environment
LINES = ("lowest", "2.11", "3.0", "3.1", "3.2", NEWEST)  # lowest: the oldest of each requirement
WITHOUT_AIRFLOW = (
    "conformance",
    "crm",
    "files",
    "runs",
    "sandbox",
    "sync",
)  # rest and export stay: Airflow decides the versions of requests and SQLAlchemy
ABOUT_THIS_PACKAGE = ("benchmarks", "faults")  # slow, and independent of Airflow's version
TESTS = [
    "tests",
    *(f"--ignore=tests/{room}" for room in WITHOUT_AIRFLOW + ABOUT_THIS_PACKAGE),
]
WORKERS = min(2 * (os.cpu_count() or 1), 8)  # of all lines together; the tests wait a lot
PYTEST = ["-m", "pytest", "--dist", "loadfile", "--no-loadscope-reorder", "--tb=short"]
ALL = ["-m", "not ui"]
QUICK = ["-m", "(airflow or sqlalchemy) and not slow and not ui"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--line", action="append", choices=LINES, help="may be repeated; default: all")
    parser.add_argument("--print-lowest", action="store_true", help="print the oldest allowed versions")
    parser.add_argument("--quick", action="store_true", help="only fast tests of what differs")
    options, arguments = parser.parse_known_args()
    if options.print_lowest:
        print("\n".join(lowest()))
        return
    lines = options.line or LINES
    each = max(1, WORKERS // len(lines))  # few, since each of them imports Airflow and collects the tests
    command = [*PYTEST, "-n", str(each), *(QUICK if options.quick else ALL), *(arguments or TESTS)]
    with contextlib.ExitStack() as stack:
        outputs: dict[str, IO[str] | None] = dict.fromkeys(lines)  # a line that is alone shows what it does
        if len(lines) > 1:
            for line in lines:
                outputs[line] = stack.enter_context(tempfile.TemporaryFile("w+", errors="replace"))
        pool = stack.enter_context(ThreadPoolExecutor(WORKERS // each))
        running = {pool.submit(test, line, command, outputs[line]): line for line in lines}
        for ended in as_completed(running):
            line = running[ended]
            if output := outputs[line]:
                output.seek(0)
                print(f"\n===== Airflow {line} =====\n{output.read()}", flush=True)
    print()
    for ended, line in running.items():
        print(f"Airflow {line:6} {ended.result()}")
    sys.exit(any("FAILED" in ended.result() for ended in running))


def test(line: str, command: list[str], output: IO[str] | None) -> str:
    """Run the tests on one line and return the result; ``output`` receives what they print."""
    started = time.monotonic()
    python = make_environment(line, output)
    if python is None:
        result = "FAILED, no environment"
    else:
        code = subprocess.call([python, *command], cwd=ROOT, stdout=output, stderr=output)
        result = f"FAILED, pytest's exit code {code}" if code else "passed"
    return f"{result} ({time.monotonic() - started:.0f} s)"


def lowest() -> list[str]:
    """The oldest versions that pyproject.toml allows, as pins."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    needed = [*project["dependencies"], *(one for extra in extras for one in extra)]
    return [requirement.replace(">=", "==") for requirement in needed]


def make_environment(line: str, output: IO[str] | None) -> Path | None:
    """Install the pinned requirements of a line and return its Python, or None if that failed."""
    environment, requirements = f".matrix/{line}", f"scripts/airflow-{line}.txt"
    if line == NEWEST:
        environment, requirements = ".venv", "scripts/requirements.txt"
    python = sys.executable if line == NEWEST else find_python()
    setup = [python, str(ROOT / "scripts/setup.py"), environment, requirements]
    if subprocess.call(setup, stdout=output, stderr=output):
        return None
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
