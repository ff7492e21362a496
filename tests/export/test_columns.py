"""Columns and their types: promised before the first row, whatever the rows hold."""

import csv
import json
import logging
import re
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError
from airflow_provider_b24.export.columns import Column
from airflow_provider_b24.export.formats import Csv
from airflow_provider_b24.export.names import nearest
from airflow_provider_b24.rest.replies import RawReply
from airflow_provider_b24.sandbox import Portal
from tests.export.conftest import json_rows, table_rows
from tests.rest.conftest import CODE, clock, make_client  # noqa: F401 - fixtures

FIELDS = {
    "ID": {"type": "integer"},
    "TITLE": {"type": "string"},
    "AMOUNT": {"type": "double"},
    "OPENED": {"type": "boolean"},
    "DAY": {"type": "date"},
    "DATE_MODIFY": {"type": "datetime"},
    "TAGS": {"type": "string", "isMultiple": True},
    "UF_CRM_1": {"type": "integer"},
}


@pytest.fixture
def own(deals):
    """Let the portal have a list of its own, with a description; return what sets its rows."""
    rows = []
    deals.add_method("crm.own.fields", lambda call: FIELDS)
    deals.add_method("crm.own.list", lambda call: [dict(row) for row in rows])

    def set_rows(*new):
        rows[:] = new

    return set_rows


@pytest.mark.parametrize("name", ["own.csv", "own.parquet"])
@pytest.mark.parametrize("select", [[], ["*"], ["ID", "UF_CRM_1", "TITLE"], ["*", "UF_*"], ["TITLE"]])
def test_an_empty_run_and_a_filled_one_have_the_same_columns(export, own, name, select):
    pytest.importorskip("pyarrow")
    empty, _ = export(name, "crm.own.list", {"select": select})
    own({"ID": "1", "TITLE": "a"}, {"UF_CRM_1": "5", "ID": "2"})
    chosen = [[name, value] for name, value in {"ID": "1", "TITLE": "a", "UF_CRM_1": "5"}.items()]
    own({one: value for one, value in chosen if not select or "*" in select or one in select})
    filled, _ = export(name, "crm.own.list", {"select": select})
    wanted = empty["fields"] + [["UF_CRM_1", "string"]] * (select in ([], ["*"]))
    assert [name for name, _ in filled["fields"]] == [name for name, _ in wanted]


def test_the_schema_does_not_depend_on_the_rows(export, own):
    pq = pytest.importorskip("pyarrow.parquet")
    schemas = set()
    for rows in (
        [],
        [{"ID": 1, "AMOUNT": 5, "TAGS": False}],
        [{"ID": "2", "AMOUNT": "5.25", "OPENED": "Y", "TAGS": ["a"], "DAY": "2026-05-10T03:00:00+03:00"}],
    ):
        own(*rows)
        schemas.add(str(pq.read_schema(export("own.parquet", "crm.own.list", {})[1])))
    assert len(schemas) == 1


def test_a_type_that_the_caller_names_is_a_column_of_every_run(export, deals):
    rows = []
    deals.add_method("own.thing.list", lambda call: rows)
    types = {"a": "integer", "b": "json"}
    empty, _ = export("own.csv", "own.thing.list", {}, types=types)
    rows.append({"a": "1"})
    filled, _ = export("own.csv", "own.thing.list", {}, types=types)
    assert empty["fields"] == filled["fields"] == [["a", "integer"], ["b", "json"]]


def test_no_value_is_no_value_in_every_format(export, own):
    own(
        {
            "ID": "1",
            "AMOUNT": "",
            "OPENED": None,
            "DAY": False,
            "DATE_MODIFY": "",
            "TAGS": False,
            "TITLE": False,
        }
    )
    for name in ("own.csv", "own.parquet"):
        row = table_rows(export(name, "crm.own.list", {})[1])[0]
        assert [value for field, value in row.items() if field != "ID"] == ["" if "csv" in name else None] * 6


@pytest.fixture
def exact(deals, make_client):  # noqa: F811
    """A client of a portal that writes "#0.10#" as the number 0.10."""
    client = make_client(portal=deals)
    send = client.transport.send

    def send_and_replace(*args):
        raw = send(*args)
        return RawReply(raw.status, re.sub(rb'"#([^"]*)#"', rb"\1", raw.body))

    client.transport.send = send_and_replace
    return client


@pytest.mark.parametrize("value", ["10000000000000000.01", "0.10", "1.000000", "-99999999999999999999.5"])
@pytest.mark.parametrize("as_text", [True, False])
def test_amounts_keep_every_digit(export, own, exact, value, as_text):
    own({"ID": 1, "AMOUNT": value if as_text else f"#{value}#"})
    _, path = export("own.jsonl", "crm.own.list", {}, client=exact)
    shown = f'"{value}"' if as_text else value
    assert path.read_text() == f'{{"ID":1,"AMOUNT":{shown}}}\n'
    assert table_rows(export("own.csv", "crm.own.list", {}, client=exact)[1])[0]["AMOUNT"] == value
    pytest.importorskip("pyarrow")
    _, path = export("own.parquet", "crm.own.list", {}, client=exact)
    assert table_rows(path)[0]["AMOUNT"] == Decimal(value)


def test_what_a_method_returns_is_plain_json(deals, exact):
    deals.add_method("own.amount", lambda call: {"amount": "#0.10#"})
    assert repr(exact.call("own.amount").result) == "{'amount': 0.1}"


def test_more_decimals_than_parquet_holds_are_text_if_the_portal_says_so(export, own, deals):
    fields = FIELDS | {"UF_CRM_1": {"type": "double", "settings": {"PRECISION": 8}}}
    deals.add_method("crm.own.fields", lambda call: fields)
    own({"ID": 1, "UF_CRM_1": "0.12345678"})
    pytest.importorskip("pyarrow")
    _, path = export("own.parquet", "crm.own.list", {"select": ["UF_CRM_1"]})
    assert table_rows(path)[0]["UF_CRM_1"] == "0.12345678"
    own({"ID": 82, "AMOUNT": "0.12345678"})
    with pytest.raises(Bitrix24Error, match=r"the row with ID 82|row 1: column AMOUNT .* does not fit"):
        export("own.parquet", "crm.own.list", {})
    assert table_rows(export("own.csv", "crm.own.list", {})[1])[0]["AMOUNT"] == "0.12345678"


@pytest.mark.parametrize(
    ("params", "options", "message"),
    [
        ({"select": ["ID", "TITEL"]}, {}, "select: this list has no field 'TITEL'; did you mean 'TITLE'"),
        ({"select": ["id"]}, {}, "did you mean 'ID'"),
        ({"SELECT": ["ID", "title"]}, {}, "did you mean 'TITLE'"),
        ({}, {"types": {"AMONT": "string"}}, "types: this list has no field 'AMONT'; did you mean 'AMOUNT'"),
        ({}, {"incremental": "DATE_MODIFIED"}, "Did you mean 'DATE_MODIFY'"),
        ({}, {"incremental": "updatedTime"}, "Did you mean 'DATE_MODIFY'"),
        ({}, {"incremental": "date_modify"}, "Did you mean 'DATE_MODIFY'"),
        ({}, {"incremental": "TITLE"}, "no time that this list can be filtered by"),
        ({}, {"incremental": "UF_CRM_9"}, "no time that this list can be filtered by"),
    ],
)
def test_an_unknown_name_fails_before_the_first_row(export, own, deals, params, options, message):
    with pytest.raises(Bitrix24InputError, match=message):
        export("own.jsonl", "crm.own.list", params, **options)
    assert deals.executed["crm.own.list"] == 0


@pytest.mark.parametrize(
    ("method", "params", "field", "near"),
    [
        ("crm.item.list", {"entityTypeId": 2}, "DATE_MODIFY", "updatedTime"),
        ("crm.item.list", {"entityTypeId": 2}, "updatedtime", "updatedTime"),
        ("tasks.task.list", {}, "changedDate", "CHANGED_DATE"),
        ("voximplant.statistic.get", {}, "CALL_START", "CALL_START_DATE"),
        ("department.get", {}, "DATE_CREATE", "Leave incremental out"),
    ],
)
def test_a_field_that_the_list_is_not_filtered_by_is_refused(export, method, params, field, near):
    with pytest.raises(Bitrix24InputError, match=near):
        export("own.jsonl", method, params, incremental=field)


def test_names_that_may_be_right_are_not_refused(export, own, deals):
    own({"ID": 1})
    for params, options in [
        ({"select": ["*", "UF_*", "ID"]}, {}),
        ({"select": ["TIT*"]}, {}),
        ({}, {"types": {"UF_CRM_9": "string"}}),
        ({}, {"incremental": "DATE_MODIFY"}),
    ]:
        assert export("own.csv", "crm.own.list", params, **options)[0]["rows"] == 1
    deals.add_method("own.thing.list", lambda call: [{"id": 1}])
    assert (
        export("own.csv", "own.thing.list", {"select": ["whatever"]}, types={"x": "string"})[0]["rows"] == 1
    )


def test_a_selected_field_that_is_gone_is_one_warning_and_an_empty_column(export, own, caplog):
    own({"ID": 1}, {"ID": 2})
    with caplog.at_level(logging.WARNING):
        _, path = export("own.csv", "crm.own.list", {"select": ["ID", "UF_CRM_8", "UF_CRM_9"]})
    assert [record.getMessage() for record in caplog.records if "UF_CRM" in record.getMessage()] == [
        "crm.own.list no longer has the selected fields UF_CRM_8, UF_CRM_9: no row has a value there"
    ]
    assert path.read_text() == "ID,UF_CRM_8,UF_CRM_9\n1,,\n2,,\n"


def test_names_of_the_rows_in_another_spelling_are_the_described_fields(export, own):
    own({"id": "1", "title": "a"})
    assert export("own.csv", "crm.own.list", {"select": ["ID", "TITLE"]})[1].read_text() == "ID,TITLE\n1,a\n"


def test_false_of_tasks_is_no_value_in_users_fields_only(export, deals):
    rows = [
        {"id": "1", "ufCrmTask": False, "pinned": False},
        {"id": "2", "ufCrmTask": ["CO_12"], "pinned": True},
    ]
    deals.add_method("own.thing.list", lambda call: rows)
    _, path = export("own.csv", "own.thing.list", {})
    assert path.read_text() == 'id,ufCrmTask,pinned\n1,,false\n2,"[""CO_12""]",true\n'


NOTHING = [{"ID": "1", "TITLE": "a\0b"}, {"ID": "2", "TITLE": "c", "TAGS": ["\ud83d", "\0"]}]


def test_what_is_no_text_is_replaced_in_parquet_with_one_warning(export, own, caplog):
    pytest.importorskip("pyarrow")
    own(*NOTHING)
    with caplog.at_level(logging.WARNING):
        _, path = export("own.parquet", "crm.own.list", {})
    rows = table_rows(path)
    assert rows[0]["TITLE"] == "a\ufffdb"
    assert json.loads(rows[1]["TAGS"]) == ["\ufffd", "\ufffd"]
    (message,) = [one.getMessage() for one in caplog.records if "replaced" in one.getMessage()]
    assert "3 characters" in message
    assert "row 1" in message


def test_json_lines_keep_what_is_no_text(export, own):
    own(*NOTHING)
    assert json_rows(export("own.jsonl", "crm.own.list", {})[1]) == NOTHING


def test_amounts_beside_half_a_character_keep_their_digits(export, own, exact):
    own({"ID": 1, "TITLE": "\ud83d", "AMOUNT": "#0.10#"})
    _, path = export("own.jsonl", "crm.own.list", {}, client=exact)
    assert path.read_bytes() == b'{"ID":1,"TITLE":"\\ud83d","AMOUNT":0.10}\n'


TEXTS = [
    "a\rb",
    "a\r\nb",
    "a\nb",
    "a\u2028b",
    'q"q',
    "",
    " x ",
    "\x0b\x0c\x1c",
    "x" * 200_000,
    "'",
    ",",
    "\ufeff",
]


def test_csv_reads_back_every_text(export, own):
    own(*[{"ID": number, "TITLE": text} for number, text in enumerate(TEXTS)])
    _, path = export("own.csv", "crm.own.list", {"select": ["ID", "TITLE"]})
    csv.field_size_limit(300_000)
    assert [row["TITLE"] for row in table_rows(path)] == TEXTS
    arrow = pytest.importorskip("pyarrow.csv")
    options = arrow.ParseOptions(newlines_in_values=True)
    assert arrow.read_csv(path, parse_options=options).num_rows == len(TEXTS)


def test_csv_is_the_same_on_every_python(tmp_path):
    """Python 3.13 began to quote a carriage return that does not end lines."""
    with (tmp_path / "a.csv").open("wb") as file:
        writer = Csv().writer(file, [Column("a\nb"), Column("c\rd"), Column("e")])
        writer.write([["1\r2", "x"], ["y", "z"], [None, "\n"]])
        writer.close()
    assert (tmp_path / "a.csv").read_bytes() == b'"a\nb","c\rd",e\n"1\r2",y,\nx,z,"\n"\n'


def test_a_field_of_the_portal_is_never_replaced_by_a_name(export, deals):
    deals.add_user_field(2, "UF_CRM_REGION", "enumeration", options=[(51, "North")])
    deals.add_user_field(2, "UF_CRM_REGION_NAME", "string")
    deals.update_record("deal", 1, UF_CRM_REGION=51, UF_CRM_REGION_NAME="typed in")
    _, path = export("deals.jsonl", params={"entityTypeId": 2, "filter": {"<=id": 2}}, readable=True)
    row = json_rows(path)[0]
    assert (row["ufCrmRegionName"], row["ufCrmRegionName2"]) == ("typed in", "North")
    params = {"select": ["ID", "UF_CRM_REGION"], "filter": {"ID": 1}}
    row = json_rows(export("old.jsonl", "crm.deal.list", params, readable=True)[1])[0]
    assert row["UF_CRM_REGION_NAME_2"] == "North"


@pytest.mark.parametrize("select", [["ID", "UF_*"], ["UF_CRM*"], ["*", "UF_*"]])
def test_names_are_found_for_the_fields_that_a_pattern_selects(export, deals, select):
    deals.update_record("deal", 1, UF_CRM_KIND=2)
    params = {"select": [*select, "UF_CRM_KIND"], "filter": {"ID": 1}}
    _, path = export("old.csv", "crm.deal.list", params, readable=True)
    assert table_rows(path)[0]["UF_CRM_KIND_NAME"] == "Old"


@pytest.mark.parametrize(
    ("name", "known", "near"),
    [
        ("titel", ["title", "id"], "title"),
        ("DATE_MODIFY", ["createdTime", "updatedTime"], "updatedTime"),
        ("createdTime", ["DATE_CREATE"], "DATE_CREATE"),
        ("xyzzy", ["title"], ""),
    ],
)
def test_the_name_that_was_probably_meant(name, known, near):
    assert nearest(name, known) == near


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(st.characters(codec="utf-8"), max_size=20)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)
random_rows = st.lists(
    st.dictionaries(st.sampled_from(["A", "b", "Cé", "d\ne", "f,g", "UF_X"]), values, max_size=6), max_size=30
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(rows=random_rows)
def test_what_the_portal_sends_is_read_back(rows, tmp_path, make_client, clock):  # noqa: F811
    """A list that is not described: JSON lines hold it, CSV and Parquet its text."""
    from airflow_provider_b24.export.job import ExportOptions, export_list

    pytest.importorskip("pyarrow")
    portal = Portal(clock=clock.now, sleep=clock.sleep)
    portal.add_webhook(user_id=1, code=CODE)
    portal.add_method("own.thing.list", lambda call: rows)
    paths = [tmp_path / f"own.{suffix}" for suffix in ("jsonl", "csv", "parquet")]
    for path in paths:
        export_list(make_client(portal=portal), "own.thing.list", {}, ExportOptions(path), [].append)
    assert [json.loads(line) for line in paths[0].read_bytes().split(b"\n") if line] == rows
    names = list(dict.fromkeys(name for row in rows for name in row))
    if names:
        rows = [{name: row.get(name) for name in names} for row in rows]
        texts = [{name: as_text(name, value) for name, value in row.items()} for row in cleaned(rows)]
        assert table_rows(paths[2]) == texts
        texts = [{name: as_text(name, value) or "" for name, value in row.items()} for row in rows]
        assert table_rows(paths[1]) == texts


def cleaned(value):
    if isinstance(value, dict):
        return {cleaned(name): cleaned(one) for name, one in value.items()}
    if isinstance(value, list):
        return list(map(cleaned, value))
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


def as_text(name, value):
    if value is None or (value is False and name.startswith("UF_")):
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
