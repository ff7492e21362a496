"""The lab: portals and clients as processes of their own, over TLS, and what is read off them."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from environments import HERE, ROOT, Client
from job import COMPANIES, wanted_items

USER, CODE = 1, "bench0" + secrets.token_hex(6)
STOPPED = "stopped at the time cap"
START_SECONDS = 60  # for a client to import what it needs
CHANGED_SINCE = "2025-06-01T00:00:00+00:00"  # rows of the sandbox are older, except those that were changed
BUCKET = {"capacity": 50, "drain": 2.0}


@dataclass(frozen=True)
class Load:
    """
    What a portal is like, and what one or more client processes have to do there.

    :param writes: contacts of each process.
    :param portal: settings of the portal.
    :param options: extra fields of our connection.
    :param script: a script in this folder in place of the client's own.
    :param file: whether the contacts come from a file.
    :param rows: rows of a list that is read, in place of contacts that are written.
    :param changed: one row in so many was changed, and only those are read; 0: all rows.
    :param output: name of the file that an export writes.
    """

    writes: int = 2000
    processes: int = 1
    portal: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    script: str = ""
    file: bool = False
    rows: int = 0
    changed: int = 0
    output: str = ""

    @property
    def total(self) -> int:
        """Writes of all processes together."""
        return self.writes * self.processes

    @property
    def wanted(self) -> int:
        """What has to be there in the end: contacts with their companies, or rows in the client's hands."""
        return self.rows // (self.changed or 1) or self.total


@dataclass(frozen=True)
class Result:
    """What came of one load. Rows are counted in the portal, times and CPU in the client unless said."""

    processes: int
    wanted: int
    right: int
    requests: int
    refused: int
    connections: int
    seconds: float
    portal_seconds: float
    cpu: float
    peak_mb: float
    died: tuple[str, ...]
    writes: int
    batches: Mapping[str, int]
    writing: float = 0.0  # CPU seconds that an export spent on writing its rows

    @property
    def is_whole(self) -> bool:
        """Whether every contact got what it was to get."""
        return self.right == self.wanted


class Lab:
    """A folder with a certificate, in which portals are opened and clients are set to work."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate, self.key = make_certificate(folder)

    def run(self, client: Client, load: Load, cap: float) -> Result:
        """Give each process its share of the load on a fresh portal, and let all start at once."""
        with self._portal(load) as portal:
            host = portal.ask(None)["host"]
            file = self._file(load)
            clients = [
                self._start(client, load, host, first=first, file=str(file))
                for first in range(1, load.total, load.writes)
            ]
            try:
                for one in clients:
                    one.wait_ready()
                for one in clients:
                    one.go()
                deadline = time.monotonic() + cap
                said = [one.result(deadline) for one in clients]
            finally:
                for one in clients:
                    one.kill()
            seen = portal.ask({"last": load.total})
        return summary(load, seen, said)

    @contextlib.contextmanager
    def _portal(self, load: Load) -> Iterator[Process]:
        settings = {
            "user": USER,
            "code": CODE,
            "certificate": str(self.certificate),
            "key": str(self.key),
            "contacts": 0 if load.rows else load.total,
            "deals": load.rows,
            "changed": load.changed,
            "companies": COMPANIES,
            **load.portal,
        }
        process = Process([sys.executable, HERE / "portal_process.py"], {"PYTHONPATH": str(ROOT)})
        process.tell(settings)
        try:
            yield process
        finally:
            process.kill()

    def _file(self, load: Load) -> str | Path:
        if load.output:
            return self.folder / load.output
        return self._write_contacts(load.total) if load.file else ""

    def _write_contacts(self, count: int) -> Path:
        path = self.folder / f"{count}.jsonl"
        with path.open("w") as file:
            for contact_id in range(1, count + 1):
                file.write(json.dumps({"contact_id": contact_id, "items": wanted_items(contact_id)}) + "\n")
        return path

    def _start(self, client: Client, load: Load, host: str, first: int, file: str) -> Process:
        environment = {
            "REQUESTS_CA_BUNDLE": str(self.certificate),
            "SSL_CERT_FILE": str(self.certificate),
            "AIRFLOW_HOME": str(self.folder / "airflow"),
            "AIRFLOW__BITRIX24__PACING_DIR": str(self.folder / "pacing"),
            "NO_PROXY": "127.0.0.1",
            "PYTHONPATH": str(ROOT),
        }
        script = load.script or (client.script.replace("client_", "read_") if load.rows else client.script)
        process = Process([client.python, HERE / script], environment, self.folder)
        process.tell(
            {
                "host": host,
                "user": USER,
                "code": CODE,
                "ca_bundle": str(self.certificate),
                "first": first,
                "last": first + load.writes - 1,
                "options": dict(load.options),
                "file": file,
                "since": CHANGED_SINCE if load.changed else "",
            }
        )
        return process


class Process:
    """A process spoken to in lines over its standard input and output."""

    def __init__(
        self, command: Sequence[str | Path], environment: Mapping[str, str], folder: Path | None = None
    ) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
            cwd=folder,
            env={"PATH": os.environ.get("PATH", ""), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        )
        self._errors: list[str] = []
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def tell(self, message: Mapping[str, Any]) -> None:
        """Write a line of JSON."""
        self._write(json.dumps(message))

    def ask(self, question: Mapping[str, Any] | None) -> Any:
        """Write a question, read the answer; without a question, read the next line."""
        if question is not None:
            self.tell(question)
        line = self._output.readline()
        if not line:
            raise LabError(f"a process of the lab ended:\n{self._last_words()}")
        return json.loads(line)

    def wait_ready(self) -> None:
        """Wait until the client has imported what it needs."""
        timer = threading.Timer(START_SECONDS, self.kill)
        timer.start()
        try:
            while (line := self._output.readline()).strip() != "ready":
                if not line:
                    raise LabError(f"a client did not start:\n{self._last_words()}")
        finally:
            timer.cancel()

    def go(self) -> None:
        """Let the client begin."""
        self._write("go")

    def result(self, deadline: float) -> dict[str, Any] | None:
        """The client's last line, or None if it had to be stopped at the deadline or broke off."""
        timer = threading.Timer(max(0.0, deadline - time.monotonic()), self.kill)
        timer.start()
        try:
            lines = self._output.read().splitlines()
        finally:
            timer.cancel()
        with contextlib.suppress(IndexError, ValueError):
            found = json.loads(lines[-1])
            return found if isinstance(found, dict) else None
        return None

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._listener.join(1)

    @property
    def _output(self) -> Any:
        return self._process.stdout

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._errors = [*self._errors[-30:], line]

    def _last_words(self) -> str:
        self.kill()
        return "".join(self._errors)


class LabError(Exception):
    """The lab itself does not work."""


def summary(load: Load, seen: Mapping[str, Any], said: Sequence[Mapping[str, Any] | None]) -> Result:
    """One result from what the portal saw and what its clients said."""
    heard = [one for one in said if one is not None]
    died = [one["died"] for one in heard if one["died"]] + [STOPPED] * (len(said) - len(heard))
    first, last = seen["first_request"], seen["last_request"]
    return Result(
        processes=load.processes,
        wanted=load.wanted,
        right=right_rows(heard) if load.rows else seen["right"],
        requests=seen["requests"],
        refused=seen["refused"],
        connections=seen["connections"],
        seconds=max((one["seconds"] for one in heard), default=float("nan")),
        portal_seconds=last - first if first else 0.0,
        cpu=sum(one["cpu"] for one in heard),
        peak_mb=max((one["peak_kb"] / 1024 for one in heard), default=float("nan")),
        died=tuple(died),
        writes=seen["writes"],
        batches=seen["batches"],
        writing=sum((one["said"] or {}).get("writing", 0.0) for one in heard),
    )


def right_rows(heard: Sequence[Mapping[str, Any]]) -> int:
    """How many rows were read; none if one of them came twice."""
    said = [one["said"] for one in heard if one["said"]]
    return sum(one["ids"] for one in said) if all(one["ids"] == one["rows"] for one in said) else 0


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "benchmark lab")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address, x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "portal.pem", folder / "portal.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths


@contextlib.contextmanager
def open_lab() -> Iterator[Lab]:
    """A lab in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        yield Lab(Path(folder))
