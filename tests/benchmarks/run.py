"""
The benchmark lab: this package beside other clients of Bitrix24, on imitation portals that keep its limits.

Each portal and each client is a process of its own, joined by TLS. Contacts written are counted in the
portal's state. The exit code is 1 if this package misses a target.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import report
from environments import OWN, PEERS, PLAIN, NoEnvironment, make_client
from lab import HERE, ROOT, Client, Lab, Load, Result, open_lab
from scenario import BASELINE, Scenario
from scenarios import SCENARIOS

PICTURE = HERE / "results.svg"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the documentation page if asked to."""
    options = parser().parse_args(arguments)
    if options.write_docs and (options.scenario or options.only or options.quick):
        parser().error("--write-docs goes with a whole run only")
    chosen = [one for one in SCENARIOS if one.name in (options.scenario or [one.name])]
    missing: dict[str, str] = {}
    rivals = find_rivals(missing) if options.only != "ours" and any(one.rivals for one in chosen) else []
    rows = []
    with open_lab() as lab:
        for scenario in chosen:
            scenario = scenario.quick() if options.quick else scenario
            rows.append(measure(lab, scenario, rivals))
    table = report.markdown(rows, report.missing_note(missing))
    say(f"\n{table}")
    if options.write_docs:
        PICTURE.write_text(report.picture(rows))
        image = f"![Time over the least possible](../{PICTURE.relative_to(ROOT)})"
        report.write_page(ROOT / "docs" / "performance.md", f"{image}\n\n{table}")
    return int(not all(row.is_met for row in rows))


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    found = argparse.ArgumentParser(description=(__doc__ or "").strip().partition("\n\n")[0])
    names = [one.name for one in SCENARIOS]
    found.add_argument("--scenario", action="append", choices=names, help="only this; may be repeated")
    found.add_argument("--only", choices=["ours"], help="measure no other client")
    found.add_argument("--quick", action="store_true", help="less to do, each once: to try the lab itself")
    found.add_argument("--write-docs", action="store_true", help="update docs/performance.md")
    return found


def find_rivals(missing: dict[str, str]) -> list[Client]:
    """The other clients, each in its environment; those that cannot be had are noted in ``missing``."""
    found = []
    for peer in PEERS:
        try:
            found.append(make_client(peer))
        except NoEnvironment as error:
            missing[f"{peer.name} {peer.version}"] = str(error)
            say(f"{peer.name}: not measured, {error}")
    return found


def measure(lab: Lab, scenario: Scenario, rivals: Sequence[Client]) -> report.Row:
    """Run one scenario with all its clients."""
    say(f"\n{scenario.text}")
    runs: dict[str, list[Result]] = {}

    def run(client: Client, load: Load, name: str = "") -> None:
        result = lab.run(client, load, scenario.cap)
        runs.setdefault(name or client.name, []).append(result)
        say(f"  {time.strftime('%H:%M:%S')} {name or client.name:20} {describe(scenario, result)}")

    others = list(rivals) if scenario.rivals else []
    quick = scenario.in_client
    for _ in range(scenario.repeats):
        if scenario.baseline is not None:
            run(OWN, scenario.baseline, BASELINE)
        run(OWN, scenario.load)
        for client in [PLAIN] * scenario.reference + others * quick:
            run(client, scenario.load)
    if not quick:  # these mostly wait, and each has a portal of its own
        with ThreadPoolExecutor(len(PEERS)) as pool:
            list(pool.map(lambda client: run(client, scenario.load), others))
    row = report.Row(scenario, {name: best(results) for name, results in runs.items()})
    for line in row.targets():
        say(f"  {line}")
    return row


def best(results: Sequence[Result]) -> Result:
    """The fastest run: what else the machine does only adds to a time. Counts are the worst of all runs."""
    return replace(
        min(results, key=lambda one: (math.isnan(one.seconds), one.seconds)),
        requests=max(one.requests for one in results),
        connections=max(one.connections for one in results),
        right=min(one.right for one in results),
        died=tuple(reason for one in results for reason in one.died),
    )


def describe(scenario: Scenario, result: Result) -> str:
    """One run in one line."""
    died = f", died: {'; '.join(sorted(set(result.died)))}" if result.died else ""
    return (
        f"{result.right:,} of {result.wanted:,} in {scenario.seconds(result):.2f} s, "
        f"{report.requests(result)}, {result.connections} connections, CPU {result.cpu:.3f} s, "
        f"{result.peak_mb:.0f} MB{died}"
    )


def say(line: str) -> None:
    """Tell the person at the terminal."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
