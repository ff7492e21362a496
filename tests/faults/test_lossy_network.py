"""Ten thousand contacts, fifty of them out of reach forever, over a network that fails every 7th time."""

import pytest

from airflow_provider_b24.errors import Bitrix24SyncError
from tests.faults.portals import (
    break_network,
    failed_contacts,
    lines_of,
    make_portal,
    unconfirmed_writes,
    write_wanted,
    wrong_contacts,
)

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

CONTACTS = 10_000
FORBIDDEN = list(range(137, CONTACTS, 200))  # 50


def test_nothing_is_lost_and_exactly_the_hopeless_contacts_fail(hook_of, tmp_path):
    assert len(FORBIDDEN) == 50
    portal = make_portal(CONTACTS, FORBIDDEN)
    faults = break_network(portal)
    hook = hook_of(portal)
    wanted, report = write_wanted(tmp_path / "wanted.jsonl", CONTACTS), tmp_path / "report.jsonl"

    with pytest.raises(Bitrix24SyncError, match="50 of 10000 contacts failed") as caught:
        hook.sync_contact_companies(wanted, max_failures=49, report_path=str(report))
    assert not caught.value.temporary
    assert caught.value.summary["failed"] == 50
    assert caught.value.summary["written"] == CONTACTS - 50
    assert caught.value.summary["unknown"] == 0
    assert wrong_contacts(portal, CONTACTS) == FORBIDDEN
    assert [line["contact_id"] for line in lines_of(report)] == list(range(1, CONTACTS + 1))
    assert failed_contacts(report) == FORBIDDEN
    reasons = {str(line["error"]) for line in lines_of(report) if line["status"] == "failed"}
    assert reasons == {"{'code': 'ACCESS_DENIED', 'description': 'Access denied!', 'temporary': False}"}
    assert {contact for contact, count in portal.writes.items() if count > 1} <= unconfirmed_writes(portal)
    assert all(fault.fired for fault in faults)

    summary = hook.sync_contact_companies(wanted, max_failures=50, report_path=str(report))
    assert (summary["failed"], summary["unchanged"], summary["written"]) == (50, CONTACTS - 50, 0)
