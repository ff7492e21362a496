"""How a sync is done: one value that checks itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from airflow_provider_b24.crm.values import parse_switch
from airflow_provider_b24.errors import Bitrix24InputError
from airflow_provider_b24.files.rows import FileFormat

Mode = Literal["diff", "replace"]
_FLAGS = (
    *("allow_empty", "check_companies", "dry_run", "undo", "apply_plan"),
    *("ignore_extra_columns", "allow_no_rows"),
)


@dataclass(frozen=True, kw_only=True)
class SyncOptions:
    """
    How a sync is done.

    :param mode: ``diff`` reads every contact and writes only differences; ``replace`` writes unread.
    :param allow_empty: whether a contact may end without companies.
    :param check_companies: look up all companies first; contacts that name a missing one fail.
    :param max_failures: how many contacts may fail: a count (int), or a share (float from 0 to 1).
    :param dry_run: plan and report, write nothing.
    :param undo: the input is a report; what it wrote becomes what was before.
    :param apply_plan: the input is the report of a dry run; what it planned is written, except to contacts
        that have changed since.
    :param ignore_extra_columns: skip columns that are not known instead of refusing them.
    :param allow_no_rows: whether a file may hold no row.
    :param form: columns, delimiter and encoding of the input.
    :raises Bitrix24InputError: one of them is not of its kind.
    """

    mode: Mode = "diff"
    allow_empty: bool = False
    check_companies: bool = True
    max_failures: int | float = 0
    dry_run: bool = False
    undo: bool = False
    apply_plan: bool = False
    ignore_extra_columns: bool = False
    allow_no_rows: bool = False
    form: FileFormat = FileFormat()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        if not isinstance(self.mode, str) or self.mode not in ("diff", "replace"):
            raise Bitrix24InputError(f"mode must be 'diff' or 'replace', got {self.mode!r:.80}")
        for name in _FLAGS:
            object.__setattr__(self, name, parse_switch(getattr(self, name), name))
        _check_max_failures(self.max_failures)
        if self.apply_plan and (self.undo or self.mode != "diff"):
            raise Bitrix24InputError("apply_plan excludes undo, and needs mode 'diff'")

    @property
    def reads_report(self) -> bool:
        """Whether the input is the report of another run."""
        return self.undo or self.apply_plan


def _check_max_failures(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value != value:
        raise Bitrix24InputError(f"max_failures must be a count or a share, got {value!r:.80}")
    if isinstance(value, float) and value > 1:
        raise Bitrix24InputError(
            f"max_failures as a float is a share between 0 and 1, got {value!r}; a count is an int"
        )
