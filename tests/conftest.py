"""Fixtures: an imitation portal, the connection to it, and DAGs run in a real Airflow.

Nothing here imports Airflow until a test asks for it: the tests of the core pass without it.
"""

import contextlib
import io
import itertools
import json
import logging
import os
import shutil
import sqlite3
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_home = tempfile.TemporaryDirectory(prefix="airflow-home-")
HOME = Path(_home.name)
DAGS = HOME / "dags"
DATABASE = HOME / "airflow.db"
DAGS.mkdir()

for name in [name for name in os.environ if name.startswith("AIRFLOW_")]:
    del os.environ[name]  # a developer's own Airflow is none of our business
os.environ |= {
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{DATABASE}",
    "NO_PROXY": "127.0.0.1,localhost",  # the imitation portal is never behind a proxy
}


class Console(io.TextIOBase):
    """A standard output that can be turned to another place.

    Airflow's loggers keep the stream they saw first; pytest gives each test another.
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


@pytest.fixture
def portal():
    """An imitation portal with contacts and companies, without a server."""
    from airflow_provider_b24.sandbox import seeded_portal

    return seeded_portal()


@pytest.fixture
def server(portal):
    """The imitation portal over HTTP, on a free port."""
    from airflow_provider_b24.sandbox import PortalServer

    with PortalServer(portal) as server:
        yield server


@pytest.fixture
def bitrix24_conn(server, monkeypatch) -> str:
    """The id of an Airflow connection to the imitation portal."""
    monkeypatch.setenv("AIRFLOW_CONN_BITRIX24_DEFAULT", server.connection_json())
    return "bitrix24_default"


@pytest.fixture(scope="session")
def airflow_console() -> Console:
    """An Airflow with an empty database; what it says goes to the console returned."""
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


@dataclass(frozen=True)
class DagRun:
    """What a run left behind. A mapped task instance is named `task_id[map_index]`."""

    state: str
    states: dict[str, str]
    tries: dict[str, int]
    labels: dict[str, str]
    xcoms: dict[tuple[str, str], Any]
    log: str

    def returned(self, task: str) -> Any:
        return self.xcoms[task, "return_value"]


class WaitingForRetry(Exception):
    """Nothing is left to run but a task whose next try is not due yet."""


@pytest.fixture
def run_dag(airflow_console, monkeypatch) -> Callable[..., DagRun]:
    """Run one DAG to its end in this process: `run_dag(source)` gives a DagRun.

    `source` is the text of a DAG file, or the path of one. The run is `dag.test()`: operators, templates,
    XCom, mapping, links and the database are real, there is no scheduler and no process per task.

    A failed task that has retries left: if its next try is due (`retry_delay=0`) it runs at once, as
    `dag.test()` does. If not, the run ends there and the task's state is `up_for_retry`
    (`wait_for_retries=True` waits instead).
    """
    from airflow.models import dagrun

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


@contextlib.contextmanager
def dag_in_folder(source: str | Path) -> Iterator[Any]:
    """The one DAG of a file, which lies in the DAGs folder as long as the context lasts.

    Airflow 3 runs only what it finds in a bundle, and reads the whole bundle for each run.
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
        bag = DagBag(file, safe_mode=False)  # a file is read, whatever it says
        assert not bag.import_errors, "\n".join(map(str, bag.import_errors.values()))
        (dag,) = bag.dags.values()
        yield dag
    finally:
        file.unlink()


_numbers = itertools.count(1)


def read_last_run(dag_id: str, log: str) -> DagRun:
    """Read with plain SQL: the tables are the same on all versions, the classes around them are not."""
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

    return DagRun(
        state=state,
        states={named(task, index): state for task, index, state, _, _ in tasks},
        tries={named(task, index): tries for task, index, _, tries, _ in tasks},
        labels={named(task, index): label for task, index, _, _, label in tasks if label},
        xcoms={(named(task, index), key): json.loads(value) for task, index, key, value in xcoms},
        log=log,
    )
