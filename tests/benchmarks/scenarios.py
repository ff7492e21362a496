"""The scenarios that write, and all scenarios."""

from __future__ import annotations

from lab import BUCKET, Load, Result
from read_scenarios import READS
from scenario import (
    DEAD,
    LOST,
    PORTAL,
    REQUESTS,
    WALL,
    Scenario,
    Target,
    cpu_over_best_peer,
    cpu_over_plain,
    cpu_per_contact,
    extra_memory,
    of_ours,
)

FULL = {**BUCKET, "level": 50}
OPERATING = {"limit": 480, "window": 20, "cost": {"crm.contact.company.items.set": 1.0}}
CHANGED = 50  # one contact in so many differs


def bound_contacts(count: int) -> dict[str, int]:
    """A portal whose contacts are as wanted, all but 2 %."""
    return {"bound": count, "differs_every": CHANGED}


def unchanged_written(result: Result) -> float:
    """Writes beyond one for each contact that differed."""
    return result.writes - result.wanted // CHANGED


WRITES = [
    Scenario(
        "burst",
        "2,000 writes, no limit",
        Load(),
        (
            LOST,
            Target("requests", REQUESTS, 40),
            Target("connections", of_ours(lambda one: one.connections), 4),
            Target("CPU over the plain loop's", cpu_over_plain, 2.0),
            Target("CPU over the best peer's", cpu_over_best_peer, 1.0),
        ),
        in_client=True,
        reference=True,
        repeats=3,
    ),
    Scenario(
        "latency",
        "the same, 200 ms per batch, 4 in flight",
        Load(portal={"latency": 0.2}),
        (LOST, Target("seconds", WALL, 2.5)),
        least=2.0,
        in_client=True,
        reference=True,
        repeats=3,
    ),
    Scenario(
        "latency16",
        "the same, 16 in flight",
        Load(portal={"latency": 0.2}, options={"max_parallel": 16}),
        (LOST, Target("seconds", WALL, 0.8)),
        least=0.6,
        in_client=True,
        rivals=False,
        repeats=3,
    ),
    Scenario(
        "full",
        "2,000 writes, bucket already full",
        Load(portal={"bucket": FULL}),
        (LOST, Target("seconds", PORTAL, 21.0), Target("requests", REQUESTS, 42)),
        least=20.0,
    ),
    Scenario(
        "charged",
        "the same, refusals fill the bucket too",
        Load(portal={"bucket": {**FULL, "charge_refusals": True}}),
        (LOST, Target("seconds", PORTAL, 21.0), Target("requests", REQUESTS, 42)),
        least=20.0,
    ),
    Scenario(
        "many",
        "10,000 writes, empty bucket",
        Load(writes=10_000, portal={"bucket": BUCKET}),
        (LOST, Target("seconds", PORTAL, 77.0), Target("requests", REQUESTS, 203)),
        least=75.0,
        small=3000,
    ),
    Scenario(
        "processes",
        "4 processes x 2,000 writes, one portal",
        Load(processes=4, portal={"bucket": BUCKET}),
        (
            LOST,
            DEAD,
            Target("seconds", PORTAL, 60.0),
            Target("refused requests", of_ours(lambda one: one.refused), 2),
        ),
        least=55.0,
        small=750,
    ),
    Scenario(
        "operating",
        "2,000 writes, 480 per 20 s of operating time",
        Load(portal={"operating": OPERATING}),
        (LOST, Target("seconds", PORTAL, 90.0)),
        # Four waits of 20 s; the first may be 2 s shorter, as the window moves on in ten steps.
        least=78.0,
        small=960,
    ),
    Scenario(
        "diff",
        "diff of 10,000 contacts, 2 % changed",
        Load(
            writes=10_000,
            portal={**bound_contacts(10_000), "watched": True},
            options={"plan": "none"},
            script="client_sync.py",
        ),
        (
            LOST,
            Target("batches that read", of_ours(lambda one: one.batches.get("read", 0)), 200),
            Target("batches that write", of_ours(lambda one: one.batches.get("write", 0)), 5),
            Target("unchanged contacts written", of_ours(unchanged_written), 0),
        ),
        in_client=True,
        rivals=False,
        small=1000,
    ),
    Scenario(
        "memory",
        "diff of 1,000,000 contacts of a file against 10,000",
        Load(
            writes=1_000_000,
            portal=bound_contacts(1_000_000),
            options={"plan": "none"},
            script="client_sync.py",
            file=True,
        ),
        (
            LOST,
            Target("MB more at the peak", extra_memory, 30),
            Target("CPU per contact over 10,000's", cpu_per_contact, 1.25),
        ),
        in_client=True,
        rivals=False,
        baseline=Load(
            writes=10_000,
            portal=bound_contacts(10_000),
            options={"plan": "none"},
            script="client_sync.py",
            file=True,
        ),
        cap=480.0,
        small=100_000,
    ),
]

SCENARIOS = [*WRITES, *READS]
