"""See that Chromium and its driver are here; as root on a Debian install them, otherwise say what to do."""

import os
import shutil
import subprocess
import sys

PACKAGES = ["chromium", "chromium-driver"]
COMMANDS = ["chromium", "chromedriver"]
INSTALL = [["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", *PACKAGES]]


def main() -> None:
    if all(map(shutil.which, COMMANDS)):
        return
    by_hand = f"Install {' and '.join(COMMANDS)}; on Debian: apt-get install {' '.join(PACKAGES)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(f"The tests of the web interface need a browser. {by_hand}")
    print(f"Installing {' and '.join(PACKAGES)}, once, a few hundred megabytes", flush=True)
    for command in INSTALL:
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{done.stdout}\nFailed: {' '.join(command)}\n{by_hand}")
    if missing := [command for command in COMMANDS if not shutil.which(command)]:
        sys.exit(f"Failed: the packages are installed, but {' and '.join(missing)} cannot be found")


if __name__ == "__main__":
    main()
