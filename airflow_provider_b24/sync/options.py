"""How a sync is done, whatever it is about; options check themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar

from airflow_provider_b24.crm.values import parse_switch
from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.files.rows import FileFormat

Mode = Literal["diff", "replace"]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """
    What the engine does.

    :param mode: ``diff`` reads every record and writes only differences; ``replace`` writes unread.
    :param max_failures: how many records may fail: a count (int), or a share (float from 0 to 1).
    :param dry_run: plan and report, write nothing.
    :param undo: the input is a report; what it wrote becomes what was before.
    :param apply_plan: the input is the report of a dry run; what it planned is written, except to records
        that have changed since.
    :raises Bitrix24InputError: one of them is not of its kind.
    """

    mode: Mode = "diff"
    max_failures: int | float = 0
    dry_run: bool = False
    undo: bool = False
    apply_plan: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.mode, str) or self.mode not in ("diff", "replace"):
            raise Bitrix24InputError(f"mode must be 'diff' or 'replace', got {self.mode!r:.80}")
        check_switches(self)
        _check_max_failures(self.max_failures)
        if self.apply_plan and (self.undo or self.mode != "diff"):
            raise Bitrix24InputError("apply_plan cannot be combined with undo, and needs mode 'diff'")

    @property
    def reads_report(self) -> bool:
        """Whether the input is the report of another run."""
        return self.undo or self.apply_plan


@dataclass(frozen=True, kw_only=True)
class InputOptions(FileFormat):
    """
    How the input is read; columns, delimiter and encoding as in ``FileFormat``.

    :param ignore_extra_columns: skip columns that are not known instead of refusing them.
    :param allow_no_rows: whether a file may hold no row.
    :raises Bitrix24InputError: one of them is not of its kind.
    """

    ignore_extra_columns: bool = False
    allow_no_rows: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_switches(self)


def pick(kind: type[T], given: Mapping[str, Any]) -> T:
    """Make options of one kind from those among many that it has."""
    return kind(**{name: given[name] for name in option_names(kind) if name in given})


def option_names(*kinds: Any) -> tuple[str, ...]:
    """Return the names of the options of these kinds."""
    return tuple(field.name for kind in kinds for field in fields(kind))


def check_switches(options: Any) -> None:
    """
    Read the flags among some options, which may be text.

    :raises Bitrix24InputError: one of them is no flag.
    """
    for field in fields(options):
        if field.type == "bool":
            object.__setattr__(options, field.name, parse_switch(getattr(options, field.name), field.name))


def _check_max_failures(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value != value:
        raise Bitrix24InputError(f"max_failures must be a count or a share, got {value!r:.80}")
    if isinstance(value, float) and value > 1:
        raise Bitrix24InputError(
            f"max_failures as a float is a share between 0 and 1, got {value!r}; a count is an int"
        )
