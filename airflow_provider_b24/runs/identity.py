"""Identifies the run that a process works on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """
    A run, and which of its tries this is.

    :param run_id: names the run for people; all its tries have the same. Empty: a run outside of a task,
        which nothing resumes.
    :param generation: stays over retries and deferrals, and changes when the task is cleared: then the run
        starts over.
    :param try_number: counted over retries and clearing; the same after a deferral.
    :param mapped_run: the run without its map index, if the task is mapped; else empty.
    :param retries_left: whether another try follows if this one fails.
    """

    run_id: str = ""
    generation: str = ""
    try_number: int = 0
    mapped_run: str = ""
    retries_left: bool = False
