"""Create a virtual environment with pinned requirements and this package: setup.py ENVIRONMENT REQUIREMENTS.

An environment that is up to date is left alone. Only Python's standard library is needed.
"""

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


def main(environment, requirements):
    if sys.version_info < (3, 11):
        version = ".".join(map(str, sys.version_info[:3]))
        sys.exit(
            f"Python 3.11 or newer is required, but {sys.executable} is {version}.\n"
            "To use another one: make PYTHON=python3.12 demo"
        )
    environment, requirements = (ROOT / environment).resolve(), ROOT / requirements
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


def fingerprint(environment, requirements):
    """Identify what the environment depends on: requirements, metadata, Python and its own path."""
    metadata = (ROOT / "pyproject.toml").read_text().partition("\n[tool.")[0]
    content = requirements.read_text() + metadata
    return f"{hashlib.sha256(content.encode()).hexdigest()} {sys.version} {environment}"


def install(environment, requirements, log):
    started = time.monotonic()
    name, version = environment.relative_to(ROOT), sys.version.split()[0]
    say(f"Creating {name} with Python {version}; this happens once and takes up to a minute")
    log.unlink(missing_ok=True)
    installer = MAIN / "bin" / "python"  # installs into the other environments too
    compile_bytecode = []
    if environment == MAIN or not installer.exists():
        installer = environment / "bin" / "python"
        compile_bytecode = ["--compile-bytecode"]  # otherwise many processes at once would do it
        run([sys.executable, "-m", "venv", "--clear", environment], log)
    else:
        run([sys.executable, "-m", "venv", "--clear", "--without-pip", environment], log)
    python = environment / "bin" / "python"
    uv = [installer, "-m", "uv", "pip", "install", "--python", python]
    pip = [installer, "-m", "pip", "--python", python, "install"]
    say(f"  installing {requirements.read_text().count('==')} packages from {requirements.relative_to(ROOT)}")
    try:
        if installer == python:
            pins = (ROOT / "scripts/requirements.txt").read_text()
            run([*pip, re.search(r"^uv==\S+", pins, re.MULTILINE).group()], log)
        run([*uv, *compile_bytecode, "-r", requirements], log)
    except subprocess.CalledProcessError:
        say("  uv failed; trying pip, which takes a few minutes")
        run([*pip, "-r", requirements], log)
    say("  installing this package")
    run([*pip, "--no-deps", "--no-build-isolation", "-e", ROOT], log)
    say(f"  done in {time.monotonic() - started:.0f} s")


def run(command, log):
    with log.open("a") as output:
        print("$", *command, file=output, flush=True)
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=True)


def say(line):
    print(line, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
