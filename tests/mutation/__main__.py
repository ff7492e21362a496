"""
Make small faults in a copy of the package and see whether its tests notice: `make mutants`.

The faults are chosen by a seed. A fault that no test notices is listed: it needs a test, or an explanation.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests.mutation.mutants import Mutant, mutate, places

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "airflow_provider_b24"
ROOMS = {
    "rest": ["tests/rest"],
    "crm": ["tests/crm", "tests/sync"],
    "runs": ["tests/runs", "tests/sync"],
    "sync": ["tests/sync"],
    "files": ["tests/files", "tests/sync", "tests/export"],
    "export": ["tests/export"],
}
# A failing example is not made smaller.
QUICK = """
from hypothesis import Phase, settings

settings.register_profile("mutants", phases=(Phase.explicit, Phase.generate), database=None)
settings.load_profile("mutants")
"""
PYTEST = ["-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not slow and not ui"]
HANGS = ["-o", "faulthandler_timeout=60", "-o", "faulthandler_exit_on_timeout=true"]  # a test that has no end


def main() -> None:
    """Run the mutants; exit with 1 if one survives."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--count", type=int, default=60, help="how many faults")
    parser.add_argument("--seed", type=int, default=1, help="chooses the faults")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds for the tests of one fault")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="faults tried at once")
    parser.add_argument("--minutes", type=float, default=60.0, help="no fault is begun later than this")
    parser.add_argument("--room", choices=ROOMS, action="append", help="only these rooms")
    args = parser.parse_args()
    until = time.monotonic() + args.minutes * 60
    survivors, run = [], 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(args.jobs) as jobs:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(args.jobs):
            copies.put(make_copy(Path(folder, str(number))))

        def verdict_on(choice: tuple[str, Path, Mutant]) -> str:
            if time.monotonic() > until:
                return ""
            copy = copies.get()
            try:
                return try_mutant(copy, *choice, args.timeout)
            finally:
                copies.put(copy)

        chosen = choose(args.room or [*ROOMS], args.count, args.seed)
        for (_, file, mutant), verdict in zip(chosen, jobs.map(verdict_on, chosen), strict=True):
            if not verdict:
                continue
            run += 1
            line = f"{verdict:8} {file}:{mutant.line} {mutant.change}"
            print(line, flush=True)
            if verdict == "survived":
                survivors.append(line)
    killed = run - len(survivors)
    print(f"\n{killed} of {run} faults were noticed", *survivors, sep="\n")
    sys.exit(bool(survivors))


def choose(rooms: list[str], count: int, seed: int) -> list[tuple[str, Path, Mutant]]:
    """Choose mutants of these rooms; as many of each as its share of the code."""
    every = [
        (room, path, place)
        for room in rooms
        for path in sorted((ROOT / PACKAGE / room).rglob("*.py"))
        for place in places(path.read_text())
    ]
    chosen = random.Random(seed).sample(every, min(count, len(every)))  # noqa: S311  # no secret
    return [(room, path.relative_to(ROOT), mutate(path.read_text(), place)) for room, path, place in chosen]


def make_copy(folder: Path) -> Path:
    """Copy what the tests need."""
    folder.mkdir()
    for name in (PACKAGE, "tests", "example_dags"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    with (folder / "tests" / "conftest.py").open("a") as conftest:
        conftest.write(QUICK)
    return folder


def tests_of(room: str, file: Path) -> list[str]:
    """Return the files with a room's tests; those that use a module most come first."""
    module = f"{file.parent.name}.{file.stem}"
    paths = [path for folder in ROOMS[room] for path in sorted((ROOT / folder).rglob("test_*.py"))]
    paths.sort(key=lambda path: (file.stem not in path.stem, module not in path.read_text()))
    return [str(path.relative_to(ROOT)) for path in paths]


def try_mutant(copy: Path, room: str, file: Path, mutant: Mutant, timeout: float) -> str:
    """Run the room's tests with a fault in a file."""
    whole = (ROOT / file).read_text()
    (copy / file).write_text(mutant.source)
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [sys.executable, *PYTEST, *HANGS, *tests_of(room, file)],
            cwd=copy,
            env=environment,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "hung"  # which is noticed
    finally:
        (copy / file).write_text(whole)
    return "noticed" if done.returncode else "survived"


if __name__ == "__main__":
    main()
