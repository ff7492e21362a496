"""Where rows are kept between the tries of a task, and what a task that was given up has left there."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from airflow_provider_b24.export.scratch import FOLDER, beside, on_this_machine, remove_if_empty
from airflow_provider_b24.files.paths import StoragePath, listed
from airflow_provider_b24.files.writer import whole_file
from airflow_provider_b24.hooks.settings import read_scratch_path
from airflow_provider_b24.hooks.storage import modified_at, parse_path

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

log = logging.getLogger(__name__)
_ENDED = {"success", "failed"}
_NOTE = "run.json"


def scratch_folder() -> StoragePath | None:
    """
    Return the folder of the setting ``scratch_path``; None if it is not set.

    :raises Bitrix24ConfigError: it cannot be used.
    """
    text = read_scratch_path()
    return None if text is None else parse_path(text, "[bitrix24] scratch_path")


@contextmanager
def owned(context: Context, path: Any = None) -> Iterator[str]:
    """
    Name what the tries of a task instance keep, and remove what its given-up runs have left.

    :param path: what the task writes; None: a table.
    :returns: the name, shared by the tries of one task instance.
    """
    ti: Any = context["ti"]
    task = _digest(ti.dag_id, ti.task_id, getattr(ti, "map_index", -1))
    owner = f"{task}-{_digest(ti.run_id)}"
    folder = scratch_folder() or (on_this_machine() if path is None else beside(parse_path(path, "path")))
    with suppress(Exception):  # it only tidies up; what matters here fails again, with its reason
        _remove_given_up(folder, task, owner, ti)
    note = folder / f"{owner}.{_NOTE}"
    is_noted = False
    with suppress(Exception):
        with whole_file(note) as file:
            file.write(json.dumps({"dag_id": ti.dag_id, "run_id": ti.run_id}).encode())
        is_noted = True
    try:
        yield owner
    finally:
        with suppress(Exception):
            left = [one for one in listed(folder) if one.name.startswith(f"{owner}.")]
            if is_noted and [one.name for one in left] == [note.name]:
                note.unlink()
                remove_if_empty(folder)


def clean(folder: StoragePath, older_than: float, now: float) -> int:
    """
    Delete what nobody has written to for some time; return the number of files.

    :param folder: a folder ``_bitrix24``, or that of the setting ``scratch_path``.
    :param older_than: seconds.
    :param now: seconds since the epoch.
    """
    by_owner: dict[str, list[tuple[float, StoragePath]]] = {}
    for path in listed(folder):
        if path.name.rpartition(".")[2] in {"piece", "tmp", "ids", "json"} and not path.is_dir():
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


def folders(path: str) -> list[StoragePath]:
    """Return the scratch folders of a path that the user names: itself, and the folder in it."""
    folder = parse_path(path, "path")
    return [folder] if folder.name == FOLDER else [folder / FOLDER]


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
        return str(ti.get_dagrun_state(run["dag_id"], run["run_id"])) in _ENDED
    from airflow.models.dagrun import DagRun

    found = DagRun.find(dag_id=run["dag_id"], run_id=run["run_id"])
    return not found or str(found[0].state) in _ENDED


def _digest(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]
