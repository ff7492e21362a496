"""The counts over the rows of a report."""

import json

from airflow_provider_b24.errors import Bitrix24NotFoundError
from airflow_provider_b24.runs.report_rows import Tally, report_row


def test_the_summary_stays_small_and_the_share_counts():
    tally = Tally()
    for contact in range(1, 1001):
        error = Bitrix24NotFoundError("x" * 500) if contact <= 50 else None
        status = "failed" if error else "written"
        tally.add(report_row("contact.company", {"contact_id": contact}, contact, status, error=error))
    assert len(json.dumps(tally.failures).encode()) < 3500
    assert (tally.counts["failed"], tally.counts["written"], tally.total) == (50, 950, 1000)
    assert tally.exceeds(49)
    assert not tally.exceeds(50)
    assert tally.exceeds(0.049)
    assert not tally.exceeds(0.05)
