"""An Airflow cluster on one machine: Celery workers with temporary folders of their own, and all the rest."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg2
import requests
from cryptography.fernet import Fernet

from tests.chaos.databases import start_postgres, start_redis
from tests.chaos.services import Keeper, Service, parent_of
from tests.rest.networks import free_port

ROOT = Path(__file__).resolve().parents[2]
AIRFLOW = [sys.executable, "-m", "airflow"]
WORKERS = ("worker 1", "worker 2")
HEARTBEAT_TIMEOUT = 15  # seconds after which a task counts as dead whose supervisor is not heard
START_SECONDS = 300  # on a machine that has much else to do


class Cluster:
    """
    The services by name, and what Airflow knows of its tasks.

    :param home: an empty folder.
    :param connections: connections in JSON, by id.
    """

    def __init__(self, home: Path, connections: Mapping[str, str]) -> None:
        self.home = home
        self.services: dict[str, Service] = {}
        self.connections = connections
        self._database = ""
        self._url = f"http://127.0.0.1:{free_port()}"
        self._session = requests.Session()
        self._session.trust_env = False

    @contextlib.contextmanager
    def running(self) -> Iterator["Cluster"]:
        """Start everything; stop it in the end."""
        (self.home / "dags").mkdir()
        (self.home / "dags" / "dags.py").write_text((Path(__file__).parent / "dags.py").read_text())
        with Keeper() as keeper:
            postgres, self._database = start_postgres(keeper, self.home / "postgres")
            redis, broker = start_redis(keeper, self.home / "redis")
            self.services |= {"PostgreSQL": postgres, "Redis": redis}
            environment = self._environment(broker)
            migrate = Service("migration", [*AIRFLOW, "db", "migrate"], environment, self.home / "db.log")
            migrate.start()
            wait_for(migrate.has_ended, START_SECONDS, "the database is migrated")
            for name, command in commands().items():
                own = {"TMPDIR": str(self.home / name.replace(" ", "-"))}
                Path(own["TMPDIR"]).mkdir()
                log = self.home / f"{name.replace(' ', '-')}.log"
                self.services[name] = keeper.add(Service(name, [*AIRFLOW, *command], environment | own, log))
            wait_for(self._is_healthy, START_SECONDS, "all parts of Airflow are healthy")
            yield self

    def start_run(self, dag: str, run: str, conf: Mapping[str, Any]) -> None:
        """Start a run of a DAG."""
        body = {"dag_run_id": run, "logical_date": None, "conf": conf}
        wait_for(
            lambda: self.ask("POST", f"/api/v2/dags/{dag}/dagRuns", body), START_SECONDS, f"{dag} is started"
        )

    def mark_failed_and_clear(self, dag: str, run: str, task: str) -> None:
        """Do what a user does who wants a running task to begin again."""
        path = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}"
        wait_for(lambda: self.ask("PATCH", path, {"new_state": "failed"}), 60, "the task is marked failed")
        body = {"dry_run": False, "dag_run_id": run, "task_ids": [task], "only_failed": False}
        path = f"/api/v2/dags/{dag}/clearTaskInstances"
        wait_for(lambda: self.ask("POST", path, body), 60, "the task is cleared")

    def run_state(self, dag: str, run: str) -> str:
        """Return a run's state; empty while the database is away."""
        rows = self._select("SELECT state FROM dag_run WHERE dag_id = %s AND run_id = %s", dag, run)
        return rows[0][0] if rows else ""

    def task(self, run: str) -> tuple[str, int, int | None]:
        """Return state, try number and process of a run's only task; an empty state if it is not known."""
        rows = self._select("SELECT state, try_number, pid FROM task_instance WHERE run_id = %s", run)
        return (rows[0][0] or "", rows[0][1], rows[0][2]) if rows else ("", 0, None)

    def running_pid(self, run: str) -> int:
        """Return the process in which a run's only task is running; 0 if it is not running."""
        state, _, pid = self.task(run)
        is_alive = state == "running" and pid is not None and Path(f"/proc/{pid}").exists()
        return pid if is_alive and pid else 0

    def worker_of(self, pid: int) -> Service:
        """Return the worker that runs a task's process."""
        while pid > 1:
            for name in WORKERS:
                if self.services[name].pid == pid:
                    return self.services[name]
            pid = parent_of(pid)
        raise LookupError("the task belongs to no worker")

    def ask(self, verb: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Ask Airflow's API; None if it does not answer well now."""
        with contextlib.suppress(OSError, ValueError):
            if "Authorization" not in self._session.headers:
                token = self._session.get(f"{self._url}/auth/token", timeout=20).json()["access_token"]
                self._session.headers["Authorization"] = f"Bearer {token}"
            answer = self._session.request(verb, self._url + path, json=body, timeout=20)
            if answer.ok:
                return answer.json() or True
        return None

    def _is_healthy(self) -> bool:
        parts = self.ask("GET", "/api/v2/monitor/health") or {}
        return bool(parts) and all(part["status"] == "healthy" for part in parts.values())

    def _select(self, query: str, *values: str) -> list[Any]:
        with (
            contextlib.suppress(psycopg2.OperationalError),
            contextlib.closing(
                psycopg2.connect(f"postgresql://{self._database}", connect_timeout=5)
            ) as database,
            database.cursor() as cursor,
        ):
            cursor.execute(query, values)
            return cursor.fetchall()
        return []

    def _environment(self, broker: str) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
        connections = {f"AIRFLOW_CONN_{name.upper()}": text for name, text in self.connections.items()}
        return inherited | connections | settings(self.home, self._database, broker, self._url)


def settings(home: Path, database: str, broker: str, url: str) -> dict[str, str]:
    """Return Airflow's configuration, as environment variables."""
    sections = {
        "API": {"BASE_URL": url, "HOST": "127.0.0.1", "PORT": url.rpartition(":")[2], "WORKERS": 1},
        "API_AUTH": {"JWT_SECRET": "x" * 64},
        "BITRIX24": {"PACING_REDIS_URL": f"{broker}/1"},
        "CELERY": {
            "BROKER_URL": f"{broker}/0",
            "RESULT_BACKEND": f"db+postgresql+psycopg2://{database}",
            "WORKER_CONCURRENCY": 4,
        },
        "CORE": {
            "AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
            "DAGS_ARE_PAUSED_AT_CREATION": False,
            "DAGS_FOLDER": home / "dags",
            "EXECUTION_API_SERVER_URL": f"{url}/execution/",
            "EXECUTOR": "CeleryExecutor",
            "FERNET_KEY": Fernet.generate_key().decode(),
            "LOAD_EXAMPLES": False,
            "SIMPLE_AUTH_MANAGER_ALL_ADMINS": True,
        },
        "DATABASE": {"SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{database}"},
        "LOGGING": {"TRIGGER_LOG_SERVER_PORT": free_port()},
        "SCHEDULER": {
            "ORPHANED_TASKS_CHECK_INTERVAL": 15,
            "TASK_INSTANCE_HEARTBEAT_SEC": 2,
            "TASK_INSTANCE_HEARTBEAT_TIMEOUT": HEARTBEAT_TIMEOUT,
            "TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": 2,
            "TASK_QUEUED_TIMEOUT": 30,
            "TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": 5,
        },
        "WORKERS": {"EXECUTION_API_TIMEOUT": 30, "MIN_HEARTBEAT_INTERVAL": 1},
    }
    named = {
        f"AIRFLOW__{section}__{name}": str(value)
        for section, values in sections.items()
        for name, value in values.items()
    }
    return named | {
        "AIRFLOW_HOME": str(home),
        "CHAOS_HOME": str(home),
        "NO_PROXY": "127.0.0.1,localhost",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # Airflow runs itself by name
        "PYTHONPATH": str(ROOT),
    }


def commands() -> dict[str, list[str]]:
    """Return what Airflow consists of, and the command that runs each part."""
    worker = ["celery", "worker", "--skip-serve-logs", "--without-gossip", "--without-mingle"]
    return {
        "API server": ["api-server"],
        "scheduler": ["scheduler", "--skip-serve-logs"],
        "DAG processor": ["dag-processor"],
        "triggerer": ["triggerer", "--skip-serve-logs"],
        **{name: [*worker, "--celery-hostname", f"{name.replace(' ', '')}@%h"] for name in WORKERS},
    }


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """
    Wait until a condition holds; return what it returns.

    :raises TimeoutError: it did not hold in time.
    """
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s until {what}")
        time.sleep(0.2)
    return result
