"""The scenarios: what is done, what is the least possible, and what this package has to reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from environments import OWN, PLAIN
from lab import BUCKET, Load, Result

FULL = {**BUCKET, "level": 50}
OPERATING = {"limit": 480, "window": 20, "cost": {"crm.contact.company.items.set": 1.0}}
BASELINE = "baseline"
CHANGED = 50  # one contact in so many differs
Results = Mapping[str, Result]


@dataclass(frozen=True)
class Target:
    """A figure of this package, and the most that it may be."""

    text: str
    figure: Callable[[Results], float]
    most: float

    def is_met(self, results: Results) -> bool:
        """Whether it was reached."""
        return self.figure(results) <= self.most


@dataclass(frozen=True)
class Scenario:
    """
    One row of the table.

    :param name: for ``--scenario``.
    :param text: what is done.
    :param load: the portal and the work.
    :param targets: what this package has to reach.
    :param least: the least seconds possible; 0 where time is not what counts.
    :param in_client: whether time is the client's own, else from the portal's first request to its last.
    :param rivals: whether the other clients are measured too.
    :param reference: whether the plain loop is.
    :param baseline: another load of this package, to compare with.
    :param repeats: runs, of which the median counts.
    :param cap: seconds after which a client is stopped.
    :param small: contacts per process with ``--quick``.
    """

    name: str
    text: str
    load: Load
    targets: tuple[Target, ...]
    least: float = 0.0
    in_client: bool = False
    rivals: bool = True
    reference: bool = False
    baseline: Load | None = None
    repeats: int = 1
    cap: float = 150.0
    small: int = 0

    def seconds(self, result: Result) -> float:
        """The time that counts here."""
        return result.seconds if self.in_client else result.portal_seconds

    def quick(self) -> Scenario:
        """The same with less to do; its targets are as they were."""
        load = replace(self.load, writes=self.small) if self.small else self.load
        return replace(self, load=load, repeats=1)


def of_ours(figure: Callable[[Result], float]) -> Callable[[Results], float]:
    """A figure of this package's own run."""
    return lambda results: figure(results[OWN.name])


def cpu_over_plain(results: Results) -> float:
    """CPU of this package over that of the plain loop."""
    return results[OWN.name].cpu / results[PLAIN.name].cpu


def cpu_over_best_peer(results: Results) -> float:
    """CPU of this package over the least of a peer that did all the work."""
    peers = [one.cpu for name, one in results.items() if name not in (OWN.name, PLAIN.name) and one.is_whole]
    return results[OWN.name].cpu / min(peers, default=float("inf"))


def extra_memory(results: Results) -> float:
    """Megabytes of peak memory above the baseline's."""
    return results[OWN.name].peak_mb - results[BASELINE].peak_mb


def cpu_per_contact(results: Results) -> float:
    """CPU per contact over the baseline's."""
    big, small = results[OWN.name], results[BASELINE]
    return (big.cpu / big.wanted) / (small.cpu / small.wanted)


def bound_contacts(count: int) -> dict[str, int]:
    """A portal whose contacts are as wanted, all but 2 %."""
    return {"bound": count, "differs_every": CHANGED}


def unchanged_written(result: Result) -> float:
    """Writes beyond one for each contact that differed."""
    return result.writes - result.wanted // CHANGED


LOST = Target("contacts not written", of_ours(lambda one: one.wanted - one.right), 0)
DEAD = Target("processes that died", of_ours(lambda one: len(one.died)), 0)
REQUESTS = of_ours(lambda one: one.requests)
WALL = of_ours(lambda one: one.seconds)
PORTAL = of_ours(lambda one: one.portal_seconds)

SCENARIOS = [
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
