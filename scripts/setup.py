"""Create a virtual environment with pinned requirements and this package: setup.py ENVIRONMENT REQUIREMENTS.

An environment that is up to date is left alone. Only Python's standard library is needed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAIN = ROOT / ".venv"


def main(environment_name: str, requirements_name: str) -> None:
    if sys.version_info < (3, 11):
        version = ".".join(map(str, sys.version_info[:3]))
        sys.exit(
            f"Python 3.11 or newer is required, but {sys.executable} is {version}.\n"
            "To use another one: make PYTHON=python3.12 demo"
        )
    environment, requirements = (ROOT / environment_name).resolve(), ROOT / requirements_name
    fcntl.flock(
        os.open(ROOT / "scripts", os.O_RDONLY), fcntl.LOCK_EX
    )  # several makes may run at the same time
    stamp, wanted = environment / "installed", fingerprint(environment, requirements)
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    log = ROOT / "scripts" / f"{environment.name}.log"
    try:
        install(environment, requirements, log)
    except subprocess.CalledProcessError as failure:
        last_lines = "\n".join(log.read_text().splitlines()[-25:])
        command = " ".join(map(str, failure.cmd))
        sys.exit(f"{last_lines}\n\nFailed: {command}\nThe whole output is in {log.relative_to(ROOT)}")
    stamp.write_text(wanted)


def fingerprint(environment: Path, requirements: Path) -> str:
    """Identify what the environment depends on: requirements, metadata, Python and its own path."""
    metadata = (ROOT / "pyproject.toml").read_text().partition("\n[tool.")[0]
    content = requirements.read_text() + metadata
    return f"{hashlib.sha256(content.encode()).hexdigest()} {sys.version} {environment}"


def install(environment: Path, requirements: Path, log: Path) -> None:
    started = time.monotonic()
    name, version = environment.relative_to(ROOT), sys.version.split()[0]
    say(f"Creating {name} with Python {version}; this happens once and takes up to a minute")
    log.unlink(missing_ok=True)
    installer = MAIN / "bin" / "python"  # installs into the other environments too
    compile_bytecode: list[str | Path] = []
    if environment == MAIN or not installer.exists():
        installer = environment / "bin" / "python"
        compile_bytecode = ["--compile-bytecode"]  # otherwise many processes at once would do it
        run([sys.executable, "-m", "venv", "--clear", environment], log)
    else:
        run([sys.executable, "-m", "venv", "--clear", "--without-pip", environment], log)
    python = environment / "bin" / "python"
    uv: list[str | Path] = [installer, "-m", "uv", "pip", "install", "--python", python]
    pip: list[str | Path] = [installer, "-m", "pip", "--python", python, "install"]
    say(f"  installing {requirements.read_text().count('==')} packages from {requirements.relative_to(ROOT)}")
    try:
        if installer == python:
            run([*pip, "-r", write_pin_of_uv(environment)], log)
        run([*uv, *compile_bytecode, "--require-hashes", "-r", requirements], log)
    except subprocess.CalledProcessError:
        say("  uv failed; trying pip, which takes a few minutes")
        # The file has all of them. With hashes, older pips refuse what a package requires with an extra.
        run([*pip, "--no-deps", "-r", requirements], log)
    say("  installing this package")
    run([*pip, "--no-deps", "--no-build-isolation", "-e", ROOT], log)
    say(f"  done in {time.monotonic() - started:.0f} s")


def write_pin_of_uv(environment: Path) -> Path:
    """Write the pin of uv, with its hashes, to a file of its own and return the file."""
    pins = (ROOT / "scripts/requirements.txt").read_text()
    pin = re.search(r"^uv==\S+(?: \\\n +--hash=\S+)+", pins, re.MULTILINE)
    if pin is None:
        sys.exit("scripts/requirements.txt has no pin of uv with its hashes: run scripts/pin")
    file = environment / "uv.txt"
    file.write_text(f"{pin[0]}\n")
    return file


def run(command: list[str | Path], log: Path) -> None:
    with log.open("a") as output:
        print("$", *command, file=output, flush=True)
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=True)


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
