"""The scenarios that read whole lists."""

from __future__ import annotations

from dataclasses import replace

from environments import OWN, PLAIN
from lab import BUCKET, Load
from scenario import (
    DEAD,
    LOST,
    PORTAL,
    REQUESTS,
    Results,
    Scenario,
    Target,
    cpu_over_best_peer,
    extra_memory,
    of_ours,
)

ROWS = 100_000
NO_LIMIT = {"plan": "none"}
OPERATING = {"limit": 480, "window": 20, "cost": {"crm.deal.list": 4.0}}
REFUSED = Target("refused requests", of_ours(lambda one: one.refused), 0)
SEQUENTIAL_PEER = "b24pysdk"


def wall_over_best_peer(results: Results) -> float:
    """Seconds of this package over those of the fastest peer that read everything."""
    peers = [
        one.seconds for name, one in results.items() if name not in (OWN.name, PLAIN.name) and one.is_whole
    ]
    return results[OWN.name].seconds / min(peers, default=float("inf"))


def wall_over_sequential_peer(results: Results) -> float:
    """Seconds of this package over those of the peer that reads one page after another."""
    peer = results.get(SEQUENTIAL_PEER)
    return results[OWN.name].seconds / peer.seconds if peer and peer.is_whole else 0.0


def share_of_writing(results: Results) -> float:
    """The part of an export's CPU that writing the rows takes; reading and converting them is the rest."""
    return results[OWN.name].writing / results[OWN.name].cpu


EXPORT = Load(rows=ROWS, options=NO_LIMIT, script="read_export.py", output="deals.jsonl")

READS = [
    Scenario(
        "read",
        "100,000 rows read, no limit",
        Load(rows=ROWS, options=NO_LIMIT),
        (
            LOST,
            Target("requests", REQUESTS, 44),
            Target("seconds over the fastest peer's", wall_over_best_peer, 1.0),
            Target("CPU over the leanest peer's", cpu_over_best_peer, 1.0),
        ),
        in_client=True,
        repeats=3,
    ),
    Scenario(
        "readbucket",
        "200,000 rows read, empty bucket",
        Load(rows=2 * ROWS, portal={"bucket": BUCKET}),
        (LOST, DEAD, REFUSED, Target("seconds", PORTAL, 1.05 * 15.5)),
        least=15.5,  # 80 requests, and one that finds the end
        small=2 * ROWS,
    ),
    Scenario(
        "readslow",
        "20,000 rows read, 50 ms per page, 4 in flight",
        Load(rows=20_000, portal={"command_latency": 0.05}, options=NO_LIMIT),
        (LOST, Target("seconds over the sequential peer's", wall_over_sequential_peer, 0.35)),
        least=5.0,
        in_client=True,
    ),
    Scenario(
        "readoperating",
        "20,000 rows read, 480 per 20 s of operating time",
        Load(rows=20_000, portal={"operating": OPERATING}),
        (LOST, Target("seconds", PORTAL, 1.1 * 58.0)),
        least=58.0,
    ),
    Scenario(
        "export",
        "100,000 rows exported to JSON lines, against reading alone",
        EXPORT,
        (LOST, Target("share of writing in CPU", share_of_writing, 0.10)),
        in_client=True,
        rivals=False,
        baseline=Load(rows=ROWS, options=NO_LIMIT, script="read_iterate.py"),
        repeats=3,
    ),
    *(
        Scenario(
            name,
            f"1,000,000 rows exported to {what} against 10,000",
            replace(EXPORT, rows=1_000_000, output=f"deals.{ending}"),
            (LOST, Target("MB more at the peak", extra_memory, 30)),
            in_client=True,
            rivals=False,
            baseline=replace(EXPORT, rows=10_000, output=f"few.{ending}"),
            cap=480.0,
        )
        for name, what, ending in [
            ("exportgz", "compressed JSON lines", "jsonl.gz"),
            ("exportparquet", "Parquet", "parquet"),
        ]
    ),
    Scenario(
        "changes",
        "export of 100,000 rows of which 1 % changed",
        replace(EXPORT, changed=100, output="changes.jsonl"),
        (LOST, Target("requests", REQUESTS, 4)),
        in_client=True,
        rivals=False,
    ),
]
