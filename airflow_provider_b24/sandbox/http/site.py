"""The parts of a portal, as the modules that answer requests need them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from airflow_provider_b24.sandbox.http import faults
from airflow_provider_b24.sandbox.http.faults import Fault
from airflow_provider_b24.sandbox.http.journal import JournalEntry
from airflow_provider_b24.sandbox.methods.method import Method
from airflow_provider_b24.sandbox.methods.table import method_table
from airflow_provider_b24.sandbox.model.access import Access
from airflow_provider_b24.sandbox.model.applications import Applications
from airflow_provider_b24.sandbox.model.limits import Limits
from airflow_provider_b24.sandbox.model.state import Rules, State


@dataclass
class Settings:
    """How the portal behaves on the wire.

    ``latency`` is the delay of every request and ``command_latency`` that of every command, in seconds.
    ``renamed_to`` redirects every request to this address. ``refusal`` is a code of ``PORTAL_REFUSALS``
    with which the whole portal refuses. ``documented_statuses`` uses the statuses of the documentation for
    authorization errors. Bodies over ``max_body`` bytes are refused with 413. ``prefix`` is a path before
    ``/rest/``.
    """

    url: str = "https://portal.example"
    prefix: str = ""
    latency: float = 0.0
    command_latency: float = 0.0
    renamed_to: str | None = None
    refusal: str | None = None
    documented_statuses: bool = False
    max_body: int | None = None


@dataclass
class Traffic:
    """The requests so far: the journal and counts. ``on_request`` is called after each request.

    ``journal_limit`` is the number of entries to keep: None for all, 0 for none.
    """

    journal: list[JournalEntry] = field(default_factory=list)
    journal_limit: int | None = None
    on_request: Callable[[JournalEntry], None] | None = None
    requests: int = 0
    refused: int = 0
    executed: Counter[str] = field(default_factory=Counter)
    first_request: float | None = None
    last_request: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def is_watched(self) -> bool:
        """Whether anybody sees the journal's entries."""
        return self.journal_limit != 0 or self.on_request is not None

    def open(self, entry: JournalEntry) -> None:
        """Add an entry for a request that has just arrived."""
        with self._lock:
            self.first_request = self.first_request or entry.time
            self.last_request = entry.time
            if self.journal_limit != 0:
                self.journal.append(entry)
            if self.journal_limit and len(self.journal) > self.journal_limit:
                del self.journal[: -self.journal_limit]

    def count(self, admitted: bool) -> None:
        """Count a REST request."""
        with self._lock:
            self.requests += 1
            self.refused += not admitted

    def reset(self) -> None:
        """Clear the journal and the counts."""
        with self._lock:
            self.journal.clear()
            self.requests = self.refused = 0
            self.executed = Counter()
            self.first_request = self.last_request = None


class Site:
    """A portal without its set-up methods: data, access, limits, methods, faults, settings, traffic."""

    def __init__(self, rules: Rules, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self.clock = clock
        self.sleep = sleep
        self.state = State(rules, clock)
        self.access = Access(self.state.users, Applications(clock))
        self.limits = Limits()
        self.settings = Settings()
        self.traffic = Traffic()
        self.faults: list[Fault] = []
        self.methods: dict[str, Method] = method_table()

    def pick_fault(self, methods: Iterable[str], per_command: bool = False) -> Fault | None:
        """The fault that strikes a request (or a single command) calling these methods."""
        with self.state.lock:
            return faults.pick(self.faults, methods, per_command)
