"""A client of a portal in this process, storage in memory, and a store for a run's state."""

import io
import json

import pytest

from airflow_provider_b24.crm.families import CONTACT_COMPANY
from airflow_provider_b24.rest.auth.webhook import WebhookAuth
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.config import PortalConfig, Webhook
from airflow_provider_b24.rest.transport import Transport
from airflow_provider_b24.runs.identity import RunIdentity
from airflow_provider_b24.runs.report_rows import report_row
from airflow_provider_b24.sync.job import sync_contact_companies
from airflow_provider_b24.sync.options import EngineOptions, InputOptions, pick
from airflow_provider_b24.sync.source import Source, check
from airflow_provider_b24.sync.subjects.bindings import BindingSubject
from airflow_provider_b24.sync.subjects.options import BindingOptions
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


class MemoryStore:
    """The state of a run, shared by its tries."""

    def __init__(
        self, saved=None, gate=lambda what: None, *, run="a run", generation="0", mapped_run="", number=1
    ):
        self.saved = {} if saved is None else saved
        self._gate = gate
        self.run = RunIdentity(run, generation, number, mapped_run, retries_left=True)

    def load(self):
        self._gate("load")
        return json.loads(self.saved["state"]) if "state" in self.saved else None

    def save(self, state):
        self._gate("save")
        self.saved["state"] = json.dumps(state)

    def finish(self, state):
        self._gate("finish")
        self.saved["state"] = json.dumps(state)


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

    def start(wanted, report_path=None, store=None, client=client, **options):
        return sync_contact_companies(client, wanted, report_path=report_path, store=store, **options)

    return start


def make_subject(**options):
    """The companies of contacts, as a subject that reaches no portal."""
    return BindingSubject(
        CONTACT_COMPANY, pick(BindingOptions, options), pick(InputOptions, options), lambda calls: iter(())
    )


def make_source(given, **options):
    """The input of a sync."""
    engine, form = pick(EngineOptions, options), pick(InputOptions, options)
    return Source(given, make_subject(**options), engine, form)


def check_input(given, **options):
    """Read the input of a sync to its end."""
    engine, form = pick(EngineOptions, options), pick(InputOptions, options)
    return check(make_source(given, **options), make_subject(**options), engine, form)


def contact_row(line, contact, status, *, wanted=None, before=None, error=None):
    """A row of a report of a sync of contacts."""
    subject = make_subject()
    wanted, before = (None if state is None else subject.to_json(state) for state in (wanted, before))
    row = {"wanted": wanted, "before": before, "error": error}
    return report_row(subject.name, {"contact_id": contact}, line, status, **row)


def companies(portal, contact):
    """The ids of a contact's companies."""
    return [row["COMPANY_ID"] for row in portal.bindings(contact)]
