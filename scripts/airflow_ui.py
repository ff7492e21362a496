"""Airflow's web interface with an imitation portal, the connection to it and the examples; Ctrl-C ends it."""

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

from airflow_provider_b24.sandbox import PortalServer, seeded_portal

USER, PASSWORD = "admin", "admin"  # it listens on this machine only
PORT = 8080
START_SECONDS = 180
STOP_SECONDS = 30


def main() -> None:
    options = read_options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended by a test as by Ctrl-C
    home = make_home("ui")
    log = home / "airflow.log"
    port = choose_port(options.port)
    environment = make_environment(home) | ui_settings(home, port)
    airflow = None
    try:
        with PortalServer(seeded_portal()) as server:
            with step("airflow db migrate"):
                run_airflow("db", "migrate", environment=environment, log=log)
            with step("airflow connections add bitrix24_default"):
                connection = ["bitrix24_default", "--conn-json", server.connection_json()]
                run_airflow("connections", "add", *connection, environment=environment, log=log)
            with step("airflow standalone"):
                airflow = start_airflow(environment, log)
                wait_until_healthy(airflow, port, log)
            address = f"http://localhost:{port}"
            if options.ready_file:
                ready = {"airflow": address, "portal": server.url, "user": USER, "password": PASSWORD}
                options.ready_file.write_text(json.dumps(ready))
            print(f"\nAirflow  {address}   user {USER}, password {PASSWORD}")
            print(f"Portal   {server.url}crm/contact/details/82/")
            print(f"Log      {log.relative_to(ROOT)}\n\nCtrl-C ends both.", flush=True)
            code = airflow.wait()
            give_up(f"airflow standalone ended by itself with code {code}", log)
    except KeyboardInterrupt:
        print("\nStopping, a few seconds", flush=True)
    finally:
        if airflow:
            stop(airflow)
    shutil.rmtree(home)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, help=f"0 is any free one; default: {PORT}, if taken any")
    parser.add_argument("--ready-file", type=Path, help="gets addresses and login as JSON when all is ready")
    return parser.parse_args()


def choose_port(wanted: int | None) -> int:
    for port in (PORT, 0) if wanted is None else (wanted,):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return probe.getsockname()[1]
    sys.exit(f"Failed: port {wanted} is taken")


def ui_settings(home: Path, port: int) -> dict[str, str]:
    passwords = home / "passwords.json"
    passwords.write_text(json.dumps({USER: PASSWORD}))
    return {
        "AIRFLOW__API__BASE_URL": f"http://localhost:{port}",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://localhost:{port}/execution/",
        "AIRFLOW__CORE__PARALLELISM": "2",  # standalone forks that many workers at once
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(choose_port(0)),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(choose_port(0)),
        # The first task meets a server that is still busy starting; a start repeated after 5 s fails it.
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
            start_new_session=True,  # Ctrl-C is for this script, which stops all in order
        )


def wait_until_healthy(airflow: subprocess.Popen[bytes], port: int, log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if airflow.poll() is not None:
            give_up(f"airflow standalone ended with code {airflow.returncode}", log)
        try:
            with opener.open(f"http://127.0.0.1:{port}/api/v2/monitor/health", timeout=5) as answer:
                parts = json.load(answer)
            if all(part["status"] == "healthy" for part in parts.values()):
                return
        except (OSError, ValueError):
            pass  # not listening yet
        time.sleep(0.5)
    give_up(f"Airflow was not ready after {START_SECONDS} s", log)


def stop(airflow: subprocess.Popen[bytes]) -> None:
    """Ask standalone, which stops what it started; then see that nothing of its group is left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C once more would leave processes behind
    airflow.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        airflow.wait(STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(airflow.pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
