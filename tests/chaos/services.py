"""The processes of a cluster, each started again when it ends, as an init system does."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

CHECK_EVERY = 0.5  # seconds


class Service:
    """
    A process that can be killed and is started again.

    :param name: what it is called.
    :param command: its command line.
    :param environment: its environment variables.
    :param log: receives its output.
    :param user: the system user it runs as; None for this one.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        log: Path,
        user: str | None = None,
    ) -> None:
        self.name = name
        self._command = list(command)
        self._environment = environment
        self._log = log
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None
        self._not_before = 0.0

    def start(self) -> None:
        """Start it."""
        with self._log.open("ab") as output:
            self._process = self._spawn(output)

    def _spawn(self, output: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command,
            env=self._environment,
            cwd=self._log.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            user=self._user,
        )

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    def start_again_if_ended(self) -> None:
        """Start it if it is not running and its downtime is over."""
        ended = self._process is not None and self._process.poll() is not None
        if ended and time.monotonic() >= self._not_before:
            self.start()

    def has_ended(self) -> bool:
        """Whether it ended well."""
        assert self._process is not None, f"{self.name} was not started"
        code = self._process.poll()
        assert not code, self._log.read_text(errors="replace")[-3000:]
        return code == 0

    def kill(self, downtime: float = 0.0) -> None:
        """Kill it and its child processes as ``kill -9`` does; it is away for ``downtime`` seconds."""
        self._not_before = time.monotonic() + downtime
        for pid in family(self.pid):
            send(pid, signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def restart(self) -> None:
        """Ask it to end; it is started again."""
        send(self.pid, signal.SIGTERM)


class Keeper:
    """Starts services in order, and again when they end; a context manager."""

    def __init__(self) -> None:
        self._services: list[Service] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Keeper":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopping.set()
        self._thread.join()
        for service in reversed(self._services):
            service.kill()

    def add(self, service: Service) -> Service:
        """Start a service and keep it running."""
        service.start()
        self._services.append(service)
        return service

    def _watch(self) -> None:
        while not self._stopping.wait(CHECK_EVERY):
            for service in [*self._services]:
                service.start_again_if_ended()


def family(pid: int) -> list[int]:
    """Return a process and all processes below it."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in map(str.split, listed.splitlines())}
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def parent_of(pid: int) -> int:
    """Return the parent process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal; a process that has ended needs none."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
