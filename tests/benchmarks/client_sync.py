"""This package's sync: from a list, or from a file if the job names one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from client_ours import make_hook
from job import Job, carry_out, wanted_items


def prepare(job: Job) -> Callable[[], dict[str, Any]]:
    """Return the sync."""
    hook = make_hook(job)
    hook.get_conn()

    def work() -> dict[str, Any]:
        return hook.sync_contact_companies(Path(job.file) if job.file else rows(job))

    return work


def rows(job: Job) -> list[dict[str, Any]]:
    """The contacts as a list of records."""
    contacts = range(job.first, job.last + 1)
    return [{"contact_id": contact_id, "items": wanted_items(contact_id)} for contact_id in contacts]


if __name__ == "__main__":
    carry_out(prepare)
