"""Rows in tables of every kind of database: what is written, what is counted, and what stays as it was."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from airflow_provider_b24.errors import Bitrix24AuthError, Bitrix24Error, Bitrix24TableError
from airflow_provider_b24.export.columns import Column
from airflow_provider_b24.export.targets.table import write_table
from tests.export.databases import database, mariadb_port, postgres_server  # noqa: F401 - fixtures

pytestmark = pytest.mark.sqlalchemy

MOSCOW = timezone(timedelta(hours=3))
TIME = datetime(2026, 3, 1, 1, 30, 5, 250_000, tzinfo=MOSCOW)
COLUMNS = [
    Column("id", "integer"),
    Column("title", "string"),
    Column("opportunity", "number"),
    Column("opened", "boolean"),
    Column("begindate", "date"),
    Column("updatedTime", "datetime"),
    Column("ufCrmTags", "json"),
    Column("order", "integer"),
]
FULL = (
    1,
    "Ünï'c\"ode 😀 %s :x \\",
    Decimal("1234567890123.45"),
    True,
    date(2026, 3, 1),
    TIME,
    '["a", {"b": 1}]',
    5,
)
EMPTY = (2, None, None, None, None, None, None, None)


@pytest.fixture
def write(database):  # noqa: F811
    """Write rows into a table, one list after another."""

    def write(*lists, columns=COLUMNS, table="deals", key="id", login=None, log=None, **options):
        lines = [] if log is None else log
        target = database.target(table, **(login or {}))
        return write_table(target, columns, key, lambda: iter(lists), log=lines.append, **options)

    return write


@pytest.fixture
def read(database):  # noqa: F811
    """The rows of a table by id, with the types of Python that rows are written with."""

    def read(table="deals", columns=COLUMNS):
        names = [column.name for column in columns]
        plain = {"updatedTime": "updated_time", "ufCrmTags": "uf_crm_tags"}
        quote = "`" if database.is_mariadb else '"'
        listed = ", ".join(f"{quote}{plain.get(name, name)}{quote}" for name in names)
        rows = database.execute(f"SELECT {listed} FROM {table}")
        return {
            int(row[0]): tuple(_value(value, column) for value, column in zip(row, columns, strict=True))
            for row in rows
        }

    return read


def _value(value, column):
    if value is None:
        return None
    if column.type == "number":
        return Decimal(str(value))
    if column.type == "boolean":
        return bool(value)
    if column.type == "date" and isinstance(value, str):
        return date.fromisoformat(value)
    if column.type == "datetime":
        value = datetime.fromisoformat(value) if isinstance(value, str) else value
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return json.dumps(value) if isinstance(value, list | dict) else value


def test_every_type_is_read_back(write, read):
    assert write([FULL, EMPTY]).written == 2
    rows = read()
    assert json.loads(rows[1][6]) == json.loads(FULL[6])
    assert rows == {1: (*FULL[:6], rows[1][6], 5), 2: EMPTY}


def test_times_are_stored_with_their_zone_or_as_utc(write, database):  # noqa: F811
    write([FULL])
    ((stored,),) = database.execute("SELECT updated_time FROM deals")
    if database.name == "sqlite":
        assert stored == "2026-02-28T22:30:05.250000+00:00"
    elif database.is_postgres or database.name == "duckdb":
        assert stored == TIME
    else:
        assert str(stored) == "2026-02-28 22:30:05.250000"


def test_only_rows_that_differ_are_written(write, read, database):  # noqa: F811
    rows = [
        (number, f"t{number}", Decimal(number), None, None, TIME, None, None) for number in range(1, 2_501)
    ]
    assert write(rows[:700], rows[700:]).written == 2_500
    assert write(rows).written == 0
    same_instant = TIME.astimezone(UTC)
    changed = [
        (1, "T1", *rows[0][2:]),  # only its case
        (2, "t2 ", *rows[1][2:]),  # only a space at the end
        (3, None, *rows[2][2:]),  # a value becomes none
        (4, "t4", rows[3][2], False, *rows[3][4:]),  # and none a value
        (5, "t5", rows[4][2], None, None, same_instant, None, None),  # the same
        (6, "t6", Decimal("6.0"), *rows[5][3:]),  # the same, but where amounts are texts
        (2_501, "new", *EMPTY[2:]),
    ]
    assert write(changed).written == (6 if database.name == "sqlite" else 5)
    assert write(changed).written == 0
    found = read()
    assert (found[1][1], found[2][1], found[3][1], found[4][3]) == ("T1", "t2 ", None, False)
    assert len(found) == 2_501


def test_json_is_compared_by_its_text_or_its_meaning(write, database):  # noqa: F811
    row = (1, "a", None, None, None, None, '{"a": [1, 2], "b": null}', None)
    write([row])
    assert write([row]).written == 0
    respelled = (*row[:6], '{"b":null,"a":[1,2]}', None)
    assert write([respelled]).written == (0 if database.is_postgres else 1)
    assert write([(*row[:6], '{"a": [2, 1], "b": null}', None)]).written == 1


def test_new_fields_are_columns_and_one_line(write, read):
    write([FULL[:2]], columns=COLUMNS[:2])
    log = []
    result = write([FULL], log=log)
    assert result.added_columns == [
        "opportunity",
        "opened",
        "begindate",
        "updated_time",
        "uf_crm_tags",
        "order",
    ]
    assert result.written == 1
    assert result.names["updatedTime"] == "updated_time"
    assert len([line for line in log if "columns added" in line]) == 1
    assert read()[1][2] == FULL[2]
    assert write([FULL]).added_columns == []


def test_a_column_that_is_not_loaded_stays(write, read):
    write([FULL])
    assert write([(1, "new")], columns=COLUMNS[:2]).written == 1
    assert (read()[1][1], read()[1][2]) == ("new", FULL[2])


def test_rows_that_are_not_in_the_list_are_deleted(write, read):
    rows = [(number, f"t{number}") for number in range(1, 101)]
    write(rows, columns=COLUMNS[:2])
    kept = [number for number in range(1, 101) if number not in (1, 50, 100)]
    result = write([(50, "again")], columns=COLUMNS[:2], keep_ids=lambda: iter(kept))
    assert result.deleted == 3
    assert sorted(read(columns=COLUMNS[:2])) == kept


@pytest.mark.parametrize(("kept", "most"), [((), None), (range(1, 50), None), (range(1, 99), 1), ((), 1_000)])
def test_too_many_deletions_leave_everything_as_it_was(write, read, kept, most):
    write([(number, "old") for number in range(1, 101)], columns=COLUMNS[:2])
    with pytest.raises(Bitrix24Error, match=r"100 rows are no longer in the list.*nothing was deleted"):
        write([(1, "new")], columns=COLUMNS[:2], keep_ids=lambda: iter(kept), max_deleted=most)
    assert read(columns=COLUMNS[:2]) == {number: (number, "old") for number in range(1, 101)}


def test_all_rows_are_deleted_only_if_that_is_said(write, read):
    write([(number, "old") for number in range(1, 101)], columns=COLUMNS[:2])
    assert write(columns=COLUMNS[:2], keep_ids=lambda: iter(()), max_deleted=1.0).deleted == 100
    assert read(columns=COLUMNS[:2]) == {}


def test_a_few_rows_may_all_be_replaced_by_others(write, read):
    write([(number, "old") for number in range(1, 11)], columns=COLUMNS[:2])
    result = write([(50, "new")], columns=COLUMNS[:2], keep_ids=lambda: iter([50]))
    assert (result.written, result.deleted) == (1, 10)
    assert read(columns=COLUMNS[:2]) == {50: (50, "new")}


def test_a_row_without_an_id_is_not_of_the_list(write, database):  # noqa: F811
    database.execute(
        "CREATE TABLE deals (id BIGINT UNIQUE, title VARCHAR(20))", "INSERT INTO deals VALUES (NULL, 'x')"
    )
    write([(1, "a")], columns=COLUMNS[:2], keep_ids=lambda: iter([1]))
    assert len(database.execute("SELECT * FROM deals")) == 2


def test_an_error_while_rows_are_read_is_raised_as_it_is(database):  # noqa: F811
    database.execute(
        "CREATE TABLE deals (id BIGINT PRIMARY KEY, title VARCHAR(20))", "INSERT INTO deals VALUES (1, 'old')"
    )

    def rows():
        yield [(1, "new")]
        raise Bitrix24AuthError("revoked")

    with pytest.raises(Bitrix24AuthError):
        write_table(database.target(), COLUMNS[:2], "id", rows, log=print)
    assert database.execute("SELECT id, title FROM deals") == [(1, "old")]


def test_a_failure_of_the_last_row_undoes_the_first(write, database):  # noqa: F811
    database.execute(
        "CREATE TABLE deals (id BIGINT PRIMARY KEY, title VARCHAR(20) UNIQUE)",
        "INSERT INTO deals VALUES (1, 'old')",
    )
    rows = [(number, f"t{number}") for number in range(1, 2_000)]
    with pytest.raises(Bitrix24TableError, match="unique constraint") as caught:
        write([*rows, (2_000, "t1999")], columns=COLUMNS[:2])
    assert not caught.value.temporary
    assert database.execute("SELECT id, title FROM deals") == [(1, "old")]


def test_an_id_that_occurs_twice_is_an_error(write, database):  # noqa: F811
    with pytest.raises(Bitrix24TableError):
        write([(1, "a"), (1, "b")], columns=COLUMNS[:2])


def test_names_of_tables_and_columns_may_be_reserved(write, database):  # noqa: F811
    columns = [
        Column(name, "integer") for name in ("id", "order", "user", "select", "group", "from", "key", "rank")
    ]
    columns += [Column("ctid"), Column("rowid"), Column("oid")]
    row = (*range(1, 9), "a", "b", "c")
    for table in ("order", "user", "group"):
        assert write([row], columns=columns, table=table).written == 1
        assert write([row], columns=columns, table=table).written == 0


def test_a_table_in_a_schema(write, database):  # noqa: F811
    if database.name in ("sqlite", "other"):
        schema = "main"
    else:
        schema = f"crm_{database.schema}"
        database.execute(f"CREATE SCHEMA {schema}")
    table = f"{schema}.deals"
    assert write([FULL], table=table).written == 1
    assert write([FULL[:2]], table=table, columns=COLUMNS[:2]).written == 0
    assert write([FULL], table=table, keep_ids=lambda: iter([1])).deleted == 0


def test_a_table_of_ids_alone(write):
    assert write([(1,), (2,)], columns=COLUMNS[:1]).written == 2
    assert write([(2,), (3,)], columns=COLUMNS[:1], keep_ids=lambda: iter([2, 3])).written == 1


def test_a_text_longer_than_64_kilobytes(write, database):  # noqa: F811
    text = "я" * 100_000
    write([(1, text)], columns=COLUMNS[:2])
    assert database.execute("SELECT title FROM deals") == [(text,)]
    assert write([(1, text)], columns=COLUMNS[:2]).written == 0


def test_many_columns(write, database):  # noqa: F811
    columns = [Column("id", "integer"), *(Column(f"ufCrm_{number}") for number in range(600))]
    assert write([(1, *["x"] * 600)], columns=columns).written == 1
    assert write([(1, *["x"] * 599, "y")], columns=columns).written == 1
    if database.is_server:  # its pages are smaller than such a row
        with pytest.raises(Bitrix24TableError, match="longer columns than the database takes"):
            write([(1, *["y" * 300] * 600)], columns=columns)


@pytest.mark.parametrize(
    "text", ["12345678901234567890.123456", "0.000001", "-99999999999999999999.5", "1E+3"]
)
def test_amounts_keep_their_digits_or_fail(write, read, database, text):  # noqa: F811
    columns = [Column("id", "integer"), Column("opportunity", "number")]
    if database.name == "other" and len(text) > 15:  # its driver takes no Decimal
        with pytest.raises(Bitrix24TableError, match="rounded"):
            write([(1, Decimal(text))], columns=columns)
        return
    write([(1, Decimal(text))], columns=columns)
    assert read(columns=columns)[1][1] == Decimal(text)
    assert write([(1, Decimal(text))], columns=columns).written == 0
