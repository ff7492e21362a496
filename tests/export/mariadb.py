"""A MariaDB server of its own, from Debian's packages, for the time of the tests."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

SERVER = "/usr/sbin/mariadbd"


def is_installed() -> bool:
    """Whether there is a server."""
    return Path(SERVER).exists() and shutil.which("mariadb-install-db") is not None


@contextlib.contextmanager
def running_server() -> Iterator[int]:
    """Run a server on a free port of 127.0.0.1, with a user root without a password; it gives the port."""
    folder = Path(tempfile.mkdtemp(prefix="maria-"))
    user = "mysql" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    if os.geteuid() == 0:  # the server refuses to run as root
        shutil.chown(folder, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    owner = {"user": user} if os.geteuid() == 0 else {}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **owner}
    common = ["--no-defaults", f"--datadir={folder}/data"]
    create = ["mariadb-install-db", *common, "--auth-root-authentication-method=normal", "--skip-test-db"]
    subprocess.run(create, check=True, **quiet)
    small = ["--innodb-buffer-pool-size=32M", "--key-buffer-size=1M", "--skip-log-bin"]
    small += ["--innodb-flush-log-at-trx-commit=0", "--performance-schema=OFF"]
    place = [
        f"--port={port}",
        "--bind-address=127.0.0.1",
        f"--socket={folder}/s.sock",
        f"--pid-file={folder}/pid",
    ]
    log = f"--log-error={folder}/error.log"
    process = subprocess.Popen([SERVER, *common, *place, *small, log, f"--tmpdir={folder}"], **quiet)
    try:
        deadline = time.monotonic() + 60
        while not _accepts(port):
            assert process.poll() is None, (folder / "error.log").read_text()
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            return bool(connection.recv(1))  # the greeting of MySQL's protocol
    except OSError:
        return False
