"""
Random lists, read into every kind of target and back: equal values, by the documented mapping.

The lists are as real ones: described or not, with gaps in the ids, nulls, left-out fields, ``false`` for no
value, numbers as text and as numbers, and fields that begin in a late row.
"""

import csv
import datetime as dt
import json
import tempfile
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_b24.export.job import ExportOptions, export_list
from airflow_provider_b24.export.load import LoadOptions, load_list
from tests.export.databases import mariadb_port, open_database, postgres_server  # noqa: F401 - fixtures
from tests.rest.conftest import FakeClock
from tests.rest.odd_lists import OddPortal, client_of

PAGE = 50
LEFT_OUT = object()  # the row does not have the field


class Cell(NamedTuple):
    """What a portal writes, and the value that it means."""

    wire: Any
    value: Any


class Kind(NamedTuple):
    """A kind of field: how the portal describes it, and what its cells may be."""

    description: dict[str, Any]
    cells: st.SearchStrategy[Cell]


def nothing(*others: Any) -> st.SearchStrategy[Cell]:
    return st.sampled_from([Cell(one, None) for one in (None, LEFT_OUT, *others)])


def same(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Cell]:
    return strategy.map(lambda one: Cell(one, one))


# Neither NUL nor half a surrogate pair: they are replaced in tables, which has a test of its own.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
NUMBER = st.integers(-(2**63) + 1, 2**63 - 1)
AMOUNT = st.one_of(
    st.decimals(-(10**9), 10**9, places=2),
    st.decimals(-999, 999, places=6),
    st.integers(0, 10**6).map(Decimal),
)
ZONE = st.sampled_from([dt.timezone(dt.timedelta(minutes=one)) for one in (0, 180, -300, 330)])
MOMENT = st.integers(10**5, 2 * 10**9).map(lambda one: dt.datetime.fromtimestamp(one, dt.UTC))
DAY = st.dates(dt.date(1970, 1, 2), dt.date(2037, 12, 30))


def amount(number: Decimal) -> st.SearchStrategy[Cell]:
    as_number = int(number) if number == int(number) else float(number)
    return st.sampled_from([Cell(str(number), number), Cell(as_number, number)])


def moment(time: dt.datetime, zone: dt.timezone) -> Cell:
    return Cell(time.astimezone(zone).isoformat(), time)


def day(date: dt.date, zone: dt.timezone) -> Cell:
    """A date is midnight UTC, written with the portal's offset."""
    midnight = dt.datetime(date.year, date.month, date.day, tzinfo=dt.UTC)
    return Cell(midnight.astimezone(zone).isoformat(), date)


FLAGS = [Cell("Y", True), Cell("N", False), Cell(True, True), Cell("1", True), Cell("0", False)]
KINDS = {
    "string": Kind({"type": "string"}, same(TEXT) | nothing()),
    "integer": Kind(
        {"type": "integer"},
        NUMBER.flatmap(lambda one: st.sampled_from([Cell(one, one), Cell(str(one), one)]))
        | nothing("", False),
    ),
    "number": Kind({"type": "double"}, AMOUNT.flatmap(amount) | nothing("", False)),
    "boolean": Kind({"type": "boolean"}, st.sampled_from(FLAGS) | nothing("")),
    "date": Kind({"type": "date"}, st.builds(day, DAY, ZONE) | nothing("", False)),
    "datetime": Kind({"type": "datetime"}, st.builds(moment, MOMENT, ZONE) | nothing("", False)),
    "json": Kind(
        {"type": "string", "isMultiple": True},
        same(st.lists(TEXT, min_size=1, max_size=3)) | nothing(False),
    ),
    "file": Kind(
        {"type": "file"}, same(st.fixed_dictionaries({"id": st.integers(1, 99)})) | nothing("", False)
    ),
}
# Nobody promised a type: text, and JSON text for everything that is none.
UNPROMISED = st.one_of(
    same(TEXT),
    st.integers(-(2**53), 2**53).map(lambda one: Cell(one, str(one))),
    st.lists(st.integers(0, 9), min_size=1, max_size=3).map(
        lambda one: Cell(one, json.dumps(one, separators=(",", ":")))
    ),
    nothing(),
)


class List(NamedTuple):
    """
    A list of a portal.

    :ivar kinds: the kind of each field; ``text`` of those that the portal does not describe.
    :ivar rows: the cells of each row, by id.
    """

    kinds: dict[str, str]
    rows: dict[int, dict[str, Cell]]

    def wire(self) -> list[dict[str, Any]]:
        """The rows as the portal sends them."""
        return [
            {"id": number} | {name: cell.wire for name, cell in row.items() if cell.wire is not LEFT_OUT}
            for number, row in self.rows.items()
        ]

    def values(self) -> list[dict[str, Any]]:
        """The rows as they are meant, without the fields that have no value."""
        return [
            {"id": number} | {name: cell.value for name, cell in row.items() if cell.value is not None}
            for number, row in self.rows.items()
        ]


@st.composite
def lists(draw: st.DrawFn) -> List:
    described = draw(st.lists(st.sampled_from(sorted(KINDS)), max_size=5))
    kinds = {f"ufCrm_{index}": kind for index, kind in enumerate(described)}
    kinds |= {f"other{index}": "text" for index in range(draw(st.integers(0, 2)))}
    late = {name for name in kinds if draw(st.booleans())}  # begins in the second half
    ids = sorted(draw(st.sets(st.integers(1, 10**6), max_size=5)))
    count = draw(st.sampled_from([0, 1, 3, 50, 51, 120]))
    ids = sorted({*ids, *range(2, 2 + 3 * count, 3)})
    # A few rows are drawn, and repeated: what a row holds does not depend on where it stands.
    drawn = [draw(_row(kinds)) for _ in range(min(len(ids), 4))]
    rows = {}
    for position, number in enumerate(ids):
        row = drawn[position % len(drawn)]
        hidden = late if position < len(ids) / 2 else set()
        rows[number] = {name: Cell(LEFT_OUT, None) if name in hidden else cell for name, cell in row.items()}
    return List(kinds, rows)


def _row(kinds: dict[str, str]) -> st.SearchStrategy[dict[str, Cell]]:
    return st.fixed_dictionaries(
        {name: UNPROMISED if kind == "text" else KINDS[kind].cells for name, kind in kinds.items()}
    )


def portal_of(given_list: List) -> OddPortal:
    """A portal with one list, which it sorts and pages by id."""
    rows = given_list.wire()
    fields = {"id": {"type": "integer"}}
    fields |= {name: KINDS[kind].description for name, kind in given_list.kinds.items() if kind != "text"}

    def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method == "server.time":
            return {"result": "2027-01-15T11:00:00+03:00"}  # the tests' clock
        if method == "crm.item.fields":
            return {"result": {"fields": fields}}
        filter_ = params.get("filter") or {}
        above, upto = filter_.get(">id"), filter_.get("<=id")
        found = [row for row in rows if above in (None, "") or row["id"] > int(above)]
        found = [row for row in found if upto in (None, "") or row["id"] <= int(upto)]
        if (params.get("order") or {}).get("id") == "DESC":
            found.reverse()
        start = int(params.get("start") or 0)
        body = {"result": {"items": found[max(start, 0) :][:PAGE]}, "total": len(found) if start >= 0 else 0}
        return body | ({"next": start + PAGE} if 0 <= start < len(found) - PAGE else {})

    return OddPortal(answer)


ASKED = ("crm.item.list", {"entityTypeId": 2})


def export(given_list: List, name: str) -> Path:
    path = Path(tempfile.mkdtemp()) / name
    export_list(client_of(portal_of(given_list), FakeClock()), *ASKED, ExportOptions(path), lambda line: None)
    return path


def read_csv(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_parquet(path: Path) -> list[dict[str, Any]]:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
    return parquet.read_table(path).to_pylist()  # type: ignore[no-any-return]


def _time(value: Any) -> dt.datetime:
    found = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


READ_BACK: dict[str, Callable[[Any], Any]] = {
    "string": str,
    "text": str,
    "integer": int,
    "number": lambda value: Decimal(str(value)),
    "boolean": lambda value: value in (True, 1, "true"),
    "date": lambda value: value if type(value) is dt.date else dt.date.fromisoformat(str(value)[:10]),
    "datetime": _time,
    "json": lambda value: json.loads(value) if isinstance(value, str) else value,
    "file": lambda value: json.loads(value) if isinstance(value, str) else value,
}


def as_values(rows: list[dict[str, Any]], kinds: dict[str, str]) -> list[dict[str, Any]]:
    """What was read back, as values; no value and, in CSV, an empty text are left out."""
    kinds = {"id": "integer", **kinds}
    return [
        {name: READ_BACK[kinds[name]](value) for name, value in row.items() if value not in (None, "")}
        for row in rows
    ]


SOME = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)


@SOME
@given(lists())
def test_json_lines_hold_what_the_portal_sent(given_list):
    lines = export(given_list, "rows.jsonl").read_bytes().splitlines()
    assert [json.loads(line) for line in lines] == given_list.wire()


@SOME
@given(lists())
@pytest.mark.parametrize(("name", "read"), [("rows.csv", read_csv), ("rows.parquet", read_parquet)])
def test_a_file_read_back_has_the_portal_s_values(name, read, given_list):
    rows = read(export(given_list, name))
    assert as_values(rows, given_list.kinds) == given_list.values()


@pytest.mark.parametrize(
    "name",
    [
        "sqlite",
        "duckdb",
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("psycopg2", "mysqlconnector")),
    ],
)
def test_a_table_read_back_has_the_portal_s_values(name, request, tmp_path):
    database = open_database(name, request, tmp_path)
    number = iter(range(1000))

    @settings(SOME, max_examples=20)
    @given(lists())
    def check(given_list):
        table = f"list_{next(number)}"
        options = LoadOptions(scratch=Path(tempfile.mkdtemp()))
        client = client_of(portal_of(given_list), FakeClock())
        load_list(client, *ASKED, database.target(table), options, lambda line: None)
        with closing(database.connect()) as connection:
            cursor = connection.cursor()
            cursor.execute(f"SELECT * FROM {table} ORDER BY id")
            names = [column[0] for column in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        kinds = {name.replace("ufCrm", "uf_crm"): kind for name, kind in given_list.kinds.items()}
        values = [
            {name.replace("ufCrm", "uf_crm"): value for name, value in row.items()}
            for row in given_list.values()
        ]
        assert as_values(rows, kinds) == values

    check()
