"""The bindings of a family as the subject of a sync: wanted and current ones in, the calls to make out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_b24.crm.bindings import CompanyBinding, primary_company
from airflow_provider_b24.crm.families import Family, confirm_write
from airflow_provider_b24.crm.missing import MissingRecords, describe_missing
from airflow_provider_b24.errors import Bitrix24ApiError
from airflow_provider_b24.rest.calls import Call
from airflow_provider_b24.rest.replies import Outcome
from airflow_provider_b24.sync.options import InputOptions
from airflow_provider_b24.sync.subject import Reading, Wanted
from airflow_provider_b24.sync.subjects.binding_rows import BindingRows, Bindings
from airflow_provider_b24.sync.subjects.options import BindingOptions

SORT_STEP = 10  # between the SORT of a new binding and the highest one, by the documented rule


class BindingSubject(BindingRows):
    """
    The owners of one family and what is bound to them; a ``sync.subject.Subject``.

    :param bulk: carries out calls and yields their outcomes in order, e.g. ``Client.bulk``.
    """

    def __init__(
        self,
        family: Family,
        options: BindingOptions,
        form: InputOptions,
        bulk: Callable[[Iterable[Call]], Iterator[Outcome]],
    ) -> None:
        super().__init__(family, options.allow_empty, form)
        self.name = family.name
        self.noun = family.owner
        self.fingerprint = f"{family.name}|{options}"
        self.changed_since = (
            f"the {family.owner}'s {family.linked_plural} have changed since the plan was made"
        )
        self._bulk = bulk
        self._missing = MissingRecords(family, bulk) if options.check_companies else None

    def collect(self, wanted: Wanted[Bindings]) -> None:
        if self._missing is not None:
            self._missing.add(one.company_id for one in wanted.state)

    def look_up(self) -> None:
        if self._missing is not None:
            self._missing.look_up()

    def refusal(self, wanted: Wanted[Bindings]) -> str | None:
        if self._missing is None:
            return None
        missing = self._missing.first_in(one.company_id for one in wanted.state)
        return None if missing is None else describe_missing(self._family.linked, missing)

    def read(self, keys: Sequence[int]) -> Iterator[Reading[Bindings]]:
        """Read a chunk of owners by ``items.get``, which proves everything that a binding has."""
        for outcome in self._bulk(self._family.build_get(key) for key in keys):
            if outcome.error is not None:
                yield Reading(None, outcome.error, outcome.ended_run)
            elif (state := self.parse_state(outcome.result)) is None:
                text = "the answer contains no list of bindings"
                yield Reading(None, Bitrix24ApiError(text, method=outcome.call.method))
            else:
                yield Reading(state)

    def difference(self, wanted: Bindings, current: Bindings) -> Bindings | None:
        return difference(wanted, current)

    def cannot_write(self, state: Bindings) -> str | None:
        primaries = sum(bool(one.is_primary) for one in state)
        if not state or primaries == 1:
            return None
        linked = self._family.linked_plural
        how_many = f"{primaries} primary {linked}" if primaries else f"{linked} but no primary one"
        return f"the {self.noun} had {how_many} before, which no REST method can write"

    def write(self, key: int, target: Bindings) -> Call:
        """``items.set``, or ``items.delete``: a batch cannot carry an empty list."""
        return self._family.build_set(key, target) if target else self._family.build_clear(key)

    def confirm(self, call: Call, result: Any) -> None:
        if not call.method.endswith(".add"):  # which answers false if it is bound already
            confirm_write(result, call.method)

    def needs_read_back(self, target: Bindings, current: Bindings | None) -> bool:
        """``items.set`` may replace a SORT of 0 or below, and leave a second primary as it is."""
        return any(one.sort is not None and one.sort <= 0 for one in target) or (
            current is not None and sum(bool(one.is_primary) for one in current) > 1
        )

    def repairs(self, key: int, target: Bindings) -> list[Call]:
        """Bind what has a SORT of 0 or below one by one: only ``add`` keeps any SORT."""
        family, primary = self._family, primary_company(target)
        above_zero = [one for one in target if one.sort is None or one.sort > 0]
        others = [one for one in target if one.sort is not None and one.sort <= 0]
        return [
            family.build_clear(key),
            *([family.build_set(key, above_zero)] if above_zero else []),
            *(
                family.build_add(key, CompanyBinding(one.company_id, one.company_id == primary, one.sort))
                for one in others
            ),
        ]


def difference(wanted: Bindings, current: Bindings) -> list[CompanyBinding] | None:
    """
    Return the bindings to write, every field stated, or None if the owner has them already.

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
