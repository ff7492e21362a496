"""A plain process that syncs is killed three times: nothing is skipped, nothing confirmed written again."""

import json
import multiprocessing

import pytest

from tests.faults import job
from tests.faults.portals import (
    CODE,
    break_network,
    failed_contacts,
    lines_of,
    make_portal,
    unconfirmed_writes,
    write_wanted,
    wrong_contacts,
)
from tests.faults.real_airflow import wait_for

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

CONTACTS = 2_000
FORBIDDEN = list(range(33, CONTACTS, 40))  # 50
KILLS = (300, 800, 1_400)  # contacts written


@pytest.fixture(scope="session")
def forks():
    """Processes that need not load Airflow: they are forked from one that has."""
    pytest.importorskip("airflow", reason="needs Airflow")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [
            "airflow_provider_b24.hooks.bitrix24",
            "airflow_provider_b24.sync.job",
            "airflow_provider_b24.hooks.client",
        ]
    )
    return context


@pytest.mark.parametrize("max_failures", [49, 50])
@pytest.mark.parametrize("mode", ["diff", "replace"])
def test_a_sync_that_is_killed_goes_on_where_it_stopped(forks, serve, tmp_path, mode, max_failures):
    portal = make_portal(CONTACTS, FORBIDDEN, latency=0.05)
    break_network(portal)
    write_wanted(tmp_path / "wanted.jsonl", CONTACTS)
    report = tmp_path / "report.jsonl" if max_failures == 50 else None
    options = {"mode": mode, "max_failures": max_failures, "report_path": report and str(report)}
    arguments = (serve(portal).connection_json(code=CODE, plan="none"), tmp_path, options)
    for written in KILLS:
        kill_when(lambda written=written: len(portal.writes) >= written, start(forks, arguments))
    start(forks, arguments).join(120)

    summary = json.loads((tmp_path / "summary.json").read_text())
    assert ("error" in summary) == (max_failures == 49)
    assert not summary.get("temporary")
    assert (summary["contacts"], summary["failed"], summary["unknown"]) == (CONTACTS, 50, 0)
    assert wrong_contacts(portal, CONTACTS) == FORBIDDEN
    assert {contact for contact, count in portal.writes.items() if count > 1} <= unconfirmed_writes(portal)
    if report is not None:
        assert [line["contact_id"] for line in lines_of(report)] == list(range(1, CONTACTS + 1))
        assert failed_contacts(report) == FORBIDDEN
        assert {line["status"] for line in lines_of(report)} == {"written", "failed"}
        assert not report.with_name("report.jsonl.parts").exists()
    assert not (tmp_path / "cursor.json").exists()


def start(forks, arguments):
    process = forks.Process(target=job.sync, args=arguments)
    process.start()
    return process


def kill_when(moment, process):
    wait_for(lambda: moment() or not process.is_alive(), 60)
    process.kill()
    process.join()
    assert process.exitcode == -9, "it ended before it was killed"
