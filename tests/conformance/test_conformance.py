"""The sandbox answers as the sources say, in this process and through the command's own sender."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from airflow_provider_b24.sandbox import PortalServer, seeded_portal
from airflow_provider_b24.sandbox.http.seed import DEMO_CODE
from tests.conformance import runner
from tests.conformance.pair import Pair
from tests.conformance.pairs import PAIRS


def test_the_sandbox_conforms():
    portal = seeded_portal()

    def send(method, params):
        path = f"/rest/1/{DEMO_CODE}/{method}"
        headers = {"Content-Type": "application/json"}
        response = portal.handle("POST", path, headers, json.dumps(params).encode())
        return response.status, json.loads(response.body)

    with runner.own_records(send) as records:
        differences = runner.run(send, PAIRS, records)
    assert not differences, runner.table(differences)
    assert len(PAIRS) >= 250


@pytest.fixture
def served():
    with PortalServer(seeded_portal()) as server:
        yield server


def webhook(server):
    return f"http://127.0.0.1:{server.port}/rest/1/{DEMO_CODE}/"


def test_the_command_removes_its_records_and_prints_differences(served, capsys):
    wrong = Pair("profile", {"code": DEMO_CODE}, "a page", {"ID": 1})
    unsafe = replace(wrong, safe=False)
    assert runner.main(f"127.0.0.1:{served.port}", webhook(served), [*PAIRS[:20], wrong, unsafe]) == 1
    printed = capsys.readouterr()
    assert "21 pairs, 1 differences" in printed.out
    assert "| profile |" in printed.out
    assert DEMO_CODE not in printed.out + printed.err
    called = [entry.method for entry in served.portal.journal]
    assert called.count("crm.contact.delete") == called.count("crm.contact.add") == 1
    assert called.count("crm.company.delete") == called.count("crm.company.add") == 3


def test_a_webhook_of_another_portal_is_not_used(served, capsys):
    assert runner.main("other.example", webhook(served), PAIRS) == 2
    assert not served.portal.journal
    assert DEMO_CODE not in capsys.readouterr().err
