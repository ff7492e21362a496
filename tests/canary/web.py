"""Airflow's web server on the harvest's database, and connections that are tested and created in it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests

from tests.canary.api import AIRFLOW_2, API, Api
from tests.rest.networks import free_port

HEALTH = f"{API}/health" if AIRFLOW_2 else f"{API}/monitor/health"
START_SECONDS = 180
AT_ONCE = 4
SETTINGS = {
    "AIRFLOW__API__AUTH_BACKENDS": "airflow.api.auth.backend.default",  # Airflow 2, with the role below
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
    "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
    "AIRFLOW__WEBSERVER__EXPOSE_CONFIG": "False",
    "PYTHONFAULTHANDLER": "1",
}
EVERYBODY_IS_ADMIN = "AUTH_ROLE_PUBLIC = 'Admin'\nWTF_CSRF_ENABLED = False\n"


class WebServer:
    """
    Airflow's web server in a process of its own; a context manager.

    :param log: receives its output.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy for this machine

    def __enter__(self) -> Api:
        port = str(free_port())
        api = Api(f"http://127.0.0.1:{port}", self._session)
        if AIRFLOW_2:
            (Path(os.environ["AIRFLOW_HOME"]) / "webserver_config.py").write_text(EVERYBODY_IS_ADMIN)
        command = ["webserver", "--workers", str(AT_ONCE)] if AIRFLOW_2 else ["api-server", "--workers", "1"]
        bin_folder = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # Airflow runs gunicorn by name
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "airflow", *command, "--port", port, "--host", "127.0.0.1"],
                env=os.environ | SETTINGS | {"PATH": bin_folder},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._wait(api)
            if not AIRFLOW_2:
                api.log_in()
        except BaseException:
            self.__exit__()
            raise
        return api

    def __exit__(self, *error: object) -> None:
        if error and error[0] is requests.ReadTimeout:
            self._process.send_signal(signal.SIGABRT)  # its log then shows where each thread is blocked
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(15)
        self._process.kill()
        self._process.wait()
        self._session.close()

    def _wait(self, api: Api) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError):
                if api.ask("GET", HEALTH).ok:
                    return
            time.sleep(0.3)
        raise RuntimeError(f"Airflow's web server did not start: {self._log.read_text()[-3000:]}")


def try_connections(api: Api, connections: dict[str, dict[str, Any]], file: Path) -> None:
    """Test each connection and create some as the form does, and write down the answers."""
    bodies = [
        {name: value for name, value in fields.items() if value is not None}
        | {"connection_id": conn_id, "conn_type": "bitrix24", "extra": json.dumps(fields["extra"])}
        for conn_id, fields in connections.items()
    ]
    with ThreadPoolExecutor(AT_ONCE) as threads:  # most of it is waiting for servers that hang
        answers = [*threads.map(lambda body: api.ask("POST", f"{API}/connections/test", json=body), bodies)]
    for body in bodies:
        if body["connection_id"].startswith("fine"):
            body["connection_id"] = f"formed_{body['connection_id']}"
            answers.append(api.ask("POST", f"{API}/connections", json=body))
            answers.append(api.ask("PATCH", f"{API}/connections/{body['connection_id']}", json=body))
    with file.open("a") as written:
        for answer in answers:
            written.write(f"===== {answer.status_code} {answer.request.method} {answer.url}\n{answer.text}\n")
            answer.raise_for_status()
