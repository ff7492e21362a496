"""One cell's world: a portal, a network, a clock and a folder, and an Airflow connection that leads there."""

import contextlib
import io
import json
import logging
import os
import random
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from airflow_provider_b24.rest.transport import Transport
from airflow_provider_b24.sandbox import Portal
from tests.conftest import Console
from tests.faults.matrix_network import Clock, Network
from tests.rest.conftest import CODE

CONTACTS, COMPANIES = 130, 20
APP, SECRET, TOKENS = "local.matrix", "canary0secret0of0the0application", ("canary0access", "canary0refresh")
SECRETS = (CODE, SECRET, *TOKENS)
WEBHOOK, OAUTH = "matrix", "matrix_app"
HOST = "https://portal.example"
CONSOLE = Console()  # Airflow's loggers keep the standard output that they saw first


class World:
    """
    What one task meets.

    :ivar said: all that was logged, printed or returned as an error's text.
    :ivar pushed: values in XCom, by key.
    :ivar notes: what a path remembers between two tries.
    :ivar on_state: called before the task's state store is used; may raise.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.portal = Portal(clock=self.clock.right, sleep=self.clock.sleep)
        self.portal.add_webhook(user_id=1, code=CODE)
        self.portal.add_app(APP, SECRET)
        self.portal.issue_tokens(APP, TOKENS)
        self.portal.add_generated(contacts=CONTACTS, companies=COMPANIES)
        self.network = Network(self.portal, self.clock)
        self.said = io.StringIO()
        self.pushed: dict[str, Any] = {}
        self.notes: dict[str, Any] = {}
        self.on_state: Callable[[], None] = lambda: None

    def context(self) -> dict[str, Any]:
        """The context of a task, as far as the operators use it."""
        ti = SimpleNamespace(
            dag_id="matrix", run_id="run", task_id="task", map_index=-1, try_number=1, max_tries=1
        )
        ti.xcom_push = lambda key, value: self.pushed.update({key: value})
        store = SimpleNamespace(get=self._load, set=self._save)
        return {"ti": ti, "task": SimpleNamespace(outlets=()), "task_state_store": store}

    def _load(self, key: str) -> Any:
        self.on_state()
        return self.notes.get(key)

    def _save(self, key: str, value: Any) -> None:
        self.on_state()
        self.notes[key] = json.loads(json.dumps(value))

    def say(self, error: BaseException) -> None:
        """Note all that a traceback and a repr show."""
        self.said.write("".join(traceback.format_exception(error)) + repr(error) + repr(vars(error)))

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Let every hook find this world, and note what is logged."""
        from airflow_provider_b24.hooks import client

        random.seed(0)  # of the jitter between two tries
        handler = logging.StreamHandler(self.said)
        handler.setFormatter(logging.Formatter("%(message)s %(args)s"))
        root = logging.getLogger()
        root.addHandler(handler)
        transport = partial(Transport, adapter=self.network, timer=self.clock.right)
        try:
            with (
                mock.patch.object(client, "Transport", transport),
                mock.patch.object(client, "SystemClock", return_value=self.clock),
                mock.patch.dict(os.environ, connections(self.folder)),
                contextlib.redirect_stdout(CONSOLE),
                contextlib.redirect_stderr(CONSOLE),
            ):
                CONSOLE.target = self.said
                yield
        finally:
            CONSOLE.target = None
            root.removeHandler(handler)

    def leaks(self) -> list[str]:
        """The secrets that a log, an error, an XCom or a file shows."""
        seen = self.said.getvalue() + repr(self.pushed) + repr(self.notes)
        for file in self.folder.rglob("*"):
            if file.is_file() and "tokens" not in (file.name, file.parent.name):
                seen += file.read_text(errors="replace")
        return [secret for secret in SECRETS if secret in seen]


def connections(folder: Path) -> dict[str, str]:
    """The environment of a worker: connections to the portal and to a database."""
    webhook = {"host": HOST, "login": "1", "password": CODE, "extra": {"plan": "none"}}
    extra = {"client_id": APP, "client_secret": SECRET, "access_token": TOKENS[0], "refresh_token": TOKENS[1]}
    app = {"host": HOST, "extra": {**extra, "oauth_server": HOST, "plan": "none"}}
    database = {"conn_type": "sqlite", "host": str(folder / "rows.db")}
    return {
        "AIRFLOW_CONN_MATRIX": json.dumps({"conn_type": "bitrix24", **webhook}),
        "AIRFLOW_CONN_MATRIX_APP": json.dumps({"conn_type": "bitrix24", **app}),
        "AIRFLOW_CONN_MATRIX_SQL": json.dumps(database),
        "AIRFLOW__BITRIX24__TOKEN_STORE": f"file:{folder / 'tokens'}",
    }
