"""What an SQL operator returns, as the wanted state."""

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
            database.execute("CREATE TABLE belongs (contact, company, main, place)")
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


def test_no_rows_change_nothing(run_rows, portal):
    portal.bind(82, [(8, 10, True)])
    assert run_rows(FETCH_ALL, []).returned("sync")["contacts"] == 0
    assert not portal.writes


def test_rows_with_names_need_no_columns(run_rows, portal):
    names = ("contact_id", "company_id", "is_primary", "sort")
    expression = f"[dict(zip({names}, row)) for row in {FETCH_ALL}]"
    assert run_rows(expression, ROWS).returned("sync")["written"] == 3


def test_an_outer_joins_empty_company_unbinds_only_where_that_is_meant(run_rows, portal):
    portal.bind(82, [(8, 10, True)])
    run = run_rows(FETCH_ALL, [(82, None, None, None)], options="allow_empty=True,")
    assert run.returned("sync")["written"] == 1
    assert portal.bindings(82) == []


@pytest.mark.parametrize(
    ("expression", "rows", "message"),
    [
        (FETCH_ONE, ROWS, "a row must be a dict, or a tuple as long as columns, got 82"),
        (FETCH_ONE, [], "a task that returns nothing gives None"),
        ("None", ROWS, "a task that returns nothing gives None"),
        (f"[{FETCH_ALL}, {FETCH_ALL}]", ROWS, "line 1"),
        (FETCH_ALL.replace("contact,", "contact, contact,"), ROWS, "a tuple as long as columns"),
        (FETCH_ALL, [(None, 8, None, None)], "contact_id must be a positive whole number, got None"),
        (FETCH_ALL, [(82, None, None, None)], "which would unbind every company"),
        (FETCH_ALL, [(82, 8.5, None, None)], "must be a positive whole number, got 8.5"),
        (FETCH_ALL, [(82, 8, None, None), (82, 8, None, None)], "repeats company 8"),
        (FETCH_ALL, [(82, 8, "yes", None)], "must be True, False"),
    ],
    ids=[
        "one row",
        "no row",
        "None",
        "several results",
        "a column too many",
        "no contact",
        "no company",
        "half a company",
        "a company twice",
        "an odd flag",
    ],
)
def test_what_is_no_list_of_sound_rows_fails_for_good_before_anything_is_sent(
    run_rows, portal, expression, rows, message
):
    portal.bind(82, [(8, 10, True)])
    run = run_rows(expression, rows)
    assert (run.states["sync"], run.tries["sync"]) == ("failed", 1)
    assert message in run.log
    assert portal.requests == 0
