"""A client of a portal in this process, storage in memory, and a store for a sync's state."""

import io
import json

import pytest

from airflow_provider_b24.rest.auth.webhook import WebhookAuth
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.config import PortalConfig, Webhook
from airflow_provider_b24.rest.transport import Transport
from airflow_provider_b24.sync.job import sync
from airflow_provider_b24.sync.options import SyncOptions
from tests.rest.conftest import CODE, PortalAdapter, client, clock, portal

__all__ = ["client", "clock", "portal"]


class MemoryPath:
    """One name on an object store in memory; ``gate`` is called before each operation."""

    def __init__(self, objects, text, gate=lambda what: None):
        self._objects, self._text, self._gate = objects, text, gate

    def __str__(self):
        return self._text

    def __eq__(self, other):
        return isinstance(other, MemoryPath) and self._text == other._text

    def __hash__(self):
        return hash(self._text)

    def __truediv__(self, name):
        return MemoryPath(self._objects, f"{self._text}/{name}", self._gate)

    @property
    def name(self):
        return self._text.rpartition("/")[2]

    @property
    def parent(self):
        return MemoryPath(self._objects, self._text.rpartition("/")[0], self._gate)

    def with_name(self, name):
        return self.parent / name

    def open(self, mode):
        self._gate(f"open {mode}")
        if mode == "rb":
            if self._text not in self._objects:
                raise FileNotFoundError(2, "no such object", self._text)
            return io.BytesIO(self._objects[self._text])
        return Upload(self._objects, self._text, self._gate)

    def exists(self):
        self._gate("exists")
        return self._text in self._objects or self.is_dir()

    def is_dir(self):
        return any(name.startswith(f"{self._text}/") for name in list(self._objects))

    def mkdir(self, *, parents, exist_ok):
        pass

    def rmdir(self):
        pass

    def iterdir(self):
        self._gate("iterdir")
        start = f"{self._text}/"
        for name in dict.fromkeys(
            one[len(start) :].partition("/")[0] for one in list(self._objects) if one.startswith(start)
        ):
            yield self / name

    def replace(self, target):
        self._gate("replace")
        self._objects[target._text] = self._objects.pop(self._text)

    def unlink(self):
        self._gate("unlink")
        if self._objects.pop(self._text, None) is None:
            raise FileNotFoundError(2, "no such object", self._text)

    def lines(self):
        return [json.loads(line) for line in self._objects[self._text].splitlines()]


class Upload(io.BytesIO):
    """An object that appears when it is closed."""

    def __init__(self, objects, text, gate):
        super().__init__()
        self._objects, self._text, self._gate = objects, text, gate

    def close(self):
        if not self.closed:
            self._gate("close")
            self._objects[self._text] = self.getvalue()
        super().close()


class MemoryProgress:
    """The state of a sync, shared by its tries."""

    def __init__(self, store=None, gate=lambda what: None, *, run="a run", attempt="0", group="", number=1):
        self.store = {} if store is None else store
        self._gate = gate
        self.run, self.attempt, self.group = run, attempt, group
        self.try_number = number
        self.retries_left = True

    def load(self):
        self._gate("load")
        return json.loads(self.store["state"]) if "state" in self.store else None

    def save(self, state):
        self._gate("save")
        self.store["state"] = json.dumps(state)

    def finish(self, state):
        self._gate("finish")
        self.store["state"] = json.dumps(state)


@pytest.fixture
def make_client(portal, clock):
    """Build a client of the portal, or of another one."""

    def make(to=portal, max_parallel=4, **keywords):
        webhook = Webhook(1, CODE)
        config = PortalConfig("https://portal.example", webhook, max_parallel=max_parallel)
        transport = Transport(config, adapter=PortalAdapter(to))
        return Client(transport, WebhookAuth(webhook), clock=clock, **keywords)

    return make


@pytest.fixture
def path():
    """Where a report may be: on an object store in memory."""
    return MemoryPath({}, "store://bucket/report.jsonl")


@pytest.fixture
def run(client):
    """Sync with the options given: ``run(wanted, path, mode="replace")``."""

    def start(wanted, report_path=None, progress=None, client=client, **options):
        return sync(client, wanted, SyncOptions(**options), report_path=report_path, progress=progress)

    return start


def companies(portal, contact):
    """The ids of a contact's companies."""
    return [row["COMPANY_ID"] for row in portal.bindings(contact)]
