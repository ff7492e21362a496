"""What an export leaves: files that read back as the portal's rows, and a summary."""

import csv
import gzip
import io
import json
from decimal import Decimal

import pytest

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError
from tests.export.conftest import json_rows, table_rows

FIELDS = ["id", "title", "opportunity", "opened", "createdTime", "begindate", "contactIds", "ufCrmKind"]
SMALL = {"entityTypeId": 2, "select": FIELDS, "filter": {"<=id": 120}}


def wanted(make_client, deals, method="crm.item.list", params=None):
    return list(make_client(portal=deals).pages(method, params or SMALL))


@pytest.mark.parametrize("name", ["deals.jsonl", "deals.jsonl.gz"])
def test_json_lines_hold_every_row_as_the_portal_has_it(export, deals, make_client, name):
    deals.update_record("deal", 7, TITLE="Ümläut \\ud800 \\u2028 'quoted'", UF_CRM_KIND=2)
    summary, path = export(name, params=SMALL)
    rows = json_rows(path)
    assert rows == wanted(make_client, deals)
    assert summary["rows"] == len(rows) == 120


def test_csv_has_a_header_and_empty_fields_where_there_is_no_value(export):
    _, path = export("deals.csv", params=SMALL)
    rows = list(csv.DictReader(path.open(newline="", encoding="utf-8")))
    assert set(rows[0]) == set(FIELDS)
    assert [int(row["id"]) for row in rows] == list(range(1, 121))
    assert rows[0]["opened"] in ("true", "false")
    assert isinstance(json.loads(rows[0]["contactIds"]), list)
    assert {row["ufCrmKind"] for row in rows} == {""}


def test_csv_keeps_line_breaks_quotes_and_separators(export, deals):
    title = 'a "b", c;\nd'
    deals.update_record("deal", 5, TITLE=title)
    _, path = export("deals.csv.gz", params=SMALL)
    text = gzip.decompress(path.read_bytes()).decode()
    assert [row["title"] for row in csv.DictReader(io.StringIO(text, newline=""))][4] == title


def test_parquet_has_the_types_of_the_portal_s_fields(export, deals, make_client):
    pq = pytest.importorskip("pyarrow.parquet")
    summary, path = export("deals.parquet")
    table = pq.read_table(path)
    types = {field.name: str(field.type) for field in table.schema}
    assert types["id"] == types["companyId"] == types["ufCrmKind"] == "int64"
    assert types["opportunity"] == "decimal128(38, 6)"
    assert types["opened"] == "bool"
    assert types["createdTime"] == "timestamp[us, tz=UTC]"
    assert types["begindate"] == "date32[day]"
    assert types["contactIds"] == types["ufCrmTags"] == types["title"] == "string"
    assert table.num_rows == summary["rows"] == 1_234
    assert summary["columns"] == len(types)
    given = wanted(make_client, deals, params={"entityTypeId": 2, "filter": {"<=id": 1_234}})
    rows = table.to_pylist()
    assert [row["title"] for row in rows] == [row["title"] for row in given]
    assert [row["createdTime"].isoformat() for row in rows] == [row["createdTime"] for row in given]
    assert [json.loads(row["contactIds"]) for row in rows] == [row["contactIds"] for row in given]


def test_numbers_that_the_portal_writes_as_text_are_numbers(export):
    pq = pytest.importorskip("pyarrow.parquet")
    params = {"filter": {"<=ID": 10}, "select": ["ID", "OPPORTUNITY", "COMPANY_ID", "OPENED", "STAGE_ID"]}
    _, path = export("deals.parquet", "crm.deal.list", params)
    for row in pq.read_table(path).to_pylist():
        assert (type(row["ID"]), type(row["OPPORTUNITY"]), type(row["OPENED"])) == (int, Decimal, bool)
        assert isinstance(row["STAGE_ID"], str)


def test_json_lines_keep_the_text_in_which_the_portal_writes_numbers(export):
    params = {"filter": {"<=ID": 10}, "select": ["ID", "OPPORTUNITY", "OPENED"]}
    _, path = export("deals.jsonl", "crm.deal.list", params)
    assert {type(value) for row in json_rows(path) for value in row.values()} == {str}


def test_json_lines_of_a_method_whose_fields_are_not_described_are_what_it_answers(export):
    _, path = export("tasks.jsonl", "tasks.task.list", {})
    assert len(json_rows(path)) == 120
    assert {type(row["id"]) for row in json_rows(path)} == {str}


def test_fields_that_are_not_described_as_usual_are_text(export, deals):
    fields = {"ID": {"type": "integer"}, "A": {"title": "A"}, "B": "a type", "C": None}
    deals.add_method("crm.own.fields", lambda call: fields)
    deals.add_method("crm.own.list", lambda call: [{"ID": "1", "A": 2, "B": "3", "C": True}])
    summary, path = export("own.csv", "crm.own.list", {})
    assert summary["fields"] == [["ID", "integer"], ["A", "string"], ["B", "string"], ["C", "string"]]
    assert path.read_text() == "ID,A,B,C\n1,2,3,true\n"


def test_a_type_can_be_named(export):
    pq = pytest.importorskip("pyarrow.parquet")
    _, path = export("tasks.parquet", "tasks.task.list", {}, types={"title": "json"})
    assert json.loads(pq.read_table(path).to_pylist()[0]["title"])


def test_a_value_that_does_not_fit_its_column_is_an_error_that_says_what_to_do(export, tmp_path):
    what = r"the row with id 1: column title is of type integer, but holds .* types=\{'title': 'string'\}"
    with pytest.raises(Bitrix24Error, match=what):
        export("tasks.csv", "tasks.task.list", {}, types={"title": "integer"})
    assert list(tmp_path.iterdir()) == []
    assert export("tasks.jsonl", "tasks.task.list", {}, types={"title": "integer"})[0]["rows"] == 120


def test_the_summary_is_small_and_tells_the_portal_s_time_before_the_first_row(export, deals, clock):
    before = clock.now()
    deals.latency = 0.5
    summary, path = export("deals.jsonl")
    assert summary.keys() == {
        "path",
        "rows",
        "columns",
        "requests",
        "seconds",
        "watermark",
        "timeline",
        "fields",
    }
    assert summary["path"] == str(path)
    assert summary["requests"] == deals.requests == 3
    assert summary["seconds"] == 1.5
    assert summary["watermark"].startswith("20")
    assert clock.now() - before == 1.5
    assert [point[1:3] for point in summary["timeline"]] == [[1234, 3], [1234, 3]]
    assert len(json.dumps(summary)) < 4096


def test_an_export_can_be_cut_into_files_of_so_many_rows(export, tmp_path):
    summary, _ = export("deals.csv.gz", rows_per_file=500)
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "deals-00001.csv.gz",
        "deals-00002.csv.gz",
        "deals-00003.csv.gz",
    ]
    assert summary["files"] == 3
    counts = []
    for path in summary["paths"]:
        with gzip.open(path, "rt", newline="") as file:
            counts.append(len(list(csv.DictReader(file))))
    assert counts == [500, 500, 234]


def test_many_files_do_not_make_the_summary_large(export):
    summary, _ = export("deals.jsonl", rows_per_file=10)
    assert (summary["files"], len(summary["paths"])) == (124, 20)
    del summary["fields"]  # the operator does not return them
    assert len(json.dumps(summary)) < 4096


def test_files_of_an_earlier_longer_export_do_not_stay_behind(export, tmp_path):
    export("deals.jsonl", rows_per_file=300)
    (tmp_path / "deals-20261125.jsonl").write_text("another's")
    export("deals.jsonl", rows_per_file=1_000)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["deals-00001.jsonl", "deals-00002.jsonl", "deals-20261125.jsonl"]


@pytest.mark.parametrize("name", ["none.jsonl", "none.csv", "none.csv.gz", "none.parquet"])
@pytest.mark.parametrize("rows_per_file", [None, 100])
def test_no_rows_are_a_file_without_rows(export, name, rows_per_file):
    pytest.importorskip("pyarrow")
    params = {"entityTypeId": 2, "filter": {">id": 30_000}, "select": ["id", "title"]}
    summary, path = export(name, params=params, rows_per_file=rows_per_file)
    assert (summary["rows"], summary["columns"]) == (0, 2)
    if rows_per_file is None:
        assert path.exists()
    if name == "none.csv" and rows_per_file is None:
        assert path.read_text() == "id,title\n"


def test_a_schema_file_describes_the_columns(export):
    summary, path = export("deals.csv", params=SMALL, schema=True)
    schema = json.loads(path.with_name("deals.csv.schema.json").read_text())
    assert schema["watermark"] == summary["watermark"]
    assert {"name": "ufCrmKind", "type": "integer", "title": "Kind"} in schema["columns"]
    assert len(schema["columns"]) == summary["columns"] == len(FIELDS)


def test_an_id_that_was_not_selected_is_not_a_column(export):
    params = {"entityTypeId": 2, "select": ["title"], "filter": {"<=id": 5}}
    summary, path = export("titles.csv", params=params)
    assert path.read_text().splitlines()[0] == "title"
    assert summary["columns"] == 1


@pytest.mark.parametrize("name", ["own.csv", "own.parquet"])
def test_a_field_that_comes_first_in_a_late_row_is_a_column(export, deals, name):
    rows = [{"id": number, "a": 1} | ({"b": 2} if number == 700 else {}) for number in range(1, 801)]
    deals.add_method("calendar.event.get", lambda call: rows)
    summary, path = export(name, "calendar.event.get", {})
    assert summary["fields"] == [["id", "string"], ["a", "string"], ["b", "string"]]
    read = table_rows(path)
    assert (read[699]["b"], read[0]["b"] or None) == ("2", None)


def test_rows_that_are_no_objects_are_json_lines_and_no_table(export, deals):
    deals.add_method("own.thing.list", lambda call: [1, 2, 3])
    assert json_rows(export("own.jsonl", "own.thing.list", {})[1]) == [1, 2, 3]
    with pytest.raises(Bitrix24Error, match="a row of the list is int, not an object"):
        export("own.csv", "own.thing.list", {})


@pytest.mark.parametrize("name", ["contacts.csv", "contacts.parquet"])
@pytest.mark.parametrize(
    ("select", "columns"),
    [
        (["ID", "PHONE", "UF_CRM_FILE"], {"PHONE", "UF_CRM_FILE"}),
        (["NAME", "WEB"], {"WEB"}),
        ([], {"PHOTO"}),
        (["*", "UF_*"], {"PHOTO", "UF_CRM_FILE"}),
    ],
)
def test_what_the_portal_leaves_out_of_the_first_rows_is_a_column(export, deals, name, select, columns):
    """The older methods leave out phones and addresses that a record does not have, and removed files."""
    deals.add_user_field(3, "UF_CRM_FILE", "file", "Contract")
    for _ in range(1_200):
        deals.add_contact(NAME="Ida", PHOTO=0, UF_CRM_FILE=0)
    deals.add_contact(NAME="Ivo", PHONE="+1 555 0100", WEB=[{"VALUE": "example.com"}], PHOTO=7, UF_CRM_FILE=8)
    summary, path = export(name, "crm.contact.list", {"select": select})
    assert summary["rows"] == 1_201
    if name.endswith(".csv"):
        rows = list(csv.DictReader(path.open(newline="", encoding="utf-8")))
    else:
        rows = pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()
    assert {name for name in columns if rows[-1][name]} == columns
    assert not any(rows[0][name] for name in columns)
    assert columns == {"PHONE", "WEB", "PHOTO", "UF_CRM_FILE"} & rows[0].keys()
    assert summary["columns"] == len(rows[0])


@pytest.mark.parametrize("name", ["deals.txt", "deals", "deals.gz", "deals.parquet.gz"])
def test_a_name_that_says_no_format_is_refused_before_anything_is_sent(export, deals, name):
    with pytest.raises(Bitrix24InputError):
        export(name)
    assert deals.requests == 0


@pytest.mark.parametrize(
    "options", [{"format": "xlsx"}, {"rows_per_file": 0}, {"rows_per_file": True}, {"types": {"a": "text"}}]
)
def test_options_of_the_wrong_kind_are_refused(export, deals, options):
    with pytest.raises(Bitrix24InputError):
        export("deals.jsonl", **options)
    assert deals.requests == 0


def test_a_format_can_be_named(export):
    _, path = export("deals.txt", format="csv", params=SMALL)
    assert len(list(csv.DictReader(path.open()))) == 120


def test_a_folder_is_made_and_a_folder_in_the_place_of_the_file_is_refused(export, deals, tmp_path):
    _, path = export("new/folder/deals.jsonl", params=SMALL)
    assert path.exists()
    (tmp_path / "taken.jsonl").mkdir()
    deals.reset_counters()
    with pytest.raises(Bitrix24InputError, match=r"taken\.jsonl cannot be written"):
        export("taken.jsonl")
    assert deals.requests == 0


def test_progress_is_told_more_and_more_rarely(export, deals):
    deals.command_latency = 0.5
    log = []
    export("deals.jsonl", params={"entityTypeId": 2, "select": ["id"]}, log=log)
    assert 1 <= len(log) <= 3
    assert "rows exported" in log[0]
