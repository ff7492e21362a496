"""Tables that exist already: what is refused before a row is written, and with which words."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from airflow_provider_b24.errors import Bitrix24InputError, Bitrix24TableError
from airflow_provider_b24.export.columns import Column
from airflow_provider_b24.export.targets.names import column_names, parse_table_name
from airflow_provider_b24.export.targets.table import check_target, write_table
from tests.export.databases import POSTGRES, database, mariadb_port, open_database, postgres_server  # noqa: F401

pytestmark = pytest.mark.sqlalchemy

ID, TITLE = Column("id", "integer"), Column("title")
TIME = datetime(2026, 3, 1, 1, 30, 5, 250_000, tzinfo=UTC)


@pytest.fixture
def write(database):  # noqa: F811
    def write(*rows, columns=(ID, TITLE), table="deals", **options):
        return write_table(
            database.target(table),
            columns,
            "id",
            lambda: iter([list(rows)]),
            log=lambda line: None,
            **options,
        )

    return write


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.slow) for name in POSTGRES])
def postgres(request, tmp_path):
    """An empty schema in PostgreSQL."""
    return open_database(request.param, request, tmp_path)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("id BIGINT, title VARCHAR(20)", "column id of table deals has no primary key or unique constraint"),
        (
            "id BIGINT, title VARCHAR(20), tenant INT, PRIMARY KEY (tenant, id)",
            "has no primary key or unique constraint of its own",
        ),
        ("number BIGINT PRIMARY KEY, title VARCHAR(20)", "has no column id"),
    ],
)
def test_a_table_without_a_key_is_refused_before_anything_is_read(database, write, columns, words):  # noqa: F811
    if database.name == "other" and "number" not in columns:
        pytest.skip("keys are not asked for where they may not be declared")
    database.execute(f"CREATE TABLE deals ({columns})")
    for action in (lambda: check_target(database.target(), "id"), lambda: write((1, "a"))):
        with pytest.raises(Bitrix24TableError, match=words) as caught:
            action()
        assert caught.value.table == "deals"
        assert caught.value.advice
        assert not caught.value.temporary


def test_a_view_is_refused(database, write):  # noqa: F811
    database.execute(
        "CREATE TABLE base (id BIGINT PRIMARY KEY, title VARCHAR(20))",
        "CREATE VIEW deals AS SELECT * FROM base",
    )
    for action in (lambda: check_target(database.target(), "id"), lambda: write((1, "a"))):
        with pytest.raises(Bitrix24TableError, match="deals is a view"):
            action()


@pytest.mark.parametrize(
    "columns",
    [
        "id BIGINT UNIQUE, title VARCHAR(20)",
        "row_id INTEGER DEFAULT 7, id BIGINT PRIMARY KEY, title VARCHAR(20)",
        "id VARCHAR(20) PRIMARY KEY, title VARCHAR(20)",
        "id INTEGER PRIMARY KEY, title VARCHAR(20), loaded_at VARCHAR(20) DEFAULT 'x' NOT NULL",
        "id DECIMAL(20,0) PRIMARY KEY, title CHAR(20)",
    ],
)
def test_a_table_of_somebody_else_is_loaded(database, write, columns):  # noqa: F811
    database.execute(f"CREATE TABLE deals ({columns})")
    check_target(database.target(), "id", deletes=True)
    rows = [(number, f"t{number}") for number in (1, 2, 9, 10, 100)]
    assert write(*rows).written == 5
    again = write(*rows, keep_ids=lambda: iter([1, 2, 9, 10, 100]))
    assert (again.written, again.deleted) == (0, 0)
    assert write((2, "changed"), keep_ids=lambda: iter([1, 2, 9])).deleted == 2
    found = database.execute("SELECT id, title FROM deals ORDER BY id")
    assert [(int(number), title.rstrip()) for number, title in found] == [
        (1, "t1"),
        (2, "changed"),
        (9, "t9"),
    ]


def test_a_unique_index_is_a_key_but_not_one_of_some_rows(database, write):  # noqa: F811
    database.execute(
        "CREATE TABLE deals (id BIGINT, title VARCHAR(20))", "CREATE UNIQUE INDEX one ON deals (id)"
    )
    assert write((1, "a")).written == 1
    if database.name == "sqlite" or database.is_postgres:
        database.execute(
            "CREATE TABLE partly (id BIGINT, title VARCHAR(20))",
            "CREATE UNIQUE INDEX two ON partly (id) WHERE title = 'a'",
        )
        with pytest.raises(Bitrix24TableError, match="unique constraint"):
            write((1, "a"), table="partly")


@pytest.mark.parametrize(
    ("type_", "column", "value", "words"),
    [
        ("VARCHAR(3)", "string", "long", "it has 4 characters, and the column takes 3"),
        ("INTEGER", "number", Decimal("2.75"), "it is not a whole number"),
        ("INTEGER", "integer", 2**31, "the column takes -2,147,483,648 to 2,147,483,647"),
        ("SMALLINT", "integer", 40_000, "the column takes -32,768 to 32,767"),
        ("DECIMAL(5,2)", "number", Decimal("1.005"), "takes 3 digits before the point and 2 after"),
        ("DECIMAL(5,2)", "number", Decimal("1000"), "takes 3 digits before the point and 2 after"),
        ("DOUBLE PRECISION", "number", Decimal("1.2345678901234567890"), "rounded"),
        ("DOUBLE PRECISION", "integer", 2**53 + 1, "rounded"),
        ("VARCHAR(20) NOT NULL", "string", None, "must have a value"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_row(database, write, type_, column, value, words):  # noqa: F811
    if database.name in ("sqlite", "duckdb") and type_.startswith("VARCHAR(3)"):
        pytest.skip("a length is not enforced here, so the text fits")
    if database.name in ("sqlite", "other") and type_.startswith("DECIMAL"):
        words = "rounded" if value == Decimal("1.005") else words
        if value in (Decimal("1.005"), Decimal(1000)):
            pytest.skip("DECIMAL(5,2) is a float here, and this value fits")
    database.execute(
        f"CREATE TABLE deals (id BIGINT PRIMARY KEY, x {type_})", "INSERT INTO deals VALUES (1, 7)"
    )
    with pytest.raises(Bitrix24TableError, match=words) as caught:
        write((1, None if "NOT" not in type_ else "a"), (5, value), columns=(ID, Column("x", column)))
    error = caught.value
    assert (error.table, error.column, error.row_id, error.temporary) == ("deals", "x", 5, False)
    assert "row 5" in str(error)
    assert error.advice
    assert [int(value) for _, value in database.execute("SELECT id, x FROM deals")] == [7]


@pytest.mark.parametrize(
    ("type_", "column", "value"),
    [
        ("VARCHAR(3)", "string", "abc"),
        ("VARCHAR(50)", "datetime", TIME),
        ("VARCHAR(50)", "number", Decimal("10.50")),
        ("INTEGER", "number", Decimal("2.00")),
        ("INTEGER", "boolean", True),
        ("DECIMAL(5,2)", "number", Decimal("999.990")),
        ("DOUBLE PRECISION", "number", Decimal("10.1")),
        ("REAL", "number", Decimal("10.5")),
        ("BIGINT", "integer", 2**62),
        ("TIMESTAMP", "date", date(2026, 3, 1)),
        ("TIMESTAMP", "datetime", TIME.replace(microsecond=0)),
    ],
)
def test_a_value_that_fits_is_written_once(database, write, type_, column, value):  # noqa: F811
    database.execute(f"CREATE TABLE deals (id BIGINT PRIMARY KEY, x {type_} NULL)")
    columns = (ID, Column("x", column))
    assert write((1, value), (2, None), columns=columns).written == 2
    assert write((1, value), (2, None), columns=columns).written == 0


@pytest.mark.parametrize(
    ("type_", "column"),
    [
        ("BIGINT", "string"),
        ("DECIMAL(10,2)", "string"),
        ("DATE", "datetime"),
        ("BIGINT", "json"),
        ("BOOLEAN", "json"),
        ("TIMESTAMP", "string"),
        ("BLOB", "string"),
    ],
)
def test_a_column_of_another_type_is_refused_with_what_to_do(database, write, type_, column):  # noqa: F811
    if database.is_postgres:
        type_ = type_.replace("BLOB", "BYTEA")
    database.execute(f"CREATE TABLE deals (id BIGINT PRIMARY KEY, uf_x {type_} NULL)")
    with pytest.raises(Bitrix24TableError, match="cannot hold every value of ufX") as caught:
        write((1, None), columns=(ID, Column("ufX", column)))
    assert caught.value.column == "uf_x"
    assert "types={'ufX'" in caught.value.advice


def test_a_column_that_needs_a_value_and_gets_none_is_refused(database, write):  # noqa: F811
    database.execute("CREATE TABLE deals (id BIGINT PRIMARY KEY, tenant INT NOT NULL)")
    with pytest.raises(Bitrix24TableError, match="column tenant of table deals must have a value"):
        write((1, "a"))


def test_too_many_columns_are_refused(database, write):  # noqa: F811
    if database.name in ("duckdb", "other"):
        pytest.skip("has no such limit that we know")
    columns = (ID, *(Column(f"f{number}") for number in range(2_500)))
    with pytest.raises(Bitrix24TableError, match="2,501 columns"):
        write((1, *[None] * 2_500), columns=columns)


def test_a_schema_that_does_not_exist_is_named(database):  # noqa: F811
    with pytest.raises(Bitrix24TableError, match="no schema nowhere") as caught:
        check_target(database.target("nowhere.deals"), "id")
    assert "CREATE SCHEMA nowhere" in caught.value.advice


def test_a_check_leaves_nothing(database):  # noqa: F811
    check_target(database.target(), "id", deletes=True)
    with pytest.raises(Exception):  # noqa: B017, PT011 - the driver's
        database.execute("SELECT * FROM deals")


def test_unquoted_names_are_folded_as_the_database_does(database, write):  # noqa: F811
    write((1, "a"), table="Deals2")
    assert write((1, "a"), table="deals2" if not database.is_mariadb else "Deals2").written == 0
    if database.is_postgres:
        names = [
            name
            for (name,) in database.execute(
                "SELECT relname FROM pg_class WHERE relname ILIKE 'deals2' AND pg_table_is_visible(oid)"
            )
        ]
        assert names == ["deals2"]


def test_names_in_quotes_keep_their_case(postgres):
    def write(table):
        return write_table(postgres.target(table), (ID, TITLE), "id", lambda: iter([[(1, "a")]]), log=print)

    postgres.execute('CREATE TABLE "DealsQ" (id BIGINT PRIMARY KEY, title TEXT)')
    assert write("DealsQ").written == 1  # the only one that can be meant
    assert write('"DealsQ"').written == 0
    postgres.execute("CREATE TABLE dealsq (id BIGINT PRIMARY KEY, title TEXT)")
    assert write("DealsQ").written == 1  # now the folded name has a table
    assert write('"My deals"').written == 1


def test_columns_of_another_case_are_named(postgres):
    postgres.execute('CREATE TABLE deals ("ID" BIGINT PRIMARY KEY, title TEXT)')
    with pytest.raises(Bitrix24TableError, match='has the column "ID", but the load writes id') as caught:
        check_target(postgres.target(), "id")
    assert 'RENAME COLUMN "ID" TO id' in caught.value.advice


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("title TEXT GENERATED ALWAYS AS ('a') STORED", "column title of table deals is generated"),
        ("title INT[]", "has the type"),
        ("title UUID", "has the type"),
    ],
)
def test_columns_that_cannot_be_written_are_refused(postgres, column, words):
    postgres.execute(f"CREATE TABLE deals (id BIGINT PRIMARY KEY, {column})")
    with pytest.raises(Bitrix24TableError, match=words):
        write_table(postgres.target(), (ID, TITLE), "id", lambda: iter([[(1, "a")]]), log=print)


def test_an_id_that_only_the_database_writes_is_refused(postgres):
    postgres.execute("CREATE TABLE deals (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title TEXT)")
    with pytest.raises(Bitrix24TableError, match="column id of table deals is generated"):
        check_target(postgres.target(), "id")


def test_texts_are_compared_byte_by_byte_whatever_their_collation(postgres):
    postgres.execute(
        "CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        'CREATE TABLE deals (id BIGINT PRIMARY KEY, title TEXT COLLATE nocase, kind TEXT COLLATE "C")',
    )
    columns = (ID, TITLE, Column("kind"))
    for row, written in (((1, "a", "x"), 1), ((1, "A", "x"), 1), ((1, "A", "x"), 0)):
        result = write_table(postgres.target(), columns, "id", lambda row=row: iter([[row]]), log=print)
        assert result.written == written


@pytest.mark.parametrize(
    "table", ["deals; drop table x", 'a"b', "", "a.b.c", "1deals", None, "a b", '""', "crm."]
)
def test_what_is_no_name_of_a_table_is_refused(table):
    with pytest.raises(Bitrix24InputError, match="plain name"):
        parse_table_name(table)


def test_names_of_tables_are_read():
    name = parse_table_name('crm."My ""deals"""')
    assert (name.schema, name.name, name.is_quoted) == ("crm", 'My "deals"', True)
    name = parse_table_name("déals")
    assert (name.schema, name.name, name.is_quoted) == (None, "déals", False)


def test_names_of_columns_are_plain_and_never_the_same():
    fields = ["updatedTime", "UF_CRM_1", "ufCrm_1", "UPDATED_TIME", "1st", "a-b", "a b", "x" * 80, "xmin", ""]
    names = column_names(fields)
    assert list(names) == fields
    assert (names["UPDATED_TIME"], names["1st"], names["xmin"]) == ("updated_time", "_1st", "xmin_")
    assert names["updatedTime"].startswith("updated_time_")
    assert len(set(names.values())) == len(fields)
    assert max(map(len, names.values())) == 63


def test_names_of_columns_do_not_depend_on_the_order_or_on_other_fields():
    fields = ["a-b", "a b", "x" * 70, "x" * 71]
    names = column_names(fields)
    assert column_names(fields[::-1]) == names
    assert column_names(fields[2:3])["x" * 70] == names["x" * 70]
    loser = next(field for field in ("a-b", "a b") if names[field] != "a_b")
    assert column_names([loser], existing=list(names.values())) == {loser: names[loser]}


def test_thousands_of_names_that_collide_are_told_apart_at_once():
    fields = [f"{'x' * 60}{'-' * number}{'_' * (3_000 - number)}" for number in range(3_000)]
    names = column_names(fields, 30)
    assert len(set(names.values())) == 3_000
    assert max(map(len, names.values())) <= 30


@pytest.mark.parametrize("type_", ["BIGINT", "DATE", "VARCHAR(3)"])
def test_a_field_that_the_portal_no_longer_has_is_emptied_whatever_its_column_was_made_for(
    database,  # noqa: F811
    write,
    type_,
):
    value = {"BIGINT": "7", "DATE": "'2026-03-01'", "VARCHAR(3)": "'abc'"}[type_]
    database.execute(
        f"CREATE TABLE deals (id BIGINT PRIMARY KEY, title VARCHAR(20), gone {type_})",
        f"INSERT INTO deals VALUES (1, 'a', {value}), (2, 'b', {value})",
    )
    columns = (ID, TITLE, Column("gone", is_missing=True))
    assert write((1, "a", None), (3, "c", None), columns=columns).written == 2
    rows = database.execute("SELECT id, gone FROM deals ORDER BY id")
    assert [gone is None for _, gone in rows] == [True, False, True]
