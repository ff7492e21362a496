"""Lists in tables: SQLite, DuckDB, and real servers of PostgreSQL and MariaDB."""

import json
from contextlib import closing
from datetime import datetime

import pytest

from airflow_provider_b24.errors import Bitrix24AuthError, Bitrix24InputError
from airflow_provider_b24.export.incremental import changed_since
from airflow_provider_b24.export.load import LoadOptions, load_list
from airflow_provider_b24.sandbox import Fault
from tests.export.databases import database, mariadb_port, postgres_server  # noqa: F401 - fixtures

pytestmark = pytest.mark.sqlalchemy

DEALS = {"entityTypeId": 2, "filter": {"<=id": 1_234}}


@pytest.fixture
def load(deals, make_client, database, tmp_path):  # noqa: F811
    def load(method="crm.item.list", params=DEALS, table="deals", **options):
        options = LoadOptions(scratch=tmp_path / "scratch", **options)
        target = database.target(table)
        return load_list(make_client(portal=deals), method, params, target, options, lambda line: None)

    return load


@pytest.fixture
def select(database):  # noqa: F811
    """Rows of the table as dicts, by id."""

    def select():
        with closing(database.connect()) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT * FROM deals")
            names = [column[0] for column in cursor.description]
            return {
                row["id"]: row for row in (dict(zip(names, row, strict=True)) for row in cursor.fetchall())
            }

    return select


def test_a_table_is_created_with_every_row(load, select, deals, make_client):
    deals.update_record("deal", 7, TITLE="50 % \\ 'quoted' \"ü\" ?", UF_CRM_TAGS=["a", "b"])
    summary = load()
    assert (summary["rows"], summary["written"], summary["deleted"]) == (1_234, 1_234, 0)
    rows = select()
    wanted = {row["id"]: row for row in make_client(portal=deals).pages("crm.item.list", DEALS)}
    assert rows.keys() == wanted.keys()
    assert summary["columns"] == len(wanted[1]) == len(rows[1])
    for number, row in rows.items():
        given = wanted[number]
        assert row["title"] == given["title"]
        assert float(row["opportunity"]) == given["opportunity"]
        assert bool(row["opened"]) is (given["opened"] == "Y")
        assert row["uf_crm_kind"] is given["ufCrmKind"] is None
    tags = rows[7]["uf_crm_tags"]
    assert (json.loads(tags) if isinstance(tags, str) else tags) == ["a", "b"]


@pytest.mark.slow
@pytest.mark.parametrize("database", ["psycopg2"], indirect=True)
def test_times_in_postgres_are_times_with_a_zone(load, select, deals, make_client):
    load()
    row = select()[5]
    given = next(iter(make_client(portal=deals).pages("crm.item.list", {**DEALS, "filter": {"id": 5}})))
    assert row["updated_time"] == datetime.fromisoformat(given["updatedTime"])
    assert row["begindate"].isoformat() == given["begindate"][:10]


def test_a_second_load_changes_nothing_and_a_third_what_is_new(load, select, deals):
    load()
    again = load()
    assert (again["rows"], again["written"]) == (1_234, 0)
    deals.update_record("deal", 82, TITLE="changed")
    assert load()["written"] == 1
    assert select()[82]["title"] == "changed"
    assert len(select()) == 1_234


def test_a_new_field_becomes_a_column(load, select, deals):
    assert load()["added_columns"] == []
    deals.add_user_field(2, "UF_CRM_NEW", "double")
    deals.update_record("deal", 82, UF_CRM_NEW=2.5)
    assert load()["added_columns"] == ["uf_crm_new"]
    assert float(select()[82]["uf_crm_new"]) == 2.5
    assert select()[81]["uf_crm_new"] is None


def test_a_phone_that_is_gone_is_gone_from_the_table(load, select, deals, clock):
    """The older methods leave out a phone that a contact does not have."""
    asked = {"select": ["ID", "PHONE"]}
    deals.add_contact(1, NAME="Ida", PHONE="+1 555 0100")
    since = load("crm.contact.list", asked)["watermark"]
    assert "+1 555 0100" in str(select()[1]["phone"])
    clock.sleep(3600)
    deals.update_record("contact", 1, PHONE=[])
    load("crm.contact.list", asked, changed=changed_since("crm.contact.list", asked, "DATE_MODIFY", since))
    assert select()[1]["phone"] is None


def test_rows_that_are_not_in_the_list_are_deleted_when_asked(load, select, deals):
    load()
    for number in (1, 82, 1_234):
        deals.delete_record("deal", number)
    assert load()["deleted"] == 0
    assert 82 in select()
    assert load(delete_missing=True)["deleted"] == 3
    assert len(select()) == 1_231


def test_only_what_changed_is_read_and_the_rest_stays(load, select, deals, clock):
    since = load()["watermark"]
    clock.sleep(3600)
    deals.update_record("deal", 82, TITLE="changed")
    deals.delete_record("deal", 7)
    changed = changed_since("crm.item.list", DEALS, "updatedTime", since)
    summary = load(changed=changed, delete_missing=True)
    assert (summary["rows"], summary["deleted"]) == (1, 1)
    assert select()[82]["title"] == "changed"
    assert len(select()) == 1_233


def test_names_of_codes_are_columns(load, select):
    load(readable=True)
    assert select()[1]["stage_id_name"]
    assert select()[1]["assigned_by_id_name"] == "Alex Morgan"


def test_an_error_leaves_the_table_as_it_was(load, select, deals):
    load()
    before = select()
    deals.update_record("deal", 1, TITLE="changed")
    deals.faults = [Fault("expired_token", on=3)]
    with pytest.raises(Bitrix24AuthError):
        load(params={"entityTypeId": 2})
    assert select() == before


def test_tasks_have_a_number_as_their_key(load, select):
    assert load("tasks.task.list", {"select": ["TITLE"]}, delete_missing=True)["rows"] == 120
    assert set(select()) == set(range(1, 121))


def test_no_rows_are_a_table_without_rows(load, select):
    summary = load(params={"entityTypeId": 2, "filter": {">id": 30_000}})
    assert (summary["rows"], select()) == (0, {})
    assert load()["written"] == 1_234


def test_a_list_read_by_offset_is_refused(load, deals):
    with pytest.raises(Bitrix24InputError, match="read by id"):
        load("crm.deal.list", {"order": {"TITLE": "ASC"}})
    assert deals.requests == 0


def test_a_table_of_ids_alone_can_be_loaded_again(load, select, deals):
    asked = {"entityTypeId": 2, "select": ["id"], "filter": {"<=id": 20}}
    assert load(params=asked)["columns"] == 1
    deals.delete_record("deal", 7)
    assert load(params=asked, delete_missing=True)["deleted"] == 1
    assert len(select()) == 19
