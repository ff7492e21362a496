"""A part of the matrix of faults, and whether its judge notices what is wrong."""

import logging
from dataclasses import replace

import pytest

from tests.faults.matrix_cell import run_cell
from tests.faults.matrix_faults import TROUBLES
from tests.faults.matrix_local import of_path
from tests.faults.matrix_network import SCHEDULES
from tests.faults.matrix_paths import Path, added, all_paths
from tests.faults.matrix_report import effects, report
from tests.faults.matrix_world import WEBHOOK
from tests.rest.conftest import CODE

pytestmark = pytest.mark.airflow

ONCE = SCHEDULES[0]
CHOSEN = {
    *("connection refused", "reset, before the effect", "reset, after the effect", "hang, after the effect"),
    *(
        "HTML 502, after the effect",
        "truncated",
        "TLS, untrusted",
        "HTML 403",
        "a command missing from the answer",
        "QUERY_LIMIT_EXCEEDED",
        "expired_token",
    ),
    *("command: OPERATION_TIME_LIMIT", "command: INTERNAL_SERVER_ERROR, after the effect"),
}


def paths() -> list[Path]:
    return all_paths() if pytest.importorskip("airflow", reason="needs Airflow") else []


@pytest.fixture(scope="module")
def by_name(airflow_console):
    return {path.name: path for path in paths()}


NAMES = [
    *("fields", "get", "get, OAuth", "set", "set, companies checked", "add", "delete", "clear"),
    *("call, a read", "call, a write", "batch of reads", "batch of writes", "batch with halt"),
    *("batch with references", "list by id", "list by offset", "list to a file", "export to JSON lines"),
    *("export to CSV, readable", "load into SQL", "sync", "sync with a report", "sync, replace"),
    *("sync, replace, report", "sync, OAuth", "sensor", "notifier", "offline events", "changes"),
]


def test_all_paths_are_here(by_name):
    assert sorted(by_name) == sorted(NAMES)
    assert {one.name for one in TROUBLES} >= CHOSEN


@pytest.mark.parametrize("name", NAMES)
def test_a_fault_that_strikes_once(by_name, name):
    path = by_name[name]
    clean = run_cell(path, None, ONCE, None)
    chosen = [one for one in TROUBLES if one.name in CHOSEN] + of_path(path)
    cells = [clean, *(run_cell(path, one, ONCE, clean) for one in chosen)]
    assert {cell.trouble: cell.faults for cell in cells if cell.faults} == {}
    assert effects()[name] in report(cells)


def hook():
    from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook

    return Bitrix24Hook(WEBHOOK)


ADD = ("crm.contact.add", {"fields": {"NAME": "Ann 0"}})


def judged(run, trouble="reset, after the effect", **changes):
    path = replace(Path("liar", "blind", run, truth=added(1)), **changes)
    (one,) = (one for one in TROUBLES if one.name == trouble)
    clean = run_cell(path, None, ONCE, None)
    return " ".join(run_cell(path, one, ONCE, clean).faults)


def test_the_judge_notices_a_write_that_is_said_to_be_done_and_is_not(airflow_console):
    assert "said to be done, but is before" in judged(lambda world: hook().read("profile"))


def test_the_judge_notices_a_write_that_is_done_twice(airflow_console):
    assert "is other" in judged(lambda world: hook().call(*ADD, repeatable=True))


def test_the_judge_notices_a_lost_write_that_is_said_to_have_failed(airflow_console):
    claims = {"claims": lambda world, value: {0: "failed"}}
    assert "said to be failed, but is wanted" in judged(lambda world: hook().call(*ADD), **claims)


def test_the_judge_notices_a_short_list(airflow_console):
    def first_page(world):
        return hook().read("crm.contact.list")

    short = {"effect": "read", "truth": lambda world: {}, "right": lambda world, rows: len(rows) == 130}
    assert "is not what the portal has" in judged(first_page, **short)


def test_the_judge_notices_a_secret(airflow_console):
    def tell(world):
        logging.getLogger("tests").warning("calling with %s", CODE)
        return hook().call(*ADD)

    assert "shows the secret" in judged(tell)


def test_the_judge_notices_a_client_that_never_stops(airflow_console):
    def insist(world):
        one = hook()
        while True:
            one.read("profile")

    assert "requests forever" in judged(insist)
