"""Runs the matrix of faults and prints it: ``make faults``."""

import contextlib
import io
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.faults.matrix_cell import Cell, run_cell
from tests.faults.matrix_faults import TROUBLES
from tests.faults.matrix_local import of_path
from tests.faults.matrix_network import SCHEDULES
from tests.faults.matrix_paths import all_paths
from tests.faults.matrix_report import report, write_docs
from tests.faults.matrix_world import CONSOLE


def run_path(name: str) -> list[Cell]:
    """Every cell of one path; the first is the one without a fault."""
    with airflow():
        (path,) = (one for one in all_paths() if one.name == name)
        clean = run_cell(path, None, SCHEDULES[0], None)
        troubles = [*TROUBLES, *of_path(path)]
        return [clean, *(run_cell(path, one, when, clean) for one in troubles for when in SCHEDULES)]


@contextlib.contextmanager
def airflow():
    """Airflow, whose loggers write where the cells read."""
    CONSOLE.target = io.StringIO()
    with contextlib.redirect_stdout(CONSOLE), contextlib.redirect_stderr(CONSOLE):
        yield


def main(arguments: Sequence[str]) -> int:
    started = time.monotonic()
    with airflow():
        known = [path.name for path in all_paths()]
    names = [name for name in known if name in arguments] or known
    cells: list[Cell] = []
    with ProcessPoolExecutor(os.cpu_count(), get_context("fork")) as pool:
        for name, found in zip(names, pool.map(run_path, names), strict=True):
            wrong = [cell for cell in found if cell.faults]
            print(
                f"{name}: {len(found)} cells, {len(wrong)} wrong, {time.monotonic() - started:.0f} s",
                flush=True,
            )
            for cell in wrong:
                print(f"  {cell.trouble}, {cell.schedule}: {'; '.join(cell.faults)}"[:400])
            cells += found
    text = report(cells)
    print(text)
    if "--write-docs" in arguments and names == known:
        write_docs(text)
    return any(cell.faults for cell in cells)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
