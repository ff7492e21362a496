"""PostgreSQL and Redis from Debian's packages, with data folders of their own."""

import os
import shutil
import subprocess
import time
from pathlib import Path

from tests.chaos.services import Keeper, Service
from tests.export.postgres import server_folder
from tests.rest.networks import free_port

USER = "chaos"


def start_postgres(keeper: Keeper, folder: Path) -> tuple[Service, str]:
    """Start a server on a free port; return it and what follows ``postgresql://`` in its address."""
    binaries = server_folder()
    assert binaries is not None, "postgresql is not installed"
    user = "postgres" if os.geteuid() == 0 else None  # the server refuses to run as root
    folder.mkdir()
    if user:
        shutil.chown(folder, user)
    data, port = folder / "data", free_port()
    create = [binaries / "initdb", "-D", data, "-U", USER, "--auth=trust", "--no-sync", "-E", "UTF8"]
    subprocess.run(create, check=True, stdout=subprocess.DEVNULL, cwd=folder, user=user)
    command = [binaries / "postgres", "-D", data, "-p", str(port), "-k", folder, "-h", "127.0.0.1", "-F"]
    log = folder / "postgres.log"
    service = keeper.add(Service("PostgreSQL", command, os.environ, log, user))
    ready = [binaries / "pg_isready", "-h", "127.0.0.1", "-p", str(port)]
    wait_until_ready(ready, log)
    return service, f"{USER}@127.0.0.1:{port}/postgres"


def start_redis(keeper: Keeper, folder: Path) -> tuple[Service, str]:
    """Start a server that keeps what it was told on disk; return it and its address without a database."""
    folder.mkdir()
    port = str(free_port())
    command = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", folder, "--appendonly", "yes"]
    log = folder / "redis.log"
    service = keeper.add(Service("Redis", command, os.environ, log))
    wait_until_ready(["redis-cli", "-p", port, "ping"], log)
    return service, f"redis://127.0.0.1:{port}"


def wait_until_ready(probe: list[str | Path], log: Path) -> None:
    """
    Wait until a command succeeds.

    :raises RuntimeError: not within a minute.
    """
    deadline = time.monotonic() + 60
    while subprocess.run(probe, capture_output=True, check=False).returncode:
        if time.monotonic() > deadline:
            raise RuntimeError(log.read_text(errors="replace"))
        time.sleep(0.1)
