"""Run the tests that meet Airflow on each supported line of it; other arguments go to pytest."""

import argparse
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORE = ("crm", "sandbox")  # knows neither Airflow nor what comes with it
NEWEST_ONLY = ("faults", "benchmarks")  # long, and about this package rather than Airflow
TESTS = [
    "tests",
    *(f"--ignore=tests/{room}" for room in CORE + NEWEST_ONLY),
    "--deselect=tests/contract/test_imports.py::test_the_tests_of_the_core_pass_without_airflow",
]
LINES = {
    "2.11": (".matrix/2.11", "scripts/airflow-2.11.txt"),
    "3.0": (".matrix/3.0", "scripts/airflow-3.0.txt"),
    "newest": (".venv", "scripts/requirements.txt"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--line", action="append", choices=LINES, help="may be repeated; default: all")
    options, arguments = parser.parse_known_args()
    results = {}
    for line in options.line or LINES:
        environment, requirements = LINES[line]
        python = sys.executable if line == "newest" else find_python_for_old_airflow()
        print(f"\n===== Airflow {line} =====", flush=True)
        started = time.monotonic()
        if subprocess.call([python, ROOT / "scripts/setup.py", environment, requirements]):
            sys.exit(f"Failed: no environment for Airflow {line}")
        pytest = [ROOT / environment / "bin/python", "-m", "pytest", "--tb=short", "--show-capture=no"]
        code = subprocess.call([*pytest, *(arguments or TESTS)], cwd=ROOT)
        results[line] = "passed" if code == 0 else f"FAILED, pytest's exit code {code}"
        results[line] += f" ({time.monotonic() - started:.0f} s)"
    print()
    for line, result in results.items():
        print(f"Airflow {line:7} {result}")
    sys.exit(any("FAILED" in result for result in results.values()))


def find_python_for_old_airflow() -> str:
    """Airflow 2.11 and 3.0 run on Python 3.11 and 3.12 only."""
    for python in (sys.executable, "python3.12", "python3.11"):
        try:
            probe = [python, "-c", "import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))"]
            if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
                return python
        except FileNotFoundError:
            continue
    sys.exit("Airflow 2.11 and 3.0 need Python 3.11 or 3.12, and neither python3.12 nor python3.11 is here.")


if __name__ == "__main__":
    main()
