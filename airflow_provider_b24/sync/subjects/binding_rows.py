"""Rows of bindings as people write them: records with ``items``, or flat rows with one linked record each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_b24.crm.bindings import CompanyBinding, parse_bindings, parse_rows, to_wire
from airflow_provider_b24.crm.families import Family
from airflow_provider_b24.crm.values import is_missing, parse_flag, parse_id, parse_optional_int
from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.sync.options import InputOptions
from airflow_provider_b24.sync.subject import NumberedRow, Rejected, Wanted

Bindings = Sequence[CompanyBinding]

_FIELDS = ("is_primary", "sort", "role_id")  # items.get returns the last one; it cannot be set


class BindingRows:
    """
    Reads rows of one family; a ``sync.subject.Rows``.

    :param allow_empty: whether an owner may end without bindings.
    :param form: names of columns, and whether others are skipped.
    """

    def __init__(self, family: Family, allow_empty: bool, form: InputOptions) -> None:
        self.key_name = family.owner_key
        self.group_advice = f"put its {family.linked_plural} into one record, or its rows next to one another"
        self._family = family
        self._allow_empty = allow_empty
        self._form = form
        self._owner_keys = (self.key_name, self.key_name.upper(), "id", "ID")
        self._linked_keys = (family.linked_key, family.linked_key.upper())
        names = (family.linked_key, *_FIELDS)
        self._known = {spelling: name for name in names for spelling in (name, name.upper())}

    def record(self, key: Any, value: Any) -> Mapping[str, Any]:
        return {self.key_name: key, "items": value}

    def arrange(self, rows: list[NumberedRow]) -> list[NumberedRow]:
        """Put the flat rows of one owner next to one another; a query may mix them."""
        first: dict[int, int] = {}
        places = [line_number for line_number, _ in rows]
        for position, (line_number, row) in enumerate(rows):
            if isinstance(row, Mapping) and "items" not in row:
                owner = self._readable_owner(row)
                if owner is not None:
                    places[position] = first.setdefault(owner, line_number)
        if not first:
            return rows
        return [rows[position] for position in sorted(range(len(rows)), key=places.__getitem__)]

    def check_columns(self, names: Iterable[Any]) -> None:
        extra = [name for name in names if name not in self._owner_keys and name not in self._known]
        if extra:
            shown = ", ".join("one without a name" if name == "" else f"{name!r:.40}" for name in extra[:10])
            known = ", ".join((self.key_name, self._family.linked_key, *_FIELDS))
            raise Bitrix24InputError(
                f"unknown column{'s' * (len(extra) > 1)}: {shown}; known columns are {known}. "
                "Set ignore_extra_columns=True to skip other columns"
            )

    def parse(
        self, rows: Iterable[NumberedRow], on_warning: Callable[[int, int, str], None]
    ) -> Iterator[Wanted[Bindings] | Rejected]:
        """
        Read rows, each with its line number.

        :param rows: records ``{"contact_id": 82, "items": [...]}``; or flat rows
            ``{"contact_id": 82, "company_id": 8, "is_primary": "Y", "sort": 100}``, those of one contact next
            to one another.
        """
        return (self._parse_group(group, on_warning) for group in self._group_consecutive(rows))

    def parse_key(self, value: Any) -> int:
        return parse_id(value, self.key_name)

    def parse_wanted(self, stored: Any) -> Bindings:
        return tuple(parse_bindings(stored, allow_empty=True))  # the dry run has checked it

    def parse_state(self, stored: Any) -> Bindings | None:
        """Read bindings as a report or the portal states them, in a stable order; None if they are none."""
        try:
            return tuple(parse_rows(stored))
        except (TypeError, ValueError, LookupError, AttributeError):
            return None

    def to_json(self, state: Bindings) -> list[dict[str, Any]]:
        return to_wire(state)

    def _group_consecutive(self, rows: Iterable[NumberedRow]) -> Iterator[list[NumberedRow]]:
        """Yield consecutive flat rows of one owner as a group, and every other row alone."""
        group: list[NumberedRow] = []
        current: int | None = None
        for line_number, row in rows:
            is_flat = isinstance(row, Mapping) and "items" not in row and self._names_linked(row)
            owner = self._readable_owner(row) if is_flat else None
            if group and (owner is None or owner != current):
                yield group
                group = []
            current = owner
            group.append((line_number, row))
        if group:
            yield group

    def _parse_group(
        self, group: list[NumberedRow], on_warning: Callable[[int, int, str], None]
    ) -> Wanted[Bindings] | Rejected:
        line_number, row = group[0]
        owner: int | None = None

        def warn(text: str) -> None:
            on_warning(owner or 0, line_number, text)

        try:
            self._check_shape(row)
            owner = self.parse_key(self._owner_of(row))
            if "items" in row:
                bindings = parse_bindings(row["items"], allow_empty=self._allow_empty, on_warning=warn)
            else:
                bindings = self._parse_flat(group, warn)
            return Wanted(line_number, owner, tuple(bindings))
        except Bitrix24InputError as error:
            return Rejected(line_number, owner, str(error))

    def _check_shape(self, row: Any) -> None:
        if isinstance(row, Bitrix24InputError):
            raise row
        if isinstance(row, list | tuple):
            columns = self._form.columns
            if columns is None:
                raise Bitrix24InputError(
                    f"the row is a {type(row).__name__}, {row!r:.60}; name its fields with columns, "
                    f"for example columns=[{self.key_name!r}, {self._family.linked_key!r}]"
                )
            raise Bitrix24InputError(
                f"the row has {len(row)} fields, but columns names {len(columns)}: {row!r:.60}"
            )
        if not isinstance(row, Mapping):
            raise Bitrix24InputError(f"a row must be a dict, or a tuple as long as columns, got {row!r:.80}")
        if "items" in row:
            if self._form.ignore_extra_columns or {*row} <= {*self._owner_keys, "items"}:
                return
        elif self._names_linked(row):
            return
        owner, linked = self.key_name, self._family.linked_key
        raise Bitrix24InputError(
            f"a row needs {owner} with items, or {owner} with {linked}, is_primary and sort; "
            f"got the keys {sorted(map(str, row))!r:.120}"
        )

    def _parse_flat(
        self, rows: Sequence[NumberedRow], on_warning: Callable[[str], None]
    ) -> list[CompanyBinding]:
        """
        Read the flat rows of one owner.

        :raises Bitrix24InputError: names the line and the value.
        """
        found: dict[int, tuple[int, CompanyBinding]] = {}
        for line_number, row in rows:
            binding = self._parse_one(line_number, row, alone=len(rows) == 1)
            if binding is None:
                continue
            if binding.company_id in found:
                raise Bitrix24InputError(
                    f"line {line_number} repeats {self._family.linked} {binding.company_id} of line "
                    f"{found[binding.company_id][0]}"
                )
            found[binding.company_id] = line_number, binding
        bindings = [binding for _, binding in found.values()]
        if not bindings or sum(bool(one.is_primary) for one in bindings) > 1:
            return parse_bindings(bindings, allow_empty=self._allow_empty, on_warning=on_warning)
        return bindings

    def _parse_one(self, line_number: int, row: Mapping[str, Any], *, alone: bool) -> CompanyBinding | None:
        """One row's binding; None for an outer join's way to write that an owner has none."""
        values: dict[str, Any] = {}
        for key, value in row.items():
            name = self._known.get(key)
            if name is None:
                if key not in self._owner_keys and not self._form.ignore_extra_columns:
                    self.check_columns(row)
                continue
            if name in values:
                raise Bitrix24InputError(f"line {line_number} names {name} twice")
            values[name] = value
        linked = values.get(self._family.linked_key)
        if alone and is_missing(linked):
            return None
        where = f"line {line_number}: "
        return CompanyBinding(
            parse_id(linked, f"{where}{self._family.linked_key}"),
            parse_flag(values.get("is_primary"), f"{where}is_primary"),
            parse_optional_int(values.get("sort"), f"{where}sort"),
        )

    def _owner_of(self, row: Mapping[str, Any]) -> Any:
        return next((row[key] for key in self._owner_keys if key in row), None)

    def _readable_owner(self, row: Mapping[str, Any]) -> int | None:
        """The owner of a row, or None if it cannot be read."""
        try:
            return self.parse_key(self._owner_of(row))
        except Bitrix24InputError:
            return None

    def _names_linked(self, row: Mapping[str, Any]) -> bool:
        return any(key in row for key in self._linked_keys)
