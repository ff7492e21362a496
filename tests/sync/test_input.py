"""What people give a sync: it is read, or refused before anything is sent."""

import gzip
import json
import math
import re
from collections import UserList
from decimal import Decimal
from pathlib import Path

import pytest

from airflow_provider_b24.crm.bindings import CompanyBinding
from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError, Bitrix24NotFoundError
from airflow_provider_b24.sync.options import EngineOptions, InputOptions
from airflow_provider_b24.sync.source import check
from airflow_provider_b24.sync.subject import Rejected, Wanted
from tests.sync.conftest import check_input, contact_row, make_source, make_subject

COLUMNS = ["contact_id", "company_id", "is_primary", "sort"]


def B(company, primary=None, sort=None):
    return CompanyBinding(company, primary, sort)


def read(given, **options):
    return list(make_source(given, **options))


def refused(given, **options):
    with pytest.raises(Bitrix24InputError) as caught:
        check_input(given, **options)
    return str(caught.value)


def test_records_and_flat_rows_and_tuples_say_the_same():
    expected = [Wanted(1, 82, (B(8, True, 100), B(9, False, 200)))]
    items = [
        {"COMPANY_ID": 8, "IS_PRIMARY": "Y", "SORT": 100},
        {"COMPANY_ID": 9, "IS_PRIMARY": "N", "SORT": 200},
    ]
    assert read([{"contact_id": 82, "items": items}]) == expected
    assert read({82: items}) == expected
    assert read(json.dumps({"82": items})) == expected
    assert read([{"contact_id": 82, **row} for row in items]) == expected
    assert read([{"CONTACT_ID": "82", **row} for row in items]) == expected
    assert read([(82, 8, "Y", 100), ["82", "9", "N", "200"]], columns=COLUMNS) == expected
    assert read(iter([(82, 8, "Y", 100), (82, 9, "N", 200)]), columns=COLUMNS) == expected
    assert read(UserList([(82, 8, "Y", 100), (82, 9, "N", 200)]), columns=COLUMNS) == expected


def test_flat_rows_of_a_contact_are_one_set():
    rows = [(82, 8), (83, 8), ("82", 9)]
    columns = ["contact_id", "company_id"]
    assert read(rows, columns=columns) == [Wanted(1, 82, (B(8), B(9))), Wanted(2, 83, (B(8),))]
    assert [type(item) for item in read(iter(rows), columns=columns)] == [Wanted, Wanted, Rejected]


@pytest.mark.parametrize("nothing", [None, "", " ", math.nan])
def test_an_outer_joins_row_without_a_company_is_an_empty_set(nothing):
    columns = ["contact_id", "company_id"]
    assert "allow_empty" in refused([(82, nothing)], columns=columns)
    assert read([(82, nothing)], columns=columns, allow_empty=True) == [Wanted(1, 82, ())]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (("82", "8.0", "", ""), B(8)),
        ((82.0, 8.0, None, math.nan), B(8)),
        ((82, "8", "N", "100.0"), B(8, False, 100)),
        ((" 82 ", "8", "y".upper(), " 5 "), B(8, True, 5)),
    ],
)
def test_whole_numbers_come_as_databases_and_pandas_write_them(row, expected):
    assert read([row], columns=COLUMNS) == [Wanted(1, 82, (expected,))]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"contact_id": "abc", "items": [8]}, "contact_id must be a positive whole number, got 'abc'"),
        ({"contact_id": 82}, "a row needs contact_id with items"),
        ({"contact_id": 82, "items": []}, "items is empty"),
        ({"contact_id": 82, "items": [8], "name": "x"}, "a row needs contact_id with items"),
        ({"contact_id": 82, "items": None}, "items must be a list, got NoneType"),
        ({"contact_id": 82, "items": [{"companyid": 8}]}, r"items\[0\] has an unknown key 'companyid'"),
        ({"company_id": 8}, "contact_id must be a positive whole number, got None"),
        ({"contact_id": 82, "company_id": "abc"}, "line 2: company_id must be a positive .*, got 'abc'"),
        ({"contact_id": 82, "company_id": 8.5}, "line 2: company_id must be a positive .*, got 8.5"),
        ({"contact_id": None, "company_id": 8}, "contact_id must be a positive whole number, got None"),
        ({"contact_id": 82, "company_id": 8, "is_primary": "perhaps"}, "is_primary must be True or False"),
        ({"contact_id": 82, "company_id": 8, "name": "x"}, "unknown column: 'name'; known columns are"),
        ((82, 8, 9), "the row has 3 fields, but columns names 2"),
        (82, "a row must be a dict"),
        (None, "a row must be a dict"),
        (Bitrix24InputError("not a line of JSON: '{'"), "not a line of JSON"),
        ({"contact_id": 1, "items": [9]}, "contact 1 appears more than once"),
    ],
)
def test_a_bad_row_names_its_line_and_the_others_are_read(row, reason):
    rows = [{"contact_id": 1, "items": [8]}, row, {"contact_id": 3, "items": [8]}]
    first, bad, last = read(iter(rows), columns=["contact_id", "company_id"])
    assert (first.key, last.key) == (1, 3)
    assert isinstance(bad, Rejected)
    assert bad.line_number == 2
    assert re.search(reason, bad.reason), bad.reason


def test_a_company_twice_names_both_lines():
    rows = [(82, 8, None, None), (83, 8, None, None), (82, 8, None, None)]
    assert "line 3 repeats company 8 of line 1" in refused(rows, columns=COLUMNS)


class DataFrame:
    """As much of pandas as gives it away."""

    columns = ["contact_id"]  # noqa: RUF012

    def to_dict(self, orient): ...


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (DataFrame(), "bindings is a DataFrame; pass its rows: df.to_dict('records')"),
        ([(82, 8)], "name its fields with columns, for example columns=['contact_id', 'company_id']"),
        (8, "must be a mapping, a list, an iterator of rows or a path, got int"),
        ({8}, "got set"),
        (b"82", "got bytes"),
        (None, "got NoneType"),
        ("contact 82", "neither JSON nor a Python"),
        ({82: None}, "items must be a list, got NoneType"),
        ({82: Decimal}, "items must be a list, got type"),
        ([[(82, 8)], [(83, 8)]], "line 1: the row is a list"),
        ((82, 8, "Y", 100), "line 1: a row must be a dict, or a tuple as long as columns, got 82"),
    ],
)
def test_what_is_no_input_is_refused_in_one_sentence(given, message):
    assert message in refused(given)


@pytest.mark.parametrize(
    "how",
    [
        {"mode": "both"},
        {"mode": ["diff"]},
        {"undo": "perhaps"},
        {"check_companies": None},
        {"max_failures": True},
        {"max_failures": -1},
        {"max_failures": 1.5},
        {"max_failures": "5"},
        {"max_failures": None},
        {"max_failures": math.nan},
        {"columns": "contact_id"},
        {"columns": [1]},
        {"columns": ["a", "a"]},
        {"delimiter": ";;"},
        {"encoding": "latin-99"},
        {"encoding": "base64"},
    ],
    ids=str,
)
def test_options_check_themselves(how):
    with pytest.raises(Bitrix24InputError, match=next(iter(how)).removesuffix("s")):
        check_input([], **how)


FILES = {
    "comma": ("w.csv", "contact_id,company_id\n82,8\n82,9\n83,10\n", {}),
    "semicolon, as Excel writes it": (
        "w.csv",
        "\ufeffcontact_id;company_id\r\n82;8\r\n82;9\r\n83;10\r\n",
        {},
    ),
    "tab": ("w.csv", "contact_id\tcompany_id\n82\t8\n82\t9\n83\t10\n", {}),
    "named": ("w.csv", "contact_id|company_id\n82|8\n82|9\n83|10\n", {"delimiter": "|"}),
    "no header": ("w.csv", "82;8\n82;9\n83;10\n", {"columns": ["contact_id", "company_id"]}),
    "gzip": ("w.csv.gz", "contact_id,company_id\n82,8\n82,9\n83,10\n", {}),
    "quoted": ("w.csv", '"contact_id","company_id"\n"82","8"\n"82","9"\n"83","10"\n', {}),
    "pandas": ("w.csv", "contact_id,company_id\n82,8.0\n82,9.0\n83,10.0\n", {}),
    "pandas' index": (
        "w.csv",
        ",contact_id,company_id,имя\n0,82,8,a\n1,82,9,b\n2,83,10,c\n",
        {"ignore_extra_columns": True},
    ),
    "encoding": (
        "w.csv",
        "contact_id;company_id;имя\n82;8;я\n82;9;я\n83;10;я\n",
        {"encoding": "cp1251", "ignore_extra_columns": True},
    ),
    "UTF-16": ("w.csv", "contact_id\tcompany_id\n82\t8\n82\t9\n83\t10\n", {"encoding": "utf-16"}),
    "JSON lines": (
        "w.jsonl",
        '{"contact_id": 82, "items": [8, 9]}\n\n{"contact_id": 83, "items": [10]}\n',
        {},
    ),
    "NaN": ("w.ndjson", '{"id": 82, "items": [8, 9]}\n{"id": 83, "company_id": 10, "sort": NaN}\n', {}),
}


@pytest.mark.parametrize(("name", "text", "how"), FILES.values(), ids=FILES.keys())
def test_files_of_every_kind_are_read(tmp_path, name, text, how):
    content = text.encode(how.get("encoding", "utf-8"))
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    read_ = [(item.key, [one.company_id for one in item.state]) for item in read(tmp_path / name, **how)]
    assert read_ == [(82, [8, 9]), (83, [10])]


BAD_FILES = {
    "short": ("w.csv", b"contact_id,company_id\n82,8\n83\n", "line 3: 1 fields, but there are 2 columns"),
    "open quote": ("w.csv", b'contact_id,company_id\n82,8\n83,"9\n', "line 3: not a line of CSV"),
    "half a line": (
        "w.jsonl",
        b'{"contact_id": 82, "items": [8]}\n{"contact_id": 83,\n',
        "line 2: not a line",
    ),
    "deep": ("w.jsonl", b"[" * 100_000, "line 1: not a line of JSON"),
    "another kind": ("w.txt", b"", "the file name must end in .jsonl, .ndjson or .csv"),
    "missing": ("w.csv", None, "file not found"),
    "no gzip": ("w.csv.gz", b"x", "the compressed file is damaged"),
    "encoding": (
        "w.csv",
        "contact_id;имя\n1;я\n".encode("cp1251"),
        "the text is not UTF-8; name the file's enc",
    ),
    "more columns": (
        "w.csv",
        b",contact_id,company_id,NAME\n0,82,8,x\n",
        "unknown columns: one without a name, 'NAME'; known columns are contact_id, company_id, is_primary, "
        "sort, role_id. Set ignore_extra_columns=True",
    ),
    "a column twice": (
        "w.csv",
        b"contact_id,company_id,company_id\n1,2,3\n",
        "column 'company_id' appears twice",
    ),
    "empty": ("w.csv", b"", "has no rows; set allow_no_rows=True"),
    "only a header": ("w.csv", b"contact_id,company_id\n", "has no rows; set allow_no_rows=True"),
    "no line": ("w.jsonl", b"\n", "has no rows; set allow_no_rows=True"),
    "a folder": ("", None, "the file name must end in"),
}


@pytest.mark.parametrize(("name", "content", "message"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_bad_file_is_refused_in_few_words(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    text = refused(tmp_path / name)
    assert message in text
    assert len(text) < 400


def test_no_rows_may_be_meant(tmp_path):
    (tmp_path / "w.csv").write_text("contact_id,company_id\n")
    assert check_input(tmp_path / "w.csv", allow_no_rows=True).total == 0
    assert check_input([]).total == 0


def test_bad_rows_are_counted_and_the_first_are_named():
    text = refused([{"contact_id": contact, "items": [-1]} for contact in range(1, 31)])
    assert text.startswith("30 rows of the input cannot be used; nothing was written:\nline 1: items[0]")
    assert text.endswith("\n... and 10 more")


def test_two_primaries_are_warned_of_by_contact_and_line_once(caplog):
    rows = [(contact, company, "Y", None) for contact in range(1, 31) for company in (8, 9)]
    source = make_source(rows, columns=COLUMNS)
    check(source, make_subject(), EngineOptions(), InputOptions())
    assert [item.state for item in source] == [(B(8, True), B(9, False))] * 30
    assert len(caplog.messages) == 21
    assert caplog.messages[1].startswith("Contact 2 (line 3): items marks 2 companies as primary")
    assert caplog.messages[-1] == "... and 10 more warnings of this kind"


def test_a_report_is_undone_line_by_line():
    wanted = (B(8),)
    lines = [
        contact_row(1, 82, "written", wanted=wanted, before=[B(9, True, 10)]),
        contact_row(2, 83, "unchanged", wanted=wanted, before=[B(8, True, 10)]),
        contact_row(3, 84, "failed", wanted=wanted, before=[], error=Bitrix24NotFoundError("Not found.")),
        contact_row(4, 85, "unknown", wanted=wanted, before=[]),
        contact_row(5, 86, "written", wanted=wanted),
        contact_row(6, 87, "written", wanted=wanted, before=[B(9, True, 0), B(8, True, -5)]),
    ]
    undone = read(json.loads(json.dumps(lines)), undo=True)
    assert undone[:2] == [Wanted(1, 82, (B(9, True, 10),), exact=True), Wanted(4, 85, (), exact=True)]
    assert "does not contain the state before" in undone[2].reason
    assert undone[3].state == (B(8, True, -5), B(9, True, 0))
    assert isinstance(read([{"contact_id": 82, "items": [8]}], undo=True)[0], Rejected)


def test_what_is_refused_was_refused_before_the_first_request(run, portal, tmp_path):
    for given, how in (
        ([(82, 8)], {}),
        (tmp_path / "missing.csv", {}),
        ([{"contact_id": 0}], {"undo": True}),
    ):
        with pytest.raises(Bitrix24Error):
            run(given, Path(tmp_path / "report.jsonl"), **how)
    assert portal.requests == 0
    assert not list(tmp_path.iterdir())


def test_reports_of_the_first_version_are_undone_and_applied(run, portal, path):
    """Their rows have neither version nor subject nor key."""
    before = [{"COMPANY_ID": 9, "IS_PRIMARY": "Y", "SORT": 10}]
    row = {"contact_id": 1, "line": 1, "status": "written", "wanted": [], "before": before, "error": None}
    path._objects[str(path)] = json.dumps(row).encode() + b"\n"
    run(path, undo=True)
    assert [one["COMPANY_ID"] for one in portal.bindings(1)] == [9]
    path._objects[str(path)] = json.dumps({**row, "status": "planned"}).encode() + b"\n"
    assert run(path, apply_plan=True)["written"] == 1
    assert portal.bindings(1) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"subject": "deal.contact"}, "a row of a report of 'deal.contact', not of contact.company"),
        ({"version": 3}, "a row of a report that a newer version of this package wrote"),
        ({"version": "x"}, "a row of a report that a newer version of this package wrote"),
        ({"status": 5, "contact_id": None, "before": None}, None),
    ],
    ids=str,
)
def test_a_report_of_something_else_is_refused(change, reason):
    row = contact_row(1, 82, "written", before=[])
    assert (row["version"], row["subject"], row["key"]) == (2, "contact.company", 82)
    found = read([{**row, **change}], undo=True)
    assert [item.reason for item in found] == ([reason] if reason else [])
