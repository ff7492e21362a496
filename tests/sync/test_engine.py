"""The engine syncs whatever a subject describes: here the titles of companies, which are no bindings."""

import json

import pytest

from airflow_provider_b24.crm.values import parse_id
from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError, Bitrix24UnknownOutcomeError
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.sandbox import Fault
from airflow_provider_b24.sync.job import sync
from airflow_provider_b24.sync.options import EngineOptions, InputOptions
from airflow_provider_b24.sync.subject import Reading, Rejected, Wanted
from tests.sync.conftest import MemoryStore

COMPANY = {"entityTypeId": 4}
UPDATE = "crm.item.update"


class Titles:
    """A subject that is read 50 records a call, and whose writes answer with the record."""

    name, noun, key_name = "company.title", "record", "company_id"
    group_advice = "name it once"
    changed_since = "the title has changed since the plan was made"
    fingerprint = "titles"

    def __init__(self, bulk):
        self._bulk = bulk

    def record(self, key, value):
        return {"company_id": key, "title": value}

    def arrange(self, rows):
        return rows

    def check_columns(self, names):
        pass

    def parse(self, rows, on_warning):
        for line_number, row in rows:
            if row["title"]:
                yield Wanted(line_number, self.parse_key(row["company_id"]), row["title"])
            else:
                yield Rejected(line_number, None, "a title is needed")

    def parse_key(self, value):
        return parse_id(value, self.key_name)

    def parse_wanted(self, stored):
        return stored

    def parse_state(self, stored):
        return stored

    def to_json(self, state):
        return state

    def collect(self, wanted):
        pass

    def look_up(self):
        pass

    def refusal(self, wanted):
        return "this one is secret" if wanted.key == 13 else None

    def read(self, keys):
        chunks = [keys[first : first + 50] for first in range(0, len(keys), 50)]
        calls = (
            Call(
                "crm.item.list", {**COMPANY, "select": ["id", "title"], "filter": {"@id": chunk}, "start": -1}
            )
            for chunk in chunks
        )
        for chunk, outcome in zip(chunks, self._bulk(calls), strict=True):
            titles = {} if outcome.error else {row["id"]: row["title"] for row in outcome.result["items"]}
            for key in chunk:
                error = outcome.error or (None if key in titles else Bitrix24InputError("there is none"))
                yield Reading(titles.get(key), error, outcome.ended_run)

    def difference(self, wanted, current):
        return None if wanted == current else wanted

    def cannot_write(self, state):
        return None

    def write(self, key, target):
        return Call(UPDATE, {**COMPANY, "id": key, "fields": {"title": target}}, repeatable=True)

    def confirm(self, call, result):
        if result["item"]["title"] != call.params["fields"]["title"]:
            raise Bitrix24UnknownOutcomeError("another title came back", method=call.method)

    def needs_read_back(self, target, current):
        return False

    def repairs(self, key, target):
        return []


@pytest.fixture
def run(client):
    def start(wanted, report_path=None, store=None, **options):
        engine = EngineOptions(**options)
        subject = Titles(client.bulk)
        return sync(client, subject, wanted, engine, InputOptions(), report_path=report_path, store=store)

    return start


@pytest.fixture
def titles(client):
    def read():
        return {row["id"]: row["title"] for row in client.pages("crm.item.list", COMPANY)}

    return read


def test_a_chunk_is_read_in_one_request_and_only_differences_are_written(portal, run, titles, path):
    before = titles()
    wanted = {key: "New" if key % 10 == 0 else before[key] for key in range(1, 101)}
    portal.reset_counters()
    summary = run(wanted, path, max_failures=1)
    assert (summary["records"], summary["written"], summary["unchanged"], summary["failed"]) == (
        100,
        10,
        89,
        1,
    )
    assert (portal.requests, portal.executed["crm.item.list"]) == (2, 2)
    assert summary["failures"] == [{"company_id": 13, "code": "", "description": "this one is secret"}]
    assert {key: title for key, title in titles().items() if key in wanted} == wanted
    row = next(row for row in path.lines() if row["status"] == "written")
    assert row == {
        "company_id": 10,
        "line": 10,
        "status": "written",
        "wanted": "New",
        "before": before[10],
        "error": None,
        "version": 2,
        "subject": "company.title",
        "key": 10,
    }


def test_it_is_planned_applied_and_undone(portal, run, titles, path):
    before = titles()
    assert run({1: "New", 2: "New", 99_999: "New"}, path, dry_run=True, max_failures=1)["planned"] == 2
    run({2: "Meanwhile"})
    applied = path.with_name("applied.jsonl")
    summary = run(path, applied, apply_plan=True)
    assert (summary["written"], summary["skipped"]) == (1, 1)
    assert run(applied, undo=True)["written"] == 1
    assert titles() == {**before, 2: "Meanwhile"}


def test_a_report_of_bindings_is_not_undone_as_titles(run, path):
    row = {"subject": "contact.company", "company_id": 1, "status": "written", "before": [], "line": 1}
    path._objects[str(path)] = json.dumps(row).encode() + b"\n"
    with pytest.raises(Bitrix24InputError, match=r"of 'contact\.company', not of company\.title"):
        run(path, undo=True)


def test_a_retry_resumes_it(portal, run, titles, path):
    wanted, store = dict.fromkeys(range(20, 101), "New"), MemoryStore()
    portal.add_fault(Fault("html_502", every=1, method=UPDATE))
    with pytest.raises(Bitrix24Error):
        run(wanted, path, store)
    portal.faults.clear()
    assert run(wanted, path, store)["written"] == 81
    assert {titles()[key] for key in wanted} == {"New"}
    assert [row["key"] for row in path.lines()] == list(wanted)
