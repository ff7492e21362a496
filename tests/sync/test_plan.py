import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_b24.crm.bindings import CompanyBinding
from airflow_provider_b24.errors import Bitrix24NotFoundError
from airflow_provider_b24.sync.checkpoint import Cursor
from airflow_provider_b24.sync.lines import Tally, report_line, sync_error
from airflow_provider_b24.sync.plan import (
    CHUNK_CONTACTS,
    cannot_restore,
    difference,
    first_write,
    is_odd,
    portion,
    repair_writes,
)


def B(company, primary=None, sort=None):
    return CompanyBinding(company, primary, sort)


@pytest.mark.parametrize(
    ("wanted", "current", "expected"),
    [
        ([B(8)], [], [B(8, True, 10)]),
        ([B(8)], [B(8, True, 100)], None),
        ([B(8), B(9)], [B(8, True, 100)], [B(8, True, 100), B(9, False, 110)]),
        ([B(9), B(8)], [B(8, True, 100)], [B(9, True, 110), B(8, False, 100)]),
        ([B(8, sort=5)], [B(8, True, 100)], [B(8, True, 5)]),
        ([B(8), B(9, True)], [B(8, True, 10), B(9, False, 20)], [B(8, False, 10), B(9, True, 20)]),
        ([B(8)], [B(8, False, 10)], [B(8, True, 10)]),
        ([B(8)], [B(8, True, 10), B(9, False, 90)], [B(8, True, 10)]),
        ([B(10)], [B(9, True, 90)], [B(10, True, 100)]),
        ([], [], None),
        ([], [B(8, True, 10)], []),
        ([B(8), B(9, sort=300), B(10)], [], [B(8, True, 310), B(9, False, 300), B(10, False, 320)]),
        ([B(8)], [B(8, True, 0)], None),
        ([B(8)], [B(8, True, -5)], None),
        ([B(8, sort=0)], [B(8, True, 0)], None),
        ([B(8, sort=0)], [B(8, True, 10)], [B(8, True, 0)]),
        ([B(8), B(9)], [B(8, True, 0)], [B(8, True, 10), B(9, False, 20)]),
        ([B(8), B(9)], [B(8, True, 10), B(9, True, 20)], [B(8, True, 10), B(9, False, 20)]),
    ],
)
def test_the_difference_states_every_field_or_nothing(wanted, current, expected):
    assert difference(wanted, current) == expected


bindings = st.lists(
    st.builds(B, st.integers(1, 50), st.sampled_from([None, False, True]), st.none() | st.integers(-5, 500)),
    unique_by=lambda binding: binding.company_id,
    max_size=6,
)


@given(bindings, bindings)
def test_what_was_written_no_longer_differs(wanted, current):
    marked = [one for one in wanted if one.is_primary]
    wanted = [B(one.company_id, one in marked[:1] or None, one.sort) for one in wanted]
    stored = [B(one.company_id, bool(one.is_primary), one.sort or 0) for one in current]
    written = difference(wanted, stored)
    if written is not None:
        assert difference(wanted, written) is None
        assert {one.company_id for one in written} == {one.company_id for one in wanted}
        assert sum(bool(one.is_primary) for one in written) == min(1, len(written))


@pytest.mark.parametrize(
    ("target", "current", "odd"),
    [
        ([B(8, True, 10)], None, False),
        ([B(8)], None, False),
        ([], [B(8, True, 0)], False),
        ([B(8, True, 10)], [B(8, True, 20), B(9, True, 30)], True),
        ([B(8, True, 0)], None, True),
        ([B(8, True, 10), B(9, False, -5)], [], True),
    ],
)
def test_a_sort_of_zero_and_a_second_primary_need_a_second_look(target, current, odd):
    assert is_odd(target, current) == odd


def test_writes():
    assert first_write(82, []).method == "crm.contact.company.items.delete"
    assert first_write(82, [B(8)]).method == "crm.contact.company.items.set"
    calls = repair_writes(82, [B(8, True, 10), B(9, False, -5), B(7, False, 0)])
    assert [call.method.rpartition(".")[2] for call in calls] == ["delete", "set", "add", "add"]


def test_only_one_primary_can_be_written():
    assert cannot_restore([]) is None
    assert cannot_restore([B(8, True, 0), B(9, False, -5)]) is None
    assert "no primary one" in cannot_restore([B(8, False, 0)])
    assert "2 primary companies" in cannot_restore([B(8, True, 0), B(9, True, 0)])


def portions(differing, parallel=4):
    """The portions in which one chunk is read, where one contact in so many differs, behind 10,000 others."""
    sizes, seen = [], 10_000
    while size := portion(
        sum(sizes), sum(sizes) // differing, seen + sum(sizes), (seen + sum(sizes)) // differing, parallel
    ):
        sizes.append(size)
    return sizes


def test_a_chunk_grows_with_the_share_of_contacts_that_are_unchanged():
    assert portion(0, 0, 0, 0, 4) == 200
    assert portions(differing=50) == [CHUNK_CONTACTS]
    assert portions(differing=10_000) == [CHUNK_CONTACTS]
    assert portions(differing=1) == [400]
    assert portions(differing=2) == [800]
    assert portions(differing=1, parallel=16) == [1600]


def test_the_cursor_knows_lines_not_counts():
    cursor = Cursor()
    cursor.finish([1, 4, 9], [6])
    assert (cursor.line, cursor.done) == (5, [9])
    cursor.finish([6], [])
    assert (cursor.line, cursor.done) == (9, [])
    assert Cursor.from_json(json.loads(json.dumps(cursor.to_json()))) == cursor


def test_the_summary_stays_small_and_the_share_counts():
    tally = Tally()
    for contact in range(1, 1001):
        error = Bitrix24NotFoundError("x" * 500) if contact <= 50 else None
        tally.add(report_line(contact, contact, "failed" if error else "written", error=error))
    assert len(json.dumps(tally.failures).encode()) < 3500
    assert (tally.counts["failed"], tally.counts["written"], tally.contacts) == (50, 950, 1000)
    assert tally.exceeds(49)
    assert not tally.exceeds(50)
    assert tally.exceeds(0.049)
    assert not tally.exceeds(0.05)
    assert not sync_error(tally, 49, {"report_path": None}).temporary
