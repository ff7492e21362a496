"""Loads through Airflow's connections, into each kind of database and by each of its drivers."""

import json
import sqlite3
from contextlib import closing

import pytest

pytest.importorskip("airflow", reason="needs Airflow")

from airflow_provider_b24.errors import Bitrix24ConfigError, Bitrix24TableError
from tests.export.databases import mariadb_port, postgres_server  # noqa: F401 - fixtures

pytestmark = pytest.mark.airflow
DEALS = {"entityTypeId": 2}


@pytest.fixture
def load(portal, bitrix24_conn, airflow_console, monkeypatch, tmp_path):
    """Set the connection of the warehouse, and load deals into it."""
    monkeypatch.setenv("AIRFLOW__BITRIX24__SCRATCH_PATH", str(tmp_path / "scratch"))
    portal.add_generated(deal=120)

    def load(connection, table="deals", **options):
        from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook

        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(connection))
        with airflow_console.captured():
            return Bitrix24Hook().load("crm.item.list", DEALS, conn_id="warehouse", table=table, **options)

    return load


def check_loads(load, portal, connection):
    first = load(connection)
    assert (first["rows"], first["written"], first["deleted"]) == (120, 120, 0)
    portal.update_record("deal", 7, TITLE="Änderung 😀", OPPORTUNITY=12.5)
    portal.delete_record("deal", 8)
    portal.add_user_field(2, "UF_CRM_NEW", "double")
    second = load(connection, delete_missing=True)
    assert (second["rows"], second["written"], second["deleted"]) == (119, 1, 1)
    assert second["added_columns"] == ["uf_crm_new"]
    assert load(connection, delete_missing=True)["written"] == 0


def test_sqlite(load, portal, tmp_path):
    pytest.importorskip("airflow.providers.sqlite", reason="needs the SQLite provider")
    path = tmp_path / "warehouse.db"
    check_loads(load, portal, {"conn_type": "sqlite", "host": str(path)})
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT title, opportunity FROM deals WHERE id = 7").fetchall() == [
            ("Änderung 😀", "12.5")
        ]


def test_duckdb(load, portal, tmp_path):
    pytest.importorskip("airflow.providers.duckdb", reason="needs the DuckDB provider")
    check_loads(load, portal, {"conn_type": "duckdb", "host": str(tmp_path / "warehouse.duckdb")})


@pytest.mark.slow
@pytest.mark.parametrize("extra", [{}, {"cursor": "dictcursor"}, {"options": "-c search_path=crm"}])
def test_postgres(load, portal, postgres_server, extra):  # noqa: F811
    pytest.importorskip("airflow.providers.postgres", reason="needs the PostgreSQL provider")
    import psycopg2

    with closing(psycopg2.connect(postgres_server)) as connection:
        connection.cursor().execute(
            "DROP TABLE IF EXISTS deals; DROP SCHEMA IF EXISTS crm CASCADE; CREATE SCHEMA crm"
        )
        connection.commit()
    facts = dict(fact.split("=") for fact in postgres_server.split())
    warehouse = {
        "conn_type": "postgres",
        "host": facts["host"],
        "port": int(facts["port"]),
        "login": facts["user"],
        "schema": facts["dbname"],
        "extra": extra,
    }
    check_loads(load, portal, warehouse)
    with closing(psycopg2.connect(postgres_server)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'deals'")
        assert cursor.fetchall() == [("crm" if "options" in extra else "public",)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "extra", [{}, {"client": "mysql-connector-python"}, {"charset": "utf8mb4", "cursor": "dictcursor"}]
)
def test_mariadb(load, portal, mariadb_port, extra):  # noqa: F811
    pytest.importorskip("airflow.providers.mysql", reason="needs the MySQL provider")
    import mysql.connector

    with closing(mysql.connector.connect(host="127.0.0.1", port=mariadb_port, user="root")) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE OR REPLACE DATABASE warehouse CHARACTER SET latin1")
    warehouse = {
        "conn_type": "mysql",
        "host": "127.0.0.1",
        "port": mariadb_port,
        "login": "root",
        "schema": "warehouse",
        "extra": extra,
    }
    check_loads(load, portal, warehouse)


def test_a_connection_that_does_not_exist_or_is_not_one_to_a_database(portal, bitrix24_conn, airflow_console):
    from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook

    for conn_id, words in (
        ("nowhere", "connection nowhere cannot be used"),
        (bitrix24_conn, "not one to a database"),
    ):
        with airflow_console.captured(), pytest.raises(Bitrix24ConfigError, match=words):
            Bitrix24Hook().load("crm.item.list", DEALS, conn_id=conn_id, table="deals")
    assert portal.requests == 0


def test_a_provider_that_is_not_installed_is_said(load, portal):
    with pytest.raises(Bitrix24ConfigError, match="cannot be used") as caught:
        load({"conn_type": "nosuchdatabase", "host": "h", "password": "canary-password"})
    assert "provider" in caught.value.advice
    assert portal.requests == 0


def test_a_database_that_cannot_be_reached_is_said_before_anything_is_read(load, portal, tmp_path):
    pytest.importorskip("airflow.providers.sqlite", reason="needs the SQLite provider")
    with pytest.raises(Bitrix24TableError, match="table deals: cannot connect"):
        load({"conn_type": "sqlite", "host": str(tmp_path / "no" / "warehouse.db")})
    assert portal.requests == 0
