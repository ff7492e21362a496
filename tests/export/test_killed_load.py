"""A process that loads a table is killed with SIGKILL, several times; the next one finishes the table."""

import json
import subprocess
import sys
import time

import pytest

from airflow_provider_b24.sandbox import Portal, PortalServer
from tests.export.databases import mariadb_port, open_database, postgres_server  # noqa: F401 - fixtures

pytestmark = pytest.mark.slow

ROWS = 60_000
LOAD = """
import json
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from airflow_provider_b24.export.load import LoadOptions, load_list
from airflow_provider_b24.export.targets.table import TableTarget
from airflow_provider_b24.hooks.drivers import make_engine
from airflow_provider_b24.rest.auth.webhook import WebhookAuth
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.config import PortalConfig, Webhook
from airflow_provider_b24.rest.transport import Transport

url, code, scratch, driver, login = sys.argv[1:]
connect = lambda: import_module(driver).connect(**json.loads(login))
target = TableTarget(lambda: make_engine(SimpleNamespace(get_conn=connect), "warehouse"), "deals")
webhook = Webhook(1, code)
client = Client(Transport(PortalConfig(url, webhook, plan="none")), WebhookAuth(webhook))
params = {"entityTypeId": 2, "select": ["id", "title"]}
options = LoadOptions(delete_missing=True, owner="task", scratch=Path(scratch))
summary = load_list(client, "crm.item.list", params, target, options, lambda line: None)
print(summary["rows"], summary["written"], summary["deleted"])
"""


@pytest.fixture(params=["psycopg2", "mysqlconnector"])
def place(request, tmp_path):
    """A database, the driver's module, and what it connects with."""
    database = open_database(request.param, request, tmp_path)
    if database.is_postgres:
        pairs = dict(pair.split("=") for pair in request.getfixturevalue("postgres_server").split())
        return database, "psycopg2", {**pairs, "options": f"-c search_path={database.schema}"}
    port = request.getfixturevalue("mariadb_port")
    login = {"host": "127.0.0.1", "port": port, "user": "root", "password": "", "database": database.schema}
    return database, "mysql.connector", login


def test_a_table_is_exact_after_loads_that_were_killed(place, tmp_path):
    database, driver, login = place
    portal = Portal()
    code = portal.add_webhook(user_id=1)
    portal.add_generated(deal=ROWS)
    scratch = tmp_path / "scratch"

    with PortalServer(portal) as server:
        command = [sys.executable, "-c", LOAD, server.url, code, str(scratch), driver, json.dumps(login)]
        assert run(command) == [ROWS, ROWS, 0]
        before = rows_of(database)
        for number in range(1, ROWS + 1, 2):
            portal.update_record("deal", number, TITLE=f"changed {number}")
        for number in range(2, 1_002, 2):
            portal.delete_record("deal", number)
        after = {
            number: f"changed {number}" if number % 2 else title
            for number, title in before.items()
            if number % 2 or number >= 1_002
        }
        first = portal.requests
        for requests in (8, 16, 24):  # while rows are read
            assert kill(command, lambda requests=requests: portal.requests >= first + requests)
            assert rows_of(database) == before
        for pause in (0.0, 0.4, 0.8):  # around the merge
            kill(command, reading_ended(portal), pause)
            assert rows_of(database) in (before, after)
        run(command)

    assert rows_of(database) == after


def run(command):
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [int(one) for one in done.stdout.split()]


def kill(command, is_time, pause=0.0):
    """Start a load and kill it; return whether it was still running."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while not is_time() and process.poll() is None:
        time.sleep(0.005)
    time.sleep(pause)
    process.kill()
    return process.wait() < 0


def reading_ended(portal, quiet=0.1):
    """Return a function that finds out whether the portal has been asked, and then left alone."""
    first = portal.requests

    def has_ended():
        count = portal.requests
        time.sleep(quiet)
        return portal.requests == count > first

    return has_ended


def rows_of(database):
    return dict(database.execute("SELECT id, title FROM deals"))
