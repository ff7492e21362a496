"""Run Airflow's web interface with an imitation portal, a connection to it and the example DAGs."""

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from local_airflow import AIRFLOW, ROOT, give_up, make_environment, make_home, run_airflow, step

from airflow_provider_b24.connection_form import fields
from airflow_provider_b24.sandbox import PortalServer, seeded_portal

USER, PASSWORD = "admin", "admin"  # the server listens on this machine only
PORT = 8080
START_SECONDS = 180
STOP_SECONDS = 30


def main() -> None:
    options = parse_options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a test stops it as Ctrl-C does
    home = make_home("ui")
    log = home / "airflow.log"
    port = choose_port(options.port)
    address = f"http://localhost:{port}{options.path}"
    environment = make_environment(home) | ui_settings(home, address, port)
    airflow = None
    try:
        with PortalServer(seeded_portal()) as server:
            with step("airflow db migrate"):
                run_airflow("db", "migrate", environment=environment, log=log)
            with step("airflow connections add bitrix24_default"):
                connection = ["bitrix24_default", "--conn-json", connection_json(server)]
                run_airflow("connections", "add", *connection, environment=environment, log=log)
            with step("airflow standalone"):
                airflow = start_airflow(environment, log)
                wait_until_healthy(airflow, address, log)
            if options.ready_file:
                ready = {
                    "airflow": address,
                    "portal": server.url,
                    "user": USER,
                    "password": PASSWORD,
                    "files": environment["BITRIX24_EXAMPLES"],
                }
                options.ready_file.write_text(json.dumps(ready))
            print(f"\nAirflow  {address}   user {USER}, password {PASSWORD}")
            print(f"Portal   {server.url}crm/contact/details/82/")
            print(f"Log      {log.relative_to(ROOT)}\n")
            deleted = f"{home.relative_to(ROOT)}: connections, runs and logs"
            print(f"Ctrl-C stops both and deletes {deleted}.", flush=True)
            code = airflow.wait()
            give_up(f"airflow standalone exited with code {code}", log)
    except KeyboardInterrupt:
        print(f"\nStopping, then deleting {home.relative_to(ROOT)}", flush=True)
    finally:
        if airflow:
            stop(airflow)
    shutil.rmtree(home)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--port", type=int, help=f"0 takes a free port; default: {PORT}, or a free port if taken"
    )
    parser.add_argument("--path", default="", help="serve Airflow below this path, e.g. /airflow")
    parser.add_argument("--ready-file", type=Path, help="write addresses and login to this file when ready")
    return parser.parse_args()


def choose_port(wanted: int | None) -> int:
    for port in (PORT, 0) if wanted is None else (wanted,):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    sys.exit(f"Failed: port {wanted} is in use")


def connection_json(server: PortalServer) -> str:
    """A connection with every field of the form: Edit shows only those that are stored."""
    defaults = {name: field["schema"].get("default") for name, field in fields().items()}
    return server.connection_json(**defaults | {"allow_http": True, "plan": "none"})


def ui_settings(home: Path, address: str, port: int) -> dict[str, str]:
    passwords = home / "passwords.json"
    passwords.write_text(json.dumps({USER: PASSWORD}))
    return {
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__BITRIX24__REPORT_LOCATIONS": str(home / "files"),  # the examples' directory
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__CORE__PARALLELISM": "2",  # standalone starts this many workers at once
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",  # seconds until a new file is seen; default 300
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(choose_port(0)),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(choose_port(0)),
        # The server may still be starting when the first task calls it; the default of 5 s would fail it.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
    }


def start_airflow(environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("a") as output:
        return subprocess.Popen(
            [*AIRFLOW, "standalone"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C reaches this script only, which stops the rest in order
        )


def wait_until_healthy(airflow: subprocess.Popen[bytes], address: str, log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if airflow.poll() is not None:
            give_up(f"airflow standalone exited with code {airflow.returncode}", log)
        try:
            with opener.open(f"{address}/api/v2/monitor/health", timeout=5) as answer:
                parts = json.load(answer)
            if all(part["status"] == "healthy" for part in parts.values()):
                return
        except (OSError, ValueError):
            pass  # not listening yet
        time.sleep(0.5)
    give_up(f"Airflow was not ready after {START_SECONDS} s", log)


def stop(airflow: subprocess.Popen[bytes]) -> None:
    """Interrupt standalone, which stops what it started, then kill whatever is left of its process group."""
    for again in (signal.SIGINT, signal.SIGTERM):  # a second one would leave processes behind
        signal.signal(again, signal.SIG_IGN)
    airflow.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        airflow.wait(STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(airflow.pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
