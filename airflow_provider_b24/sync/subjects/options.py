"""The options of each subject, and the names of all options of a sync."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_b24.sync.options import EngineOptions, InputOptions, check_switches, option_names


@dataclass(frozen=True, kw_only=True)
class BindingOptions:
    """
    What a sync of bindings may do.

    :param allow_empty: whether an owner may end without bindings.
    :param check_companies: look up all linked records first; owners that name a missing one fail.
    :raises Bitrix24InputError: one of them is not of its kind.
    """

    allow_empty: bool = False
    check_companies: bool = True

    def __post_init__(self) -> None:
        check_switches(self)


BINDING_SYNC = option_names(EngineOptions, InputOptions, BindingOptions)
