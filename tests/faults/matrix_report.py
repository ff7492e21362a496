"""The matrix as tables in Markdown, and in the documentation."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path as File

from tests.faults.matrix_cell import Cell
from tests.faults.matrix_faults import TROUBLES
from tests.faults.matrix_local import LOCAL
from tests.faults.matrix_network import SCHEDULES
from tests.faults.matrix_paths import all_paths
from tests.faults.matrix_rules import EXPIRED, RULES, TOO_LARGE

PAGE = File(__file__).parents[2] / "docs/faults.md"
START, END = "<!-- faults:start -->", "<!-- faults:end -->"
EFFECTS = ("read", "repeatable", "verified", "blind", "polling")


def report(cells: Sequence[Cell]) -> str:
    """All that was found, as Markdown."""
    wrong = [cell for cell in cells if cell.faults]
    paths = list(dict.fromkeys(cell.path for cell in cells))
    lines = [
        f"{len(cells):,} cells: {len(paths)} paths, {len(TROUBLES) + len(LOCAL)} faults, "
        f"{len(SCHEDULES)} schedules ({', '.join(one.name for one in SCHEDULES)}). "
        f"{len(wrong)} are not as they must be.",
        "",
        *table(["Fault is", "Path is", "It passes", "It stays", "Because"], rule_rows()),
        "",
        *table(["Fault", "Kind", *(f"{effect} paths" for effect in EFFECTS)], fault_rows(cells)),
        "",
        *table(["Path", "Kind", "Requests", "With a fault", "Seconds with a fault"], path_rows(cells, paths)),
    ]
    return "\n".join(lines)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def effects() -> dict[str, str]:
    """What each path does, or that it looks again and again."""
    return {path.name: "polling" if path.polls else path.effect for path in all_paths()}


def rule_rows() -> list[list[str]]:
    return [
        [
            ", ".join(one.kinds),
            ", ".join(one.effects) or "any",
            " or ".join(one.passes),
            " or ".join(one.stays),
            one.text,
        ]
        for one in (*RULES, TOO_LARGE, EXPIRED)
    ]


def fault_rows(cells: Sequence[Cell]) -> list[list[str]]:
    effect_of = effects()
    ends = {schedule.name: schedule.ends for schedule in SCHEDULES}
    rows = []
    for trouble in (*TROUBLES, *LOCAL.values()):
        row = [trouble.name, trouble.kind]
        for effect in EFFECTS:
            found = [
                cell
                for cell in cells
                if cell.trouble == trouble.name and effect_of[cell.path] == effect and cell.struck
            ]
            passes = sorted({cell.end for cell in found if ends[cell.schedule]})
            stays = sorted({cell.end for cell in found if not ends[cell.schedule]})
            row.append(f"{' or '.join(passes)}; {' or '.join(stays)}" if found else "")
        rows.append(row)
    return rows


def path_rows(cells: Sequence[Cell], paths: Sequence[str]) -> list[list[str]]:
    effect_of = effects()
    rows = []
    for name in paths:
        clean, *others = [cell for cell in cells if cell.path == name]
        requests = max(cell.requests for cell in others)
        seconds = math.ceil(max(cell.seconds for cell in others))
        rows.append(
            [name, effect_of[name], str(clean.requests), f"at most {requests}", f"at most {seconds:,}"]
        )
    return rows


def write_docs(text: str) -> None:
    """Put the tables into the page, between its two marks."""
    page = PAGE.read_text()
    before, after = page.partition(START)[0], page.partition(END)[2]
    PAGE.write_text(f"{before}{START}\n\n{text}\n\n{END}{after}")
