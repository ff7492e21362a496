"""``python -m airflow_provider_b24.sandbox``: serve a seeded portal until it is interrupted."""

from __future__ import annotations

import argparse
import contextlib
import json
import shlex
import signal
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from airflow_provider_b24.sandbox.http.journal import JournalEntry
from airflow_provider_b24.sandbox.http.portal import Portal
from airflow_provider_b24.sandbox.http.seed import seeded_portal
from airflow_provider_b24.sandbox.http.server import PortalServer
from airflow_provider_b24.sandbox.model.limits import ENTERPRISE, STANDARD, Bucket, Operating
from airflow_provider_b24.sandbox.model.state import SAMPLES

PROGRAM = "python -m airflow_provider_b24.sandbox"
BUCKETS = {"standard": STANDARD, "enterprise": ENTERPRISE}
WRITES = [f"crm.contact.company.{name}" for name in ("add", "delete", "items.set", "items.delete")]
JOURNAL_KEPT = 10_000


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    arguments = argparse.ArgumentParser(prog=PROGRAM, description="Serve an imitation Bitrix24 portal.")
    arguments.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    arguments.add_argument("--port", type=int, default=8024, help="0 takes a free port (default %(default)s)")
    arguments.add_argument(
        "--rules",
        choices=["documented", "observed"],
        default="documented",
        help="how SORT is assigned: as documented or as in the server's code (default %(default)s)",
    )
    arguments.add_argument("--bucket", choices=sorted(BUCKETS), help="limit requests like this plan")
    arguments.add_argument(
        "--operating-limit",
        type=float,
        metavar="SECONDS",
        help="limit execution time per method and ten minutes; each write of bindings costs one second",
    )
    arguments.add_argument(
        "--token-lifetime",
        type=float,
        default=3600.0,
        metavar="SECONDS",
        help="lifetime of OAuth access tokens",
    )
    arguments.add_argument("--contacts", type=int, default=0, metavar="N", help="generate contacts 1..N")
    arguments.add_argument("--companies", type=int, default=0, metavar="N", help="generate companies 1..N")
    arguments.add_argument(
        "--generate",
        action="append",
        default=[],
        type=_table_and_count,
        metavar="TABLE=N",
        help="generate records 1..N of another table, such as deal=100000 (repeatable)",
    )
    arguments.add_argument(
        "--latency", type=float, default=0.0, metavar="SECONDS", help="delay of every request (default 0)"
    )
    arguments.add_argument(
        "--speed", type=float, default=1.0, metavar="FACTOR", help="make limits recover so many times faster"
    )
    arguments.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"), help="serve HTTPS with these PEM files")
    arguments.add_argument("--journal", type=Path, metavar="FILE", help="append every request as a JSON line")
    arguments.add_argument("--port-file", type=Path, metavar="FILE", help="write the port to this file")
    return arguments


def _table_and_count(text: str) -> tuple[str, int]:
    table, _, count = text.partition("=")
    if table not in SAMPLES or not count.isdecimal():
        raise argparse.ArgumentTypeError(f"expected TABLE=N; tables are {', '.join(sorted(SAMPLES))}")
    return table, int(count)


def build_portal(options: argparse.Namespace) -> Portal:
    """The portal that the arguments describe."""
    portal = seeded_portal(
        rules=options.rules, speed=options.speed, contacts=options.contacts, companies=options.companies
    )
    portal.add_generated(**dict(options.generate))
    portal.latency = options.latency
    portal.token_lifetime = options.token_lifetime
    portal.journal_limit = JOURNAL_KEPT
    if options.bucket:
        portal.bucket = Bucket(*BUCKETS[options.bucket])
    if options.operating_limit is not None:
        portal.operating = Operating(limit=options.operating_limit, cost=dict.fromkeys(WRITES, 1.0))
    return portal


@contextlib.contextmanager
def journal_sink(path: Path | None) -> Iterator[Callable[[JournalEntry], None] | None]:
    """A function that appends entries to ``path`` as JSON lines, or None without a path."""
    if path is None:
        yield None
        return
    lock = threading.Lock()
    with path.open("a", encoding="utf-8") as file:

        def write(entry: JournalEntry) -> None:
            with lock:
                file.write(json.dumps(entry.as_dict(), ensure_ascii=False) + "\n")
                file.flush()

        yield write


def announce(server: PortalServer) -> None:
    """Print the address and how to connect Airflow to it."""
    connection = shlex.quote(server.connection_json())
    print(f"Bitrix24 sandbox: {server.url}")
    print(f"Connection: {server.connection_uri()}")
    print(f"airflow connections add bitrix24_default --conn-json {connection}", flush=True)


def serve(options: argparse.Namespace, stop: threading.Event) -> None:
    """Serve until ``stop`` is set."""
    certfile, keyfile = options.tls or (None, None)
    with journal_sink(options.journal) as sink:
        portal = build_portal(options)
        portal.on_request = sink
        with PortalServer(portal, options.host, options.port, certfile, keyfile) as server:
            if options.port_file:
                options.port_file.write_text(f"{server.port}\n")
            announce(server)
            stop.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns 2 if it cannot listen or open a file, else 0."""
    options = parser().parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        serve(options, stop)
    except (OSError, OverflowError, ssl.SSLError) as error:
        print(f"{PROGRAM}: cannot serve on {options.host}:{options.port}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
