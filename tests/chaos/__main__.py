"""
Break a real Airflow cluster while it syncs and exports, and compare what is left: `make chaos`.

PostgreSQL, Redis, scheduler, two Celery workers, triggerer, DAG processor and API server are real processes.
In each round one of them, or the task itself, is killed, restarted or frozen.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from airflow_provider_b24.sandbox import Portal, PortalServer
from tests.chaos.cluster import Cluster
from tests.chaos.faults import choose
from tests.chaos.job import ADMIN, CODE, Job
from tests.chaos.rounds import Result, play
from tests.chaos.together import app_connection, share_a_bucket, share_tokens
from tests.chaos.together import table as together_table
from tests.rest.networks import free_port

HEAD = ("round", "task", "fault", "seconds", "tries", "requests", "refused", "written again", "result")


def main() -> None:
    """Play the rounds; exit with 1 if one of them was not exact."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1, help="chooses the faults and their moments")
    parser.add_argument("--minutes", type=float, default=20.0, help="no round begins later than this")
    parser.add_argument("--contacts", type=int, default=10_000, help="of the sync")
    parser.add_argument("--rows", type=int, default=100_000, help="of the export")
    args = parser.parse_args()
    until = time.monotonic() + args.minutes * 60
    job, port = Job(args.contacts, args.rows), free_port()
    home = make_home()
    job.write_wanted(home / "wanted.jsonl")
    print(f"seed {args.seed}; logs and files in {home}", flush=True)
    with Cluster(home, make_connections(port)).running() as cluster:
        print("the cluster is running", flush=True)
        shared = [share(cluster, port) for share in (share_a_bucket, share_tokens)]
        print("\n".join(together_table(shared)), flush=True)
        results: list[Result] = []
        for number, plan in enumerate(choose(args.rounds, args.seed), start=1):
            if time.monotonic() > until:
                print(f"{args.minutes:.0f} minutes are over")
                break
            results.append(play(cluster, job, port, number, plan))
            print(row(number, results[-1]), flush=True)
    print("\n".join(table(results)))
    sys.exit(any(one.mistakes for one in (*shared, *results)) or not results)


def make_connections(port: int) -> dict[str, str]:
    """Return the connections to the portals that will listen on a port."""
    server = PortalServer(Portal(), port=port)
    server.stop()
    return {
        "portal": server.connection_json(ADMIN, CODE, plan="none"),
        "paced": server.connection_json(ADMIN, CODE),
        "app": app_connection(server.url.rstrip("/")),
    }


def make_home() -> Path:
    """Make a folder for this cluster."""
    homes = Path(__file__).resolve().parents[2] / ".airflow"
    homes.mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="chaos-", dir=homes))
    home.chmod(0o755)  # PostgreSQL runs as another user
    return home


def table(results: list[Result]) -> list[str]:
    """Return the lines of a table in Markdown."""
    lines = [f"| {' | '.join(HEAD)} |", f"|{' --- |' * len(HEAD)}"]
    return lines + [row(number, result) for number, result in enumerate(results, start=1)]


def row(number: int, result: Result) -> str:
    """Return a line of the table."""
    cells = (
        number,
        result.dag,
        result.fault,
        f"{result.seconds:.0f}",
        " + ".join(map(str, result.tries)),
        result.requests,
        result.refused,
        result.written_again,
        "; ".join(result.mistakes) or "exact",
    )
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
