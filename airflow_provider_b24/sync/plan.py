"""Wanted and current state in, the calls to make out; nothing here talks to anybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from airflow_provider_b24.crm import contact_company
from airflow_provider_b24.crm.bindings import CompanyBinding, primary_company
from airflow_provider_b24.rest.calls import MAX_BATCH, Call
from airflow_provider_b24.sync.wanted import Wanted

CHANGED_SINCE = "the contact's companies have changed since the plan was made"
SORT_STEP = 10  # between the SORT of a new binding and the highest one, by the documented rule

CHUNK_CONTACTS = 2_500
CHUNK_BATCHES = 2  # of writes in a chunk for each request in flight: what is read again after a stop


def difference(
    wanted: Sequence[CompanyBinding], current: Sequence[CompanyBinding]
) -> list[CompanyBinding] | None:
    """
    Return the bindings to write, every field stated, or None if the contact has them already.

    By the documented rules: the first item is primary if none is marked; a binding that exists keeps its
    SORT, a new one gets the highest + 10. https://apidocs.bitrix24.com/api-reference/crm/contacts/company/
    """
    if not wanted:
        return [] if current else None
    known = {binding.company_id: binding for binding in current}
    primary = primary_company(wanted)
    if len(known) == len(wanted) and all(_has(known, one, one.company_id == primary) for one in wanted):
        return None
    highest = max([0, *(binding.sort or 0 for binding in (*current, *wanted))])
    full = []
    for one in wanted:
        sort = one.sort
        if sort is None and one.company_id in known:
            sort = known[one.company_id].sort
        if sort is None or (one.sort is None and sort <= 0):  # items.set would replace it anyway
            highest += SORT_STEP
            sort = highest
        full.append(CompanyBinding(one.company_id, one.company_id == primary, sort))
    return full


def _has(known: Mapping[int, CompanyBinding], one: CompanyBinding, is_primary: bool) -> bool:
    now = known.get(one.company_id)
    return now is not None and now.is_primary == is_primary and one.sort in (None, now.sort)


def first_write(contact_id: int, target: Sequence[CompanyBinding]) -> Call:
    """The call that makes these the contact's companies; a batch cannot carry an empty list."""
    if not target:
        return contact_company.clear_companies(contact_id)
    return contact_company.set_companies(contact_id, target)


def is_odd(target: Sequence[CompanyBinding], current: Sequence[CompanyBinding] | None) -> bool:
    """
    Whether ``items.set`` may store something else than these.

    It may replace a SORT of 0 or below, and leave a second primary company as it is.

    :param current: the contact's companies now, if they were read.
    """
    return any(one.sort is not None and one.sort <= 0 for one in target) or (
        current is not None and sum(bool(one.is_primary) for one in current) > 1
    )


def repair_writes(contact_id: int, target: Sequence[CompanyBinding]) -> list[Call]:
    """The calls that store an odd target, one after the other: only ``add`` keeps any SORT."""
    primary = primary_company(target)
    above_zero = [one for one in target if one.sort is None or one.sort > 0]
    return [
        contact_company.clear_companies(contact_id),
        *([contact_company.set_companies(contact_id, above_zero)] if above_zero else []),
        *(
            contact_company.add_company(
                contact_id, CompanyBinding(one.company_id, one.company_id == primary, one.sort)
            )
            for one in target
            if one.sort is not None and one.sort <= 0
        ),
    ]


def cannot_restore(state: Sequence[CompanyBinding]) -> str | None:
    """Return why a state that was read cannot be written back, or None."""
    primaries = sum(bool(one.is_primary) for one in state)
    if not state or primaries == 1:
        return None
    how_many = f"{primaries} primary companies" if primaries else "companies but no primary one"
    return f"the contact had {how_many} before, which no REST method can write"


def changed_since(item: Wanted, current: Sequence[CompanyBinding] | None) -> bool:
    """Whether a contact is no longer as it was when its companies were planned."""
    return item.planned_from is not None and set(item.planned_from) != set(current or ())


def chunk_writes(parallel: int) -> int:
    """How many writes a chunk should hold."""
    return CHUNK_BATCHES * parallel * MAX_BATCH


def portion(contacts: int, pending: int, seen: int, differed: int, parallel: int) -> int:
    """
    Return how many contacts to read next for a chunk; 0 if it is large enough.

    A chunk is closed at ``CHUNK_CONTACTS`` contacts, or when it has writes for two batches per request in
    flight: these contacts are read again if the run stops before they are written.

    :param contacts: in the chunk so far.
    :param pending: writes among them.
    :param seen: contacts read in the whole run.
    :param differed: those of them that differed.
    """
    least = parallel * MAX_BATCH
    room = CHUNK_CONTACTS - contacts
    if not seen:
        return min(least, room)
    wanted = chunk_writes(parallel) - pending
    expected = wanted * seen // max(differed, 1) // MAX_BATCH * MAX_BATCH
    if contacts and expected < least:
        return 0
    return max(0, min(max(expected, least), room))
