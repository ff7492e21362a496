"""What is written to reach wanted bindings, and what cannot be written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_b24.crm.bindings import CompanyBinding
from airflow_provider_b24.sync.subjects.bindings import difference
from tests.sync.conftest import make_subject

CONTACTS = make_subject()


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
    ("target", "current", "expected"),
    [
        ([B(8, True, 10)], None, False),
        ([B(8)], None, False),
        ([], [B(8, True, 0)], False),
        ([B(8, True, 10)], [B(8, True, 20), B(9, True, 30)], True),
        ([B(8, True, 0)], None, True),
        ([B(8, True, 10), B(9, False, -5)], [], True),
    ],
)
def test_a_sort_of_zero_and_a_second_primary_are_read_back(target, current, expected):
    assert CONTACTS.needs_read_back(target, current) == expected


def test_writes():
    assert CONTACTS.write(82, []).method == "crm.contact.company.items.delete"
    assert CONTACTS.write(82, [B(8)]).method == "crm.contact.company.items.set"
    calls = CONTACTS.repairs(82, [B(8, True, 10), B(9, False, -5), B(7, False, 0)])
    assert [call.method.rpartition(".")[2] for call in calls] == ["delete", "set", "add", "add"]


def test_only_one_primary_can_be_written():
    assert CONTACTS.cannot_write([]) is None
    assert CONTACTS.cannot_write([B(8, True, 0), B(9, False, -5)]) is None
    assert "companies but no primary one" in CONTACTS.cannot_write([B(8, False, 0)])
    assert "2 primary companies" in CONTACTS.cannot_write([B(8, True, 0), B(9, True, 0)])
