"""Where rows are kept between the tries of a task, and what a task that was given up has left there."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from airflow_provider_b24.export.scratch import FOLDER, beside, on_this_machine, remove_if_empty
from airflow_provider_b24.files.paths import StoragePath, listed
from airflow_provider_b24.files.writer import open_new
from airflow_provider_b24.hooks.settings import read_scratch_path
from airflow_provider_b24.hooks.storage import modified_at, parse_path

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

log = logging.getLogger(__name__)
_ENDED = {"success", "failed"}
_NOTE = "run.json"


def scratch_folder() -> StoragePath | None:
    """
    Return the folder in that of the setting ``scratch_path``; None if it is not set.

    :raises Bitrix24ConfigError: it cannot be used.
    """
    text = read_scratch_path()
    return None if text is None else parse_path(text, "[bitrix24] scratch_path") / FOLDER


@contextmanager
def owned(context: Context, *paths: Any) -> Iterator[str]:
    """
    Name what the tries of a task instance keep, and remove what its given-up runs have left.

    :param paths: the files that the task writes; none: it fills a table.
    :returns: the name, shared by the tries of one task instance.
    """
    ti: Any = context["ti"]
    task = _digest(ti.dag_id, ti.task_id, getattr(ti, "map_index", -1))
    owner = f"{task}-{_digest(ti.run_id)}"
    set_folder = scratch_folder()
    used = [set_folder] if set_folder else [beside(parse_path(path, "path")) for path in paths]
    notes = [folder / f"{owner}.{_NOTE}" for folder in used or [on_this_machine()]]
    for note in notes:
        with suppress(Exception):  # it only tidies up; what matters here fails again, with its reason
            _remove_given_up(note.parent, task, owner, ti)
        with suppress(Exception), open_new(note) as file:
            file.write(json.dumps({"dag_id": ti.dag_id, "run_id": ti.run_id}).encode())
    try:
        yield owner
    finally:
        for note in notes:
            with suppress(Exception):
                left = [one.name for one in listed(note.parent) if one.name.startswith(f"{owner}.")]
                if left == [note.name]:
                    note.unlink()
                remove_if_empty(note.parent)


def clean(folder: StoragePath, older_than: float, now: float) -> int:
    """
    Delete what nobody has written to for some time; return the number of files.

    :param folder: a folder ``_bitrix24``, in which everything is this package's.
    :param older_than: seconds.
    :param now: seconds since the epoch.
    """
    by_owner: dict[str, list[tuple[float, StoragePath]]] = {}
    for path in listed(folder):
        with suppress(FileNotFoundError):
            by_owner.setdefault(path.name.partition(".")[0], []).append((modified_at(path), path))
    count = 0
    for files in by_owner.values():
        if max(modified for modified, _ in files) > now - older_than:
            continue
        for _, path in files:
            with suppress(FileNotFoundError):
                path.unlink()
                count += 1
    remove_if_empty(folder)
    return count


def folders(paths: Sequence[str]) -> list[StoragePath]:
    """
    Return the scratch folders: of the setting, of this machine, and in folders that the user names.

    :raises Bitrix24ConfigError: the setting cannot be used.
    """
    named = [parse_path(path, "path") for path in paths]
    beside_files = [folder if folder.name == FOLDER else folder / FOLDER for folder in named]
    return [scratch_folder() or on_this_machine(), *beside_files]


def _remove_given_up(folder: StoragePath, task: str, owner: str, ti: Any) -> None:
    """Delete what runs of this task have left that have ended."""
    names = [path.name for path in listed(folder)]
    for name in names:
        other = name.partition(".")[0]
        if not name.startswith(f"{task}-") or other == owner or name != f"{other}.{_NOTE}":
            continue
        with (folder / name).open("rb") as file:
            run = json.loads(file.read())
        if not _has_ended(run, ti):
            continue
        log.info("Removing the rows that run %s left in %s", run["run_id"], folder)
        for path in listed(folder):
            if path.name.startswith(f"{other}."):
                with suppress(FileNotFoundError):
                    path.unlink()


def _has_ended(run: Mapping[str, Any], ti: Any) -> bool:
    """Whether a DAG run is over; one that Airflow no longer knows is, too."""
    if hasattr(ti, "get_dagrun_state"):  # Airflow 3
        state = ti.get_dagrun_state(run["dag_id"], run["run_id"])
        return getattr(state, "value", state) in _ENDED
    from airflow.models.dagrun import DagRun

    found = DagRun.find(dag_id=run["dag_id"], run_id=run["run_id"])
    return not found or getattr(found[0].state, "value", found[0].state) in _ENDED


def _digest(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]
