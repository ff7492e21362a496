"""A sync in a process of its own, with its state in a file: it may be killed at any time."""

import json
import os
from pathlib import Path
from typing import Any

from airflow_provider_b24.runs.identity import RunIdentity


class MemoryStore:
    """The state of a sync, as long as the test lasts."""

    run = RunIdentity("a run that is resumed", "0", 1, retries_left=True)

    def __init__(self) -> None:
        self.state: dict[str, Any] | None = None

    def load(self) -> dict[str, Any] | None:
        return self.state

    def save(self, state: dict[str, Any]) -> None:
        self.state = json.loads(json.dumps(state))

    def finish(self, state: dict[str, Any]) -> None:
        self.state = None


class FileStore:
    """The state of a sync in a file."""

    run = RunIdentity("a run that is killed", "0", 1, retries_left=True)

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> dict[str, Any] | None:
        return json.loads(self._path.read_text()) if self._path.exists() else None

    def save(self, state: dict[str, Any]) -> None:
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(state))
        new.replace(self._path)

    def finish(self, state: dict[str, Any]) -> None:
        self._path.unlink(missing_ok=True)


def sync(connection: str, folder: Path, options: dict[str, Any]) -> None:
    """Bring the wanted state to the portal; its summary is in summary.json afterwards."""
    from airflow_provider_b24.errors import Bitrix24SyncError
    from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook

    os.environ["AIRFLOW_CONN_FAULTY"] = connection
    store = FileStore(folder / "cursor.json")
    try:
        summary = Bitrix24Hook("faulty").sync_contact_companies(
            folder / "wanted.jsonl", progress=store, **options
        )
    except Bitrix24SyncError as error:
        summary = {**error.summary, "error": str(error), "temporary": error.temporary}
    (folder / "summary.json").write_text(json.dumps(summary))
