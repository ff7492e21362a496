"""A PostgreSQL server of its own, from Debian's packages, for the time of the tests."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path


def server_folder() -> Path | None:
    """The newest PostgreSQL server installed, or None."""
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


@contextlib.contextmanager
def running_server(binaries: Path) -> Iterator[str]:
    """Run a server on a free port; it gives the connection's DSN."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    owner = {"user": "postgres"} if os.geteuid() == 0 else {}  # the server refuses to run as root
    if owner:
        shutil.chown(folder, "postgres")
    data = folder / "data"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    create = [binaries / "initdb", "-D", data, "-U", "tests", "--auth=trust", "--no-sync", "-E", "UTF8"]
    subprocess.run(create, check=True, **quiet, **owner)
    start = [binaries / "postgres", "-D", data, "-p", str(port), "-k", folder, "-h", "127.0.0.1", "-F"]
    process = subprocess.Popen(start, **quiet, **owner)
    try:
        while subprocess.run(
            [binaries / "pg_isready", "-h", "127.0.0.1", "-p", str(port)], **quiet
        ).returncode:
            assert process.poll() is None, "the server ended"
            time.sleep(0.05)
        yield f"host=127.0.0.1 port={port} user=tests dbname=postgres"
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
