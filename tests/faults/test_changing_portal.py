"""Rows are created, changed and deleted by another process while incremental exports and loads go on."""

import contextlib
import json
import sqlite3
import subprocess
import sys

import pytest

from airflow_provider_b24.sandbox import Fault, Portal
from tests.faults.portals import CODE

pytest.importorskip("airflow.providers.sqlite", reason="needs apache-airflow-providers-sqlite")
pytestmark = [pytest.mark.airflow, pytest.mark.slow]

DEALS = 2_600
RUNS = 20
SELECT = ["id", "title", "stageId", "updatedTime"]
LISTS = [
    pytest.param({"entityTypeId": 2, "select": SELECT}, id="all"),
    # Rows come into this list and leave it again without being created or deleted.
    pytest.param({"entityTypeId": 2, "select": SELECT, "filter": {"stageId": "WON"}}, id="filtered"),
]

OTHERS = """
import random, sys
import requests

url, deals, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng = random.Random(seed)
session = requests.Session()
session.trust_env = False

def call(method, **params):
    answer = session.post(f"{url}crm.item.{method}", json={"entityTypeId": 2} | params)
    return answer.json().get("result")

ids = list(range(1, deals + 1))
number = 0
while True:
    number += 1
    fields = {"title": f"change {number}", "stageId": rng.choice(["NEW", "WON"])}
    kind = rng.random()
    if kind < 0.2:
        ids.append(call("add", fields=fields)["item"]["id"])
    elif kind < 0.3 and ids:
        call("delete", id=ids.pop(rng.randrange(len(ids))))
    elif kind < 0.4 and ids:  # somebody creates a deal and thinks better of it
        call("delete", id=ids.pop())
    else:
        call("update", id=rng.choice(ids), fields=fields)
"""


@pytest.fixture
def portal():
    portal = Portal()
    portal.add_webhook(1, CODE)
    portal.add_generated(deal=DEALS)
    portal.latency = 0.02  # so that others do something while a list is read
    portal.add_fault(Fault("reset", every=7, method="crm.item.list", after=True))
    return portal


@contextlib.contextmanager
def others_at_work(url, seed):
    process = subprocess.Popen([sys.executable, "-c", OTHERS, url, str(DEALS), str(seed)])
    try:
        yield
    finally:
        assert process.poll() is None  # it has not failed
        process.kill()
        process.wait()


def read_rows(path):
    with open(path) as file:
        return {row["id"]: row for row in map(json.loads, file)}


def rows_of_table(path, table):
    with contextlib.closing(sqlite3.connect(path)) as database:
        rows = database.execute(f"SELECT id, title, stage_id, updated_time FROM {table}")
        return {row[0]: dict(zip(SELECT, row, strict=True)) for row in rows}


@pytest.mark.parametrize("params", LISTS)
def test_twenty_incremental_runs_together_are_the_portal_s_rows(
    portal, serve, hook_for, monkeypatch, tmp_path, params
):
    server = serve(portal)
    hook = hook_for(server.connection_json(code=CODE, plan="none"))
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", f"sqlite://{tmp_path}/warehouse.db")
    merged, since, loaded_since = {}, None, None

    def run(number):
        nonlocal since, loaded_since
        options = {"incremental": "updatedTime", "overlap": 1.0}
        path = tmp_path / f"{number}.jsonl"
        summary = hook.export(
            "crm.item.list", params, path=path, since=since, ids_path=tmp_path / "ids", **options
        )
        since = summary["watermark"]
        merged.update(read_rows(path))
        for gone in read_rows(summary["deleted_path"]):
            merged.pop(gone, None)
        summary = hook.load(
            "crm.item.list",
            params,
            conn_id="warehouse",
            table="deals",
            since=loaded_since,
            delete_missing=True,
            **options,
        )
        loaded_since = summary["watermark"]

    with others_at_work(f"{server.url}rest/1/{CODE}/", seed=1):
        for number in range(1, RUNS):
            run(number)
    run(RUNS)

    hook.export("crm.item.list", params, path=tmp_path / "whole.jsonl")
    whole = read_rows(tmp_path / "whole.jsonl")
    assert merged == whole
    assert rows_of_table(tmp_path / "warehouse.db", "deals") == whole
    assert portal.executed["crm.item.update"] > 100
