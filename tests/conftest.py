"""Fixtures: a sandbox portal, a connection to it, DAG runs in a real Airflow, and a Redis server.

Nothing here imports Airflow until a test needs it, so the tests of the core pass without it.
"""

import contextlib
import io
import itertools
import json
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

from tests.in_process import forget_masked_secrets

_home = tempfile.TemporaryDirectory(prefix="airflow-home-")
HOME = Path(_home.name)
DAGS = HOME / "dags"
DATABASE = HOME / "airflow.db"
DAGS.mkdir()
try:
    IS_AIRFLOW_2 = version("apache-airflow").startswith("2.")
except PackageNotFoundError:
    IS_AIRFLOW_2 = False

# Tests that start a whole Airflow. Those of a group run one after another, so that two at most run at a time.
WHOLE_AIRFLOW = {
    "tests/canary/test_real_workers.py": "triggers",
    "tests/faults/test_killed_exports.py": "faults",
    "tests/faults/test_killed_worker.py": "faults",
    "tests/faults/test_overlapping_tries.py": "faults",
    "tests/operators/test_lineage.py": "triggers",
    "tests/operators/test_real_approval.py": "triggers",
    "tests/triggers/test_real_airflow.py": "triggers",
    "tests/triggers/test_real_events.py": "triggers",
}

for name in [name for name in os.environ if name.startswith("AIRFLOW_")]:
    del os.environ[name]  # a developer's own Airflow must not affect the tests
os.environ |= {
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{DATABASE}",
    **({"AIRFLOW__CORE__EXECUTOR": "SequentialExecutor"} if IS_AIRFLOW_2 else {}),  # sensors ask for it
    "NO_PROXY": "127.0.0.1,localhost",  # the sandbox portal is never behind a proxy
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Like ``--dist loadfile``, but tests that start a whole Airflow do not all run at the same time."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return WHOLE_AIRFLOW.get(file, file)

    return Scheduling(config, log)


class Console(io.TextIOBase):
    """A standard output that can be redirected.

    Airflow's loggers keep the stream that they saw first, but pytest gives each test another.
    """

    def __init__(self) -> None:
        self.target: io.TextIOBase | None = None

    def write(self, text: str) -> int:
        return (self.target or sys.__stdout__).write(text)

    def flush(self) -> None:
        (self.target or sys.__stdout__).flush()

    @contextlib.contextmanager
    def captured(self) -> Iterator[io.StringIO]:
        with contextlib.redirect_stdout(self), contextlib.redirect_stderr(self):
            self.target = io.StringIO()
            try:
                yield self.target
            finally:
                text, self.target = self.target.getvalue(), None
        print(text)


@pytest.fixture(autouse=True)
def _forgotten_secrets() -> None:
    """No test masks the secrets of those before it."""
    forget_masked_secrets()


@pytest.fixture
def portal():
    """A sandbox portal with contacts and companies, without a server."""
    from airflow_provider_b24.sandbox import seeded_portal

    return seeded_portal()


@pytest.fixture
def server(portal):
    """The sandbox portal over HTTP, on a free port."""
    from airflow_provider_b24.sandbox import PortalServer

    with PortalServer(portal) as server:
        yield server


@pytest.fixture
def bitrix24_conn(server, monkeypatch) -> str:
    """The id of an Airflow connection to the sandbox portal."""
    monkeypatch.setenv("AIRFLOW_CONN_BITRIX24_DEFAULT", server.connection_json())
    return "bitrix24_default"


@dataclass(frozen=True)
class RedisServer:
    """A running Redis server."""

    process: subprocess.Popen[bytes]
    url: str  # contains the password
    password: str


@pytest.fixture
def redis_server(tmp_path) -> Iterator[RedisServer]:
    """A Redis server of the test's own, on a free port."""
    redis = pytest.importorskip("redis")
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    from tests.rest.networks import free_port

    port, password = free_port(), "canary0password"
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--requirepass", password]
    files = ["--dir", str(tmp_path), "--save", "", "--appendonly", "no", "--logfile", "redis.log"]
    with subprocess.Popen(command + files) as process:
        server = RedisServer(process, f"redis://:{password}@127.0.0.1:{port}/0", password)
        try:
            deadline = time.monotonic() + 20
            while not answers(redis, server.url):
                assert time.monotonic() < deadline, (tmp_path / "redis.log").read_text()
                time.sleep(0.05)
            yield server
        finally:
            process.kill()


def answers(redis: Any, url: str) -> bool:
    try:
        return redis.Redis.from_url(url).ping()
    except redis.RedisError:
        return False


@pytest.fixture(scope="session")
def airflow_console() -> Console:
    """An Airflow with an empty database. Its output goes to the returned console."""
    pytest.importorskip("airflow", reason="needs Airflow")
    console = Console()
    with console.captured():
        from airflow.logging_config import configure_logging
        from airflow.utils.db import initdb

        from tests.in_process import share_api_server, tame_structlog

        configure_logging()
        tame_structlog(logging.INFO)
        share_api_server()
        initdb()
    return console


@pytest.fixture(scope="session")
def real_airflow(tmp_path_factory) -> Iterator[Any]:
    """An Airflow in processes of its own, which several test files share, each with DAGs of its own."""
    pytest.importorskip("airflow", reason="needs Airflow")
    from tests.faults.real_airflow import RealAirflow

    home = tmp_path_factory.mktemp("airflow")
    lineage = {"type": "file", "log_file_path": str(home / "lineage.jsonl"), "append": True}
    settings = {
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(lineage),
        "BITRIX24_EXAMPLES": str(home / "files"),
    }
    with RealAirflow(home, settings=settings) as started:
        yield started


@dataclass(frozen=True)
class DagRun:
    """The result of a DAG run. A mapped task instance is named `task_id[map_index]`."""

    state: str
    states: dict[str, str]
    tries: dict[str, int]
    labels: dict[str, str]
    xcoms: dict[tuple[str, str], Any]
    log: str

    def returned(self, task: str) -> Any:
        return self.xcoms[task, "return_value"]


class WaitingForRetry(Exception):
    """Only a task whose next try is not due yet is left to run."""


@pytest.fixture
def run_dag(airflow_console, monkeypatch) -> Callable[..., DagRun]:
    """Run one DAG in this process: `run_dag(source)` returns a DagRun.

    `source` is the text of a DAG file, or its path. The run uses `dag.test()`: operators, templates, XCom,
    mapping, links and the database are real, but there is no scheduler and no process per task.

    If a failed task has retries left and its next try is due (`retry_delay=0`), it runs at once, as in
    `dag.test()`. Otherwise the run stops and the task's state is `up_for_retry`, unless
    `wait_for_retries=True`.
    """
    from airflow.models import dagrun

    delete_variables()
    update_state = dagrun.DagRun.update_state

    def update_state_or_stop(self, *, session, **kwargs):
        schedulable, callback = update_state(self, session=session, **kwargs)
        if not schedulable and any(
            ti.state == "up_for_retry" for ti in self.get_task_instances(session=session)
        ):
            raise WaitingForRetry
        return schedulable, callback

    def run(source: str | Path, *, wait_for_retries: bool = False) -> DagRun:
        with (
            airflow_console.captured() as log,
            monkeypatch.context() as patch,
            dag_in_folder(source) as dag,
            contextlib.suppress(WaitingForRetry),
        ):
            if not wait_for_retries:
                patch.setattr(dagrun.DagRun, "update_state", update_state_or_stop)
            dag.test()
        return read_last_run(dag.dag_id, log.getvalue())

    return run


def delete_variables() -> None:
    """Delete all Airflow Variables: what one test's tasks stored must not reach the next test."""
    with contextlib.closing(sqlite3.connect(DATABASE)) as database:
        database.execute("DELETE FROM variable")
        database.commit()


@contextlib.contextmanager
def dag_in_folder(source: str | Path) -> Iterator[Any]:
    """The only DAG of a file, which stays in the DAGs folder until the context ends.

    Airflow 3 runs only DAGs that it finds in a bundle, and reads the whole bundle for each run.
    """
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # before Airflow 3.2
        from airflow.models.dagbag import DagBag

    file = DAGS / f"dag_{next(_numbers)}.py"
    if isinstance(source, Path):
        shutil.copy(source, file)
    else:
        file.write_text(textwrap.dedent(source))
    try:
        bag = DagBag(file, safe_mode=False)  # read the file even if it does not look like a DAG
        assert not bag.import_errors, "\n".join(map(str, bag.import_errors.values()))
        (dag,) = bag.dags.values()
        yield dag
    finally:
        file.unlink()


_numbers = itertools.count(1)


def read_last_run(dag_id: str, log: str) -> DagRun:
    """Read with plain SQL: the tables are the same in all versions, but the classes are not."""
    with contextlib.closing(sqlite3.connect(DATABASE)) as database:
        run_id, state = database.execute(
            "SELECT run_id, state FROM dag_run WHERE dag_id = ? ORDER BY id DESC LIMIT 1", [dag_id]
        ).fetchone()
        tasks = database.execute(
            "SELECT task_id, map_index, state, try_number, rendered_map_index FROM task_instance "
            "WHERE dag_id = ? AND run_id = ?",
            [dag_id, run_id],
        ).fetchall()
        xcoms = database.execute(
            "SELECT task_id, map_index, key, value FROM xcom WHERE dag_id = ? AND run_id = ?",
            [dag_id, run_id],
        ).fetchall()

    def named(task_id: str, map_index: int) -> str:
        return task_id if map_index < 0 else f"{task_id}[{map_index}]"

    def parsed(value: Any) -> Any:
        return json.loads(value) if isinstance(value, str | bytes) else value  # SQLite stores numbers as such

    return DagRun(
        state=state,
        states={named(task, index): state for task, index, state, _, _ in tasks},
        tries={named(task, index): tries for task, index, _, tries, _ in tasks},
        labels={named(task, index): label for task, index, _, _, label in tasks if label},
        xcoms={(named(task, index), key): parsed(value) for task, index, key, value in xcoms},
        log=log,
    )
