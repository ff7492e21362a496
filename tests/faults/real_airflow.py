"""A real Airflow: scheduler, DAG processor, API server, triggerer and a LocalExecutor, each a process."""

import contextlib
import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import requests

from tests.rest.networks import free_port

START_SECONDS = 600  # on a machine that has much else to do
HEARTBEAT_TIMEOUT = 10  # seconds after which a task counts as dead whose supervisor was killed


class RealAirflow:
    """
    An Airflow in a folder of its own; a context manager.

    :param home: its folder.
    :param dags: the text of its DAG file; ``add`` adds more.
    :param connections: connections in JSON, by id.
    :param settings: more of Airflow's configuration, as environment variables.
    """

    def __init__(
        self,
        home: Path,
        dags: str = "",
        connections: Mapping[str, str] = MappingProxyType({}),
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        import airflow

        self.home = home
        self._numbers = itertools.count(1)
        self._is_2 = airflow.__version__.startswith("2.")
        self._api = "/api/v1" if self._is_2 else "/api/v2"
        self.log = home / "airflow.log"
        self.url = f"http://127.0.0.1:{free_port()}"
        (home / "webserver_config.py").write_text("AUTH_ROLE_PUBLIC = 'Admin'\n")  # of Airflow 2
        (home / "dags").mkdir()
        (home / "dags" / "dags.py").write_text(textwrap.dedent(dags))
        self._environment = self._settings() | {
            f"AIRFLOW_CONN_{name.upper()}": connection for name, connection in connections.items()
        }
        self._environment |= settings
        self.session = requests.Session()
        self.session.trust_env = False

    def __enter__(self) -> "RealAirflow":
        with self.log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "airflow", "standalone"],
                env=self._environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._sessions = [process]
        try:
            wait_for(self._is_healthy, START_SECONDS, lambda: self._tail())
            if not self._is_2:
                token = self._call("GET", "/auth/token")["access_token"]
                self.session.headers["Authorization"] = f"Bearer {token}"
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    def add(self, dags: str, connections: Mapping[str, str]) -> Path:
        """Add a DAG file, and the connections that its DAGs use. Return the file's path."""
        for name, connection in connections.items():
            fields = json.loads(connection)
            body = fields | {"connection_id": name, "extra": json.dumps(fields["extra"])}
            self._insist("POST", f"{self._api}/connections", body)
        folder = self.home / "dags"
        file = folder / f"more_{next(self._numbers)}.py"
        file.write_text(textwrap.dedent(dags))
        return file

    def start(self, dag: str) -> None:
        """Start a run of a DAG."""
        wait_for(lambda: self._ask("SELECT 1 FROM dag WHERE dag_id = ?", dag), 60, self._tail)
        body = {} if self._is_2 else {"logical_date": None}
        self._call("POST", f"{self._api}/dags/{dag}/dagRuns", json=body)

    def task(self, dag: str) -> dict[str, Any]:
        """The facts of the DAG's only task."""
        (row,) = self._ask("SELECT state, try_number, pid FROM task_instance WHERE dag_id = ?", dag)
        return dict(zip(("state", "try_number", "pid"), row, strict=True))

    def wait_until_ended(self, dag: str, seconds: float = 120) -> str:
        """Wait until the DAG's run is over and return its state."""

        def state() -> str | None:
            ((state,),) = self._ask("SELECT state FROM dag_run WHERE dag_id = ?", dag)
            return state if state in ("success", "failed") else None

        return wait_for(state, seconds, lambda: self.task_log(dag) or self._tail())

    def running_pid(self, dag: str) -> int:
        """The process in which the DAG's only task is running now."""

        def pid() -> int | None:
            task = self.task(dag)
            alive = task["pid"] is not None and Path(f"/proc/{task['pid']}").exists()
            return task["pid"] if task["state"] == "running" and alive else None

        return wait_for(pid, 60, lambda: self.task_log(dag))

    def task_log(self, dag: str) -> str:
        """What the task's tries logged."""
        logs = sorted((self.home / "logs").glob(f"dag_id={dag}/**/*.log"))
        return "\n".join(log.read_text(errors="replace") for log in logs)

    def story(self, dag: str) -> str:
        """What is known of the DAG's only task, for the message of a test that fails."""
        return f"{self.task(dag)}\n{self.task_log(dag)}\n{self._tail()}"

    def states(self, dag: str) -> list[str | None]:
        """The states of the only task in all runs of the DAG, in the order in which they were started."""
        query = (
            "SELECT t.state FROM task_instance t JOIN dag_run r USING (dag_id, run_id) "
            "WHERE r.dag_id = ? ORDER BY r.id"
        )
        return [state for (state,) in self._ask(query, dag)]

    def clear(self, dag: str, number: int) -> None:
        """Clear the only task in a run of the DAG, counted from 0, once the run has ended."""
        run = self._ask("SELECT run_id FROM dag_run WHERE dag_id = ? ORDER BY id", dag)[number][0]

        def has_ended() -> bool:
            ((state,),) = self._ask("SELECT state FROM dag_run WHERE dag_id = ? AND run_id = ?", dag, run)
            return state in ("success", "failed")

        wait_for(has_ended, 60, lambda: self.task_log(dag))
        body = {"dry_run": False, "dag_run_id": run, "task_ids": ["sync"], "only_failed": False}
        self._insist("POST", f"{self._api}/dags/{dag}/clearTaskInstances", body)

    def watermark_keys(self, table: str) -> list[str]:
        """The keys of the watermarks in a table of Airflow's database."""
        query = f'SELECT "key" FROM {table} WHERE "key" LIKE \'bitrix24_watermark%\''
        return [key for (key,) in self._ask(query)]

    def mark_failed_and_clear(self, dag: str) -> None:
        """Do what a user does who wants a running task to begin again; needs Airflow 3."""
        ((run,),) = self._ask("SELECT run_id FROM dag_run WHERE dag_id = ?", dag)
        task = f"{self._api}/dags/{dag}/dagRuns/{run}/taskInstances/sync"
        self._insist("PATCH", task, {"new_state": "failed"})
        body = {"dry_run": False, "dag_run_id": run, "task_ids": ["sync"], "only_failed": False}

        def clear() -> None:
            self._insist("POST", f"{self._api}/dags/{dag}/clearTaskInstances", body)

        def is_started_again() -> bool:
            # SQLite locks no rows: the scheduler may write "failed" over a run that was just cleared.
            ((state,),) = self._ask("SELECT state FROM dag_run WHERE dag_id = ?", dag)
            if state == "failed":
                clear()
            return state != "failed" and self.task(dag)["state"] is not None

        clear()
        wait_for(is_started_again, 60, lambda: self.story(dag))

    def returned(self, dag: str) -> Any:
        """What the task left in XCom."""
        ((run,),) = self._ask("SELECT run_id FROM dag_run WHERE dag_id = ?", dag)
        entry = f"{self._api}/dags/{dag}/dagRuns/{run}/taskInstances/sync/xcomEntries/return_value"
        return self._call("GET", entry)["value"]

    def kill_triggerer(self) -> None:
        """Kill the triggerer as ``kill -9`` does, with the process that runs its triggers."""
        for pid in self._triggerers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not self._triggerers(), 30)

    def start_triggerer(self) -> None:
        """Start another triggerer."""
        with self.log.open("a") as output:
            triggerer = subprocess.Popen(
                [sys.executable, "-m", "airflow", "triggerer"],
                env=self._environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._sessions.append(triggerer)

    def used_slots(self) -> int:
        """How many slots of the default pool are taken."""
        pool = self._call("GET", f"{self._api}/pools/default_pool")
        return pool["occupied_slots"]

    def _triggerers(self) -> list[int]:
        """The living processes of this Airflow's triggerers."""
        return [pid for pid, command in self._processes().items() if "triggerer" in command]

    def _processes(self) -> dict[int, str]:
        """The living processes of this Airflow, with their command lines."""
        for one in self._sessions:
            one.poll()  # so that none stays behind as a zombie
        sessions = ",".join(str(one.pid) for one in self._sessions)
        command = ["ps", "-o", "pid=,stat=,args=", "-s", sessions]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        rows = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
        return {int(pid): args for pid, state, args in rows if not state.startswith("Z")}

    def _settings(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
        root = Path(__file__).resolve().parents[2]
        return inherited | {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": self.url.rpartition(":")[2],
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "SequentialExecutor" if self._is_2 else "LocalExecutor",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "2",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "2",  # seconds until a new file is seen
            "AIRFLOW__SCHEDULER__DAG_DIR_LIST_INTERVAL": "2",  # the same in Airflow 2
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home}/airflow.db",
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "1",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(HEARTBEAT_TIMEOUT),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "1",
            "AIRFLOW__API__AUTH_BACKENDS": "airflow.api.auth.backend.default",  # this and the next: Airflow 2
            "AIRFLOW__WEBSERVER__WEB_SERVER_HOST": "127.0.0.1",
            "AIRFLOW__WEBSERVER__WEB_SERVER_MASTER_TIMEOUT": "0",  # it stops on a busy machine
            "AIRFLOW__WEBSERVER__WEB_SERVER_PORT": self.url.rpartition(":")[2],
            "AIRFLOW__WEBSERVER__WORKERS": "1",
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # airflow calls itself by name
            "PYTHONPATH": f"{root}",
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def _is_healthy(self) -> bool:
        if self._sessions[0].poll() is not None:
            raise AssertionError(f"Airflow ended by itself:\n{self._tail()}")
        with contextlib.suppress(OSError, ValueError, AssertionError):
            parts = self._call("GET", f"{self._api}/health" if self._is_2 else f"{self._api}/monitor/health")
            return all(part["status"] in ("healthy", None) for part in parts.values())
        return False

    def _call(self, verb: str, path: str, **data: Any) -> Any:
        answer = self.session.request(verb, self.url + path, timeout=30, **data)
        assert answer.ok, answer.text
        return answer.json()

    def _insist(self, verb: str, path: str, body: Mapping[str, Any]) -> None:
        """Ask again while SQLite is locked by another of Airflow's processes."""

        def answered() -> bool:
            with contextlib.suppress(AssertionError):
                self._call(verb, path, json=body)
                return True
            return False

        wait_for(answered, 30, self._tail)

    def _ask(self, query: str, *values: str) -> list[Any]:
        with contextlib.closing(sqlite3.connect(self.home / "airflow.db", timeout=30)) as database:
            return database.execute(query, values).fetchall()

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-60:])

    def _stop(self) -> None:
        self.session.close()
        self._sessions[0].send_signal(signal.SIGINT)  # what it logs at its end is evidence for the canaries
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._sessions[0].wait(10)
        while alive := self._processes():
            for pid in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)


def wait_for(condition: Callable[[], Any], seconds: float, explain: Callable[[], str] = str) -> Any:
    """Wait until a condition holds and return what it says."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s\n{explain()}"
        time.sleep(0.05)
    return result
