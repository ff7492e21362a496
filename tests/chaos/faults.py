"""What happens to a cluster in the middle of a round."""

import os
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.cluster import HEARTBEAT_TIMEOUT, Cluster, wait_for
from tests.chaos.services import parent_of, send

DOWNTIME = 4.0  # seconds until what was killed is started again
PATIENCE = 180.0  # seconds for another try to begin


@dataclass(frozen=True)
class Victim:
    """A task that is running: its DAG, its run, its process."""

    cluster: Cluster
    dag: str
    run: str
    pid: int


def kill_worker(victim: Victim) -> None:
    victim.cluster.worker_of(victim.pid).kill(DOWNTIME)


def kill_supervisor(victim: Victim) -> None:
    """The task's process lives on as an orphan until it next speaks to its supervisor."""
    os.kill(parent_of(victim.pid), signal.SIGKILL)


def kill_task(victim: Victim) -> None:
    os.kill(victim.pid, signal.SIGKILL)


def freeze(victim: Victim) -> None:
    """Stop the task and its supervisor until another try runs, then let both go on."""
    _, tries, _ = victim.cluster.task(victim.run)
    frozen = (parent_of(victim.pid), victim.pid)
    for pid in frozen:
        send(pid, signal.SIGSTOP)
    try:
        wait_for(lambda: has_begun_again(victim, tries), HEARTBEAT_TIMEOUT + PATIENCE, "another try runs")
    finally:
        for pid in frozen:
            send(pid, signal.SIGCONT)


def mark_failed_and_clear(victim: Victim) -> None:
    victim.cluster.mark_failed_and_clear(victim.dag, victim.run, victim.dag)


def kill_triggerer_while_deferred(victim: Victim) -> None:
    wait_for(lambda: victim.cluster.task(victim.run)[0] == "deferred", PATIENCE, "the task is deferred")
    kill("triggerer")(victim)


def kill(name: str) -> Callable[[Victim], None]:
    return lambda victim: victim.cluster.services[name].kill(DOWNTIME)


def restart(name: str) -> Callable[[Victim], None]:
    return lambda victim: victim.cluster.services[name].restart()


def has_begun_again(victim: Victim, tries: int) -> bool:
    state, now, _ = victim.cluster.task(victim.run)
    return now > tries and state == "running"


FAULTS: dict[str, Callable[[Victim], None]] = {
    "worker killed": kill_worker,
    "supervisor killed": kill_supervisor,
    "task process killed": kill_task,
    "task frozen and thawed": freeze,
    "marked failed and cleared": mark_failed_and_clear,
    "triggerer killed": kill_triggerer_while_deferred,
    "scheduler killed": kill("scheduler"),
    "API server killed": kill("API server"),
    "PostgreSQL killed": kill("PostgreSQL"),
    "Redis killed": kill("Redis"),
    "scheduler restarted": restart("scheduler"),
    "API server restarted": restart("API server"),
    "PostgreSQL restarted": restart("PostgreSQL"),
    "Redis restarted": restart("Redis"),
}
DEFERRED = "triggerer killed"  # needs a task that is deferred: the sync


def choose(rounds: int, seed: int) -> list[tuple[str, str, float]]:
    """Return for each round a fault, the DAG whose task it meets, and how much of it is done by then."""
    chance = random.Random(seed)  # noqa: S311  # no secret
    kills = [name for name in FAULTS if "restarted" not in name]
    names = chance.sample(kills, len(kills))
    names += chance.sample([*FAULTS], len(FAULTS))
    chosen = [names[number % len(names)] for number in range(rounds)]
    return [
        (
            name,
            "sync" if name == DEFERRED else chance.choice(("sync", "export")),
            chance.uniform(0.1, 0.7),
        )
        for name in chosen
    ]
