"""One round: both runs begin, one of them meets a fault, and both end; then everything is compared."""

import time
from dataclasses import dataclass

from airflow_provider_b24.sandbox import Portal, PortalServer
from tests.chaos.cluster import Cluster, wait_for
from tests.chaos.faults import DEFERRED, FAULTS, Victim
from tests.chaos.job import Job

BEGIN_SECONDS = 180
END_SECONDS = 420
BOTH = ("sync", "export")


@dataclass(frozen=True)
class Result:
    """What a round came to; without ``mistakes`` all was exact."""

    fault: str
    dag: str
    seconds: float
    tries: tuple[int, int]
    requests: int
    refused: int
    written_again: int
    mistakes: list[str]


def play(cluster: Cluster, job: Job, port: int, number: int, plan: tuple[str, str, float]) -> Result:
    """Play a round on a fresh portal, which listens on ``port``."""
    fault, dag, done = plan
    run = f"round-{number}"
    portal = job.make_portal(defers=fault == DEFERRED)
    started = time.monotonic()
    with PortalServer(portal, port=port):
        try:
            for one in BOTH:
                cluster.start_run(one, f"{run}-{one}", {})
            FAULTS[fault](find_victim(cluster, job, portal, (dag, f"{run}-{dag}", done)))
            ends = [wait_for_end(cluster, one, f"{run}-{one}") for one in BOTH]
            mistakes = [f"the runs ended as {ends}"] if {*ends} != {"success"} else []
        except TimeoutError as error:
            mistakes = [str(error)]
    home = cluster.home
    mistakes += job.mistakes(portal, home / f"{run}-sync.report.jsonl", home / f"{run}-export.rows.jsonl")
    return Result(
        fault,
        dag,
        time.monotonic() - started,
        (cluster.task(f"{run}-sync")[1], cluster.task(f"{run}-export")[1]),
        portal.requests,
        portal.refused,
        sum(count - 1 for count in portal.writes.values()),
        mistakes,
    )


def find_victim(cluster: Cluster, job: Job, portal: Portal, plan: tuple[str, str, float]) -> Victim:
    """Wait until a task is far enough, and return it."""
    dag, run, done = plan
    wait_for(lambda: job.progress(portal, dag) >= done, BEGIN_SECONDS, f"{done:.0%} of the {dag} is done")
    pid = wait_for(lambda: cluster.running_pid(run), 60, f"the {dag} is running")
    return Victim(cluster, dag, run, pid)


def wait_for_end(cluster: Cluster, dag: str, run: str) -> str:
    """Wait until a run has ended; return its state."""
    ended = ("success", "failed")

    def state() -> str:
        now = cluster.run_state(dag, run)
        return now if now in ended else ""

    return str(wait_for(state, END_SECONDS, f"the {dag} has ended"))
