"""An environment of its own for each peer, in .bench/, with the pinned packages of its requirements file."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FOLDER = ROOT / ".bench"


@dataclass(frozen=True)
class Client:
    """A client of the lab: the Python of its environment, and the script in this folder."""

    name: str
    python: Path
    script: str


OWN = Client("this package", Path(sys.executable), "client_ours.py")
PLAIN = Client("plain requests loop", Path(sys.executable), "client_plain.py")


@dataclass(frozen=True)
class Peer:
    """Another client: its requirements file, the script that drives it, and the oldest Python it runs on."""

    name: str
    script: str
    needs: tuple[int, int] = (3, 11)

    @property
    def requirements(self) -> Path:
        """The file of its pinned packages."""
        return HERE / "peers" / f"{self.name}.txt"

    @property
    def version(self) -> str:
        """Its pinned version."""
        pins = dict(line.split("==") for line in self.requirements.read_text().split())
        return pins[self.name]


PEERS = [
    Peer("fast-bitrix24", "client_fast_bitrix24.py"),
    Peer("b24pysdk", "client_b24pysdk.py"),
    Peer("b24api", "client_b24api.py", needs=(3, 12)),
]


class NoEnvironment(Exception):
    """A peer that cannot be measured here, and why."""


def make_client(peer: Peer) -> Client:
    """
    Make the peer's environment, or find it made.

    :raises NoEnvironment: there is no Python for it, or it cannot be installed.
    """
    python = find_python(peer.needs)
    environment = FOLDER / peer.name
    stamp = environment / "installed"
    wanted = hashlib.sha256(f"{python}{environment}{peer.requirements.read_text()}".encode()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != wanted:
        install(python, environment, peer.requirements)
        stamp.write_text(wanted)
    return Client(peer.name, environment / "bin" / "python", peer.script)


def install(python: str, environment: Path, requirements: Path) -> None:
    """Make an environment; uv is quicker, pip is always there."""
    inside = environment / "bin" / "python"
    uv = [sys.executable, "-m", "uv", "pip", "install", "--python", inside, "--compile-bytecode", "-r"]
    pip = [inside, "-m", "pip", "install", "-r"]
    run([python, "-m", "venv", "--clear", environment])
    try:
        run([*uv, requirements])
    except NoEnvironment:
        run([*pip, requirements])


def run(command: list[str | Path]) -> None:
    """Run a command in silence; its last line is the reason if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoEnvironment((done.stderr.strip().splitlines() or ["it cannot be installed"])[-1])


def find_python(needs: tuple[int, int]) -> str:
    """This Python if it is new enough, else another that is."""
    if sys.version_info >= needs:
        return sys.executable
    for candidate in candidates(needs):
        probe = [candidate, "-c", f"import sys, venv; sys.exit(sys.version_info < {needs})"]
        if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            return str(candidate)
    raise NoEnvironment(f"needs Python {needs[0]}.{needs[1]} or newer, and none is on the PATH")


def candidates(needs: tuple[int, int]) -> Iterator[Path]:
    """Newer Pythons on the PATH, and those behind a version manager's folder of shims."""
    names = [f"python3.{minor}" for minor in range(needs[1], needs[1] + 4)]
    folders = [Path(entry) for entry in os.get_exec_path()]
    behind = [
        inside
        for folder in folders
        if folder.name == "shims"
        for inside in sorted(folder.parent.glob("versions/*/bin"))
    ]
    return (folder / name for name in names for folder in (*folders, *behind) if (folder / name).is_file())
