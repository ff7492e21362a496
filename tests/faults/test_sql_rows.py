"""What an SQL operator returns, as the wanted state; tests/sync/test_input.py has the shapes of rows."""

import sqlite3

import pytest

from tests.faults.portals import make_portal

pytestmark = pytest.mark.airflow

DAG = """
    import sqlite3
    from datetime import datetime
    from airflow.providers.common.compat.sdk import DAG, task
    from airflow_provider_b24.operators.sync import SyncContactCompaniesOperator

    with DAG(dag_id="sql_rows", schedule=None, start_date=datetime(2026, 1, 1)):

        @task
        def query():
            with sqlite3.connect({database!r}) as database:
                return {expression}

        SyncContactCompaniesOperator(
            task_id="sync",
            bindings=query(),
            columns=["contact_id", "company_id", "is_primary", "sort"],
            retries=3,
            {options}
        )
"""
QUERY = "SELECT contact, company, main, place FROM belongs"


@pytest.fixture
def portal():
    return make_portal(200)


@pytest.fixture
def run_rows(run_dag, serve, portal, tmp_path, monkeypatch):
    """Run a DAG whose first task returns rows of a database and whose second writes them to the portal."""
    from tests.faults.portals import CODE

    connection = serve(portal).connection_json(code=CODE, plan="none")
    monkeypatch.setenv("AIRFLOW_CONN_BITRIX24_DEFAULT", connection)

    def run(expression, rows, options=""):
        path = tmp_path / "crm.db"
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE IF NOT EXISTS belongs (contact, company, main, place)")
            database.execute("DELETE FROM belongs")
            database.executemany("INSERT INTO belongs VALUES (?, ?, ?, ?)", rows)
        return run_dag(DAG.format(database=str(path), expression=expression, options=options))

    return run


ROWS = [(82, 8, "Y", 100), (83, 10, None, None), (82, 9, "N", 200), (84, 11.0, None, None)]
FETCH_ONE = f"database.execute({QUERY!r}).fetchone()"
FETCH_ALL = f"database.execute({QUERY!r}).fetchall()"


def test_rows_are_tuples_in_any_order(run_rows, portal):
    assert run_rows(FETCH_ALL, ROWS).returned("sync")["written"] == 3
    assert portal.bindings(82) == [
        {"COMPANY_ID": 8, "SORT": 100, "ROLE_ID": 0, "IS_PRIMARY": "Y"},
        {"COMPANY_ID": 9, "SORT": 200, "ROLE_ID": 0, "IS_PRIMARY": "N"},
    ]
    assert [row["COMPANY_ID"] for row in portal.bindings(83)] == [10]
    assert [row["COMPANY_ID"] for row in portal.bindings(84)] == [11]


def test_an_outer_joins_empty_company_unbinds_only_where_that_is_meant(run_rows, portal):
    portal.bind(82, [(8, 10, True)])
    run = run_rows(FETCH_ALL, [(82, None, None, None)])
    assert (run.states["sync"], run.tries["sync"]) == ("failed", 1)
    assert "which would unbind every company" in run.log
    assert portal.requests == 0
    run = run_rows(FETCH_ALL, [(82, None, None, None)], options="allow_empty=True,")
    assert run.returned("sync")["written"] == 1
    assert portal.bindings(82) == []


def test_a_query_that_found_nothing_fails_for_good_before_anything_is_sent(run_rows, portal):
    run = run_rows(FETCH_ONE, [])
    assert (run.states["sync"], run.tries["sync"]) == ("failed", 1)
    assert "a task that returns nothing gives None" in run.log
    assert portal.requests == 0
