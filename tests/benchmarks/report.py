"""What was measured as a table in Markdown, and as a picture."""

from __future__ import annotations

import datetime
import html
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from environments import OWN, PEERS, PLAIN
from lab import STOPPED, Result
from scenario import BASELINE, Results, Scenario, cpu_per_contact, extra_memory

START, END = "<!-- bench:start -->", "<!-- bench:end -->"
COLUMNS = [OWN.name, *(peer.name for peer in PEERS)]
TITLES = {OWN.name: OWN.name, **{peer.name: f"{peer.name} {peer.version}" for peer in PEERS}}


@dataclass(frozen=True)
class Row:
    """A scenario and its results by client."""

    scenario: Scenario
    results: Results

    @property
    def is_met(self) -> bool:
        """Whether this package reached every target."""
        return all(target.is_met(self.results) for target in self.scenario.targets)

    def cell(self, name: str) -> str:
        """What one client did."""
        result = self.results.get(name)
        if result is None:
            return ""
        load = self.scenario.load
        if not result.is_whole:
            return loss(result, "read" if load.rows else "written")
        if load.rows and not self.scenario.least:
            memory = f", {extra_memory(self.results):+.0f} MB" if BASELINE in self.results else ""
            return f"{result.seconds:.2f} s, CPU {result.cpu:.2f} s, {requests(result)}{memory}"
        if BASELINE in self.results:
            more, ratio = extra_memory(self.results), cpu_per_contact(self.results)
            return f"{more:+.0f} MB, CPU {ratio:.2f}x per contact, {result.seconds:.0f} s"
        if result.batches:
            return f"{result.batches['read']} reads, {result.batches['write']} writes, {result.seconds:.1f} s"
        if self.scenario.least:
            seconds = self.scenario.seconds(result)
            ratio = seconds / self.scenario.least
            return f"{seconds:.{1 if seconds > 5 else 2}f} s ({ratio:.2f}x), {requests(result)}"
        ratio = result.cpu / self.results[PLAIN.name].cpu
        connections = f"{result.connections} connection{'s' * (result.connections != 1)}"
        return f"CPU {result.cpu:.2f} s ({ratio:.1f}x), {requests(result)}, {connections}"

    def least(self) -> str:
        """The least possible."""
        if self.scenario.least:
            load = self.scenario.load
            count = load.wanted // 2500 + 1 if load.rows else -(-load.wanted // 50)  # one finds the end
            return f"{self.scenario.least:g} s, {count} requests"
        if PLAIN.name in self.results:
            return f"CPU {self.results[PLAIN.name].cpu:.2f} s, 40 requests, 1 connection (plain loop)"
        return ""

    def targets(self) -> list[str]:
        """Each target with what was measured."""
        return [
            f"{'met ' if target.is_met(self.results) else 'MISSED'} {target.text}: "
            f"{figure(target.figure(self.results))}, at most {figure(target.most)}"
            for target in self.scenario.targets
        ]


def loss(result: Result, verb: str = "written") -> str:
    """How a client that did not do everything ended."""
    done = f"{result.right:,} of {result.wanted:,} {verb}"
    if not result.died:
        return f"skipped rows: {done}"
    if all(how == STOPPED for how in result.died):
        return f"not finished in time: {done}"
    if result.processes > 1:
        return f"{len(result.died)} of {result.processes} processes failed: {done}"
    return f"failed: {done}"


def requests(result: Result) -> str:
    """Requests, and how many were refused."""
    refused = f", {result.refused} refused" if result.refused else ""
    return f"{result.requests} requests{refused}"


def figure(value: float) -> str:
    """A number with enough digits that a missed target never looks like a met one."""
    return f"{value:.4f}".rstrip("0").rstrip(".")


def markdown(rows: Sequence[Row], notes: Iterable[str]) -> str:
    """The table, under a line that says when and where it was measured."""
    head = ["", "least possible", *(TITLES[name] for name in COLUMNS), "targets"]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        cells = [row.cell(name) for name in COLUMNS]
        lines.append([row.scenario.text, row.least(), *cells, "met" if row.is_met else "**missed**"])
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n\n".join([machine(), table, *notes])


def machine() -> str:
    """Date and shape of the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    today = datetime.datetime.now(datetime.UTC).date()
    return (
        f"Measured on {today}: {os.cpu_count()} cores, {memory:.0f} GB, "
        f"Python {platform.python_version()}, {platform.system()}."
    )


def write_page(page: Path, text: str) -> None:
    """Put the text between the markers of a page."""
    before, start, rest = page.read_text().partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"{page} has no markers {START} and {END}")
    page.write_text(f"{before}{START}\n{text}\n{END}{after}")


WIDTH, LABEL, BAR, GAP, HEAD = 860, 150, 15, 34, 60
FILLS = dict(zip(COLUMNS, ["#2563eb", "#f59e0b", "#10b981", "#8b5cf6"], strict=True))
LONGEST = 3.0  # times the least possible; a bar that is longer is cut


def picture(rows: Sequence[Row]) -> str:
    """Bars: the time of each client over the least possible; in words who did not write everything."""
    shown = [row for row in rows if row.scenario.least and len(row.results) > 1]
    height = HEAD + sum(GAP + BAR * len(row.results.keys() & FILLS.keys()) for row in shown) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        f'font-size="11" role="img">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        text(10, 22, "Time over the least possible (1.0 = the portal's limits allow no less)", size=14),
    ]
    top = HEAD - 8
    for row in shown:
        title = f"{row.scenario.text} (least possible {row.scenario.least:g} s)"
        parts.append(text(10, top, title, bold=True))
        top += 6
        for name in COLUMNS:
            if (result := row.results.get(name)) is not None:
                parts += bar(row, name, result, top)
                top += BAR
        top += GAP - 6
    return "\n".join([*parts, "</svg>", ""])


def bar(row: Row, name: str, result: Result, top: int) -> list[str]:
    """One client's bar, or what became of it."""
    label = text(LABEL - 6, top + 11, TITLES[name], anchor="end")
    if not result.is_whole:
        how = loss(result, "read" if row.scenario.load.rows else "written")
        return [label, text(LABEL, top + 11, how, fill="#b91c1c")]
    ratio = row.scenario.seconds(result) / row.scenario.least
    width = (WIDTH - LABEL - 150) * min(ratio, LONGEST) / LONGEST
    return [
        label,
        f'<rect x="{LABEL}" y="{top + 2}" width="{width:.1f}" height="{BAR - 4}" fill="{FILLS[name]}"/>',
        text(LABEL + width + 6, top + 11, f"{ratio:.2f}x, {result.requests} requests"),
    ]


def text(
    x: float,
    y: float,
    words: str,
    *,
    fill: str = "#111827",
    anchor: str = "start",
    size: int = 11,
    bold: bool = False,
) -> str:
    """A line of text."""
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y}" fill="{fill}" text-anchor="{anchor}" font-size="{size}"{weight}>'
        f"{html.escape(words)}</text>"
    )


def missing_note(missing: Mapping[str, str]) -> list[str]:
    """Who was not measured, and why."""
    return [f"Not measured: {name} ({reason})." for name, reason in missing.items()]
