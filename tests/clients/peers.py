"""Bitrix24 clients that others wrote, in pinned versions, each driven as a process of its own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.environments import FOLDER, PEERS, NoEnvironment, make_client, run

DRIVERS = Path(__file__).parent / "drivers"
NODE_FILES = ("package.json", "package-lock.json")
OLDEST_NODE = 20
ANSWER_SECONDS = 60.0


@dataclass(frozen=True)
class Driver:
    """The script that drives a client, and what it can be asked to do."""

    name: str
    script: str
    operations: frozenset[str]

    def command(self) -> list[str]:
        """
        The command that runs the driver; makes its environment first.

        :raises NoEnvironment: its Python or Node.js is missing, or its packages cannot be installed.
        """
        if self.script.endswith(".cjs"):
            return [find_node(), str(DRIVERS / self.script)]
        peer = next(peer for peer in PEERS if peer.name == self.name)
        return [str(make_client(peer).python), str(DRIVERS / self.script)]


DRIVEN = (
    Driver(
        "b24pysdk",
        "drive_b24pysdk.py",
        frozenset({"call", "batch", "rows", "rows_by_id", "exchange", "refresh"}),
    ),
    Driver("fast-bitrix24", "drive_fast_bitrix24.py", frozenset({"call", "batch", "rows", "refresh"})),
    Driver("b24api", "drive_b24api.py", frozenset({"call", "batch", "rows", "rows_by_id"})),
    Driver(
        "b24jssdk",
        "drive_b24jssdk.cjs",
        frozenset({"call", "batch", "long_batch", "rows_by_id", "refresh"}),
    ),
    Driver("2bad-bitrix", "drive_2bad_bitrix.cjs", frozenset({"call", "batch", "rows", "by_token"})),
)


def find_node() -> str:
    """Node.js, with the packages of the lock file installed in ``node_modules()``."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NoEnvironment("needs Node.js and npm")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.strip("v").partition(".")[0]) < OLDEST_NODE:
        raise NoEnvironment(f"needs Node.js {OLDEST_NODE} or newer, not {version.strip()}")
    folder = FOLDER / "node"
    stamp = folder / "installed"
    text = version + "".join((DRIVERS / name).read_text() for name in NODE_FILES)
    wanted = hashlib.sha256(text.encode()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        for name in NODE_FILES:
            shutil.copy(DRIVERS / name, folder)
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        run([npm, "ci", "--prefix", str(folder), *options])
        stamp.write_text(wanted)
    return node


class Peer:
    """A running driver. It trusts the certificate of the portals."""

    def __init__(self, driver: Driver, certificate: str) -> None:
        self.name = driver.name
        self.operations = driver.operations
        trust = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
        environment = {
            **dict.fromkeys(trust, certificate),
            "PATH": os.environ.get("PATH", ""),
            "NODE_PATH": str(FOLDER / "node" / "node_modules"),
            "NO_PROXY": "127.0.0.1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self._process = subprocess.Popen(
            driver.command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env=environment,
        )

    def ask(self, operation: str, portal: Mapping[str, Any], **question: Any) -> dict[str, Any]:
        """The driver's answer to one question."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        timer = threading.Timer(ANSWER_SECONDS, self._process.kill)
        timer.start()
        try:
            self._process.stdin.write(json.dumps({"do": operation, "portal": portal, **question}) + "\n")
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        assert line, f"the driver of {self.name} ended or took over {ANSWER_SECONDS:.0f} s"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def call(self, portal: Mapping[str, Any], method: str, params: Any = None, **options: Any) -> Any:
        """The result of one call, or its error as ``{"error": ...}``."""
        answer = self.ask("call", portal, method=method, params=params or {}, **options)
        return answer.get("result", answer)

    def close(self) -> None:
        """End the driver."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
