"""Check that system programs are installed: debian.py PROGRAM... Root on Debian gets the missing ones."""

import os
import shutil
import subprocess
import sys

PACKAGES = {
    "cc": "gcc",
    "chromedriver": "chromium-driver",
    "chromium": "chromium",
    "mariadb_config": "libmariadb-dev",
    "mariadbd": "mariadb-server",
    "openssl": "openssl",
    "pkg-config": "pkg-config",
    "psql": "postgresql",
    "redis-server": "redis-server",
}
INSTALL = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]
# With RUNLEVEL=1 Debian does not start the services it installs. The tests start their own.
ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}


def main(programs: list[str]) -> None:
    missing = find_missing(programs)
    if not missing:
        return
    packages = [PACKAGES[program] for program in missing]
    advice = f"On Debian or Ubuntu: sudo apt-get install {' '.join(packages)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(f"Not found: {', '.join(missing)}. {advice}")
    print(f"Installing {', '.join(packages)} with apt-get", flush=True)
    for command in (["apt-get", "update", "-qq"], [*INSTALL, *packages]):
        run(command, advice)
    if missing := find_missing(programs):
        sys.exit(
            f"Failed: the packages are installed, but these programs were not found: {', '.join(missing)}"
        )


def find_missing(programs: list[str]) -> list[str]:
    return [program for program in programs if not shutil.which(program)]


def run(command: list[str], advice: str) -> None:
    done = subprocess.run(
        command,
        env=os.environ | ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\nFailed: {' '.join(command)}\n{advice}")


if __name__ == "__main__":
    main(sys.argv[1:])
