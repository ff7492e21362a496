"""Tokens that expire again and again while several tasks run, each in an Airflow process of its own."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from airflow_provider_b24.sandbox import PortalServer, seeded_portal

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.airflow, pytest.mark.slow]

SECRET = "secret0of0the0application"
LIFETIME = 2  # seconds that an access token is valid
LATENCY = 0.5  # seconds of each request
BATCHES = 16  # per task, about fifteen seconds
TASKS = ("one", "two", "three")

DAGS = """
    from datetime import datetime
    from airflow.providers.common.compat.sdk import DAG
    from airflow_provider_b24.operators.sync import SyncContactCompaniesOperator

    for number, (name, batches) in enumerate({sizes}.items()):
        with DAG(dag_id=name, schedule=None, start_date=datetime(2026, 1, 1)):
            first = 10_000 * (number + 1)
            SyncContactCompaniesOperator(
                task_id="sync",
                bindings={{str(first + contact): [8] for contact in range(50 * batches)}},
                mode="replace",
                check_companies=False,
            )
"""
PREPARE = """
    from airflow.cli.cli_parser import get_parser

    for command in (["db", "migrate"], ["dags", "reserialize"]):
        args = get_parser().parse_args(command)
        args.func(args)
"""
RUN = """
    import contextlib
    import os
    import sys
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # before Airflow 3.2
        from airflow.models.dagbag import DagBag
    with contextlib.suppress(ImportError):  # Airflow 2 has none
        import airflow.api_fastapi.execution_api.app  # takes seconds, which the children need not spend

    for dag_id in sys.argv[1:]:
        if os.fork() == 0:
            os.dup2(os.open(f"{dag_id}.txt", os.O_WRONLY | os.O_CREAT), 1)
            os.dup2(1, 2)
            succeeded = DagBag().dags[dag_id].test().state == "success"
            sys.stdout.flush()
            os._exit(not succeeded)
    sys.exit(any([os.wait()[1] for _ in sys.argv[1:]]))
"""


@pytest.fixture
def portal():
    portal = seeded_portal()
    portal.latency = LATENCY
    for number in range(len(TASKS) + 1):
        for contact in range(50 * BATCHES):
            portal.add_contact(10_000 * (number + 1) + contact)
    portal.add_app("local.night", SECRET)
    portal.token_lifetime = LIFETIME
    portal.rotate_refresh_tokens = True
    return portal


@pytest.fixture
def run(portal, tmp_path):
    """Run DAGs at the same time, each in a process of its own: `run(*dag_ids)`. All share one database."""
    pytest.importorskip("airflow", reason="needs Airflow")
    (tmp_path / "dags").mkdir()
    sizes = dict.fromkeys(TASKS, BATCHES) | {"after": 1}
    (tmp_path / "dags" / "night.py").write_text(textwrap.dedent(DAGS.format(sizes=sizes)))
    access, refresh = portal.issue_tokens("local.night")
    with PortalServer(portal) as server:
        address = server.url.rstrip("/")
        app = {"client_id": "local.night", "client_secret": SECRET, "oauth_server": address}
        extra = {"access_token": access, "refresh_token": refresh, "allow_http": True, "max_parallel": 1}
        connection = {"conn_type": "bitrix24", "host": address, "extra": app | extra | {"plan": "none"}}
        environment = os.environ | {
            "AIRFLOW_CONN_BITRIX24_DEFAULT": json.dumps(connection),
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
            "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
            "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(tmp_path),  # for the lock files
        }

        def python(code, *arguments):
            command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
            done = subprocess.run(
                command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300
            )
            logs = "".join((tmp_path / f"{dag_id}.txt").read_text()[-5000:] for dag_id in arguments)
            assert done.returncode == 0, logs + done.stderr[-5000:]

        python(PREPARE)
        yield lambda *dag_ids: python(RUN, *dag_ids)


def test_parallel_tasks_refresh_once_per_expiry_and_a_new_process_uses_the_stored_tokens(portal, run):
    run(*TASKS)
    seconds = portal.last_request - portal.first_request
    assert seconds / (LIFETIME + 2 * LATENCY) - 1 <= portal.refreshes <= seconds / LIFETIME + 1
    assert portal.refused_refreshes == 0
    for number in range(len(TASKS)):
        written = range(10_000 * (number + 1), 10_000 * (number + 1) + 50 * BATCHES)
        assert all(portal.bindings(contact) for contact in written)

    run("after")
    assert portal.refused_refreshes == 0
