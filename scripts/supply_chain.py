"""Look up the pinned packages in a database of known vulnerabilities, or write a bill of materials.

``audit`` asks the OSV database about every pinned package of the development environment and of the older
Airflow lines. ``sbom`` writes what the package needs at run time, with the tested versions and the hashes of
their files, to dist/sbom.cdx.json (CycloneDX).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINS = (ROOT / "scripts" / "requirements.txt", *sorted((ROOT / "scripts").glob("airflow-*.txt")))
PYTHONS = {"requirements.txt": ">=3.11"}
PINNED_FOR = "==3.11.*"  # the older lines
BILL = ROOT / "dist" / "sbom.cdx.json"
UNREACHABLE = "error sending request"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("command", choices=["audit", "sbom"])
    sys.exit({"audit": audit, "sbom": write_bill}[parser.parse_args().command]())


def audit() -> int:
    """Audit each file of pins. Returns the exit code."""
    failed = []
    for path in PINS:
        done = uv(
            project(pins(path), python=PYTHONS.get(path.name, PINNED_FOR)),
            "audit",
            "--preview-features",
            "audit",
        )
        print(f"{path.relative_to(ROOT)}: {len(pins(path))} packages\n{done.stdout}{done.stderr}", flush=True)
        if UNREACHABLE in done.stderr:
            print("Nothing was audited: the vulnerability database cannot be reached from here.")
            return 2
        failed += [path.name] if done.returncode else []
    print(f"Failed: {', '.join(failed)}" if failed else "No known vulnerabilities.")
    return bool(failed)


def write_bill() -> int:
    """Write the bill of materials. Returns the exit code."""
    own = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = project(own["dependencies"], own["optional-dependencies"], pins(PINS[0]))
    done = uv(text, "export", "--all-extras", "--format", "cyclonedx1.5", "--preview-features", "sbom-export")
    if done.returncode:
        print(done.stderr)
        return done.returncode
    bill = json.loads(done.stdout)
    BILL.parent.mkdir(exist_ok=True)
    BILL.write_text(json.dumps(bill, indent=2) + "\n")
    print(f"{BILL.relative_to(ROOT)}: {len(bill['components'])} components")
    return 0


def pins(path: Path) -> list[str]:
    """The pinned packages of a requirements file, without their hashes."""
    lines = [line.removesuffix("\\").rstrip() for line in path.read_text().splitlines()]
    return [line for line in lines if "==" in line and not line.startswith("#")]


def project(
    dependencies: list[str],
    extras: dict[str, list[str]] | None = None,
    constraints: list[str] | None = None,
    python: str = ">=3.11",
) -> str:
    """A pyproject.toml with these dependencies. JSON strings and lists are TOML too."""
    lines = [
        "[project]",
        'name = "airflow-provider-b24"',
        f'version = "{version()}"',
        f'requires-python = "{python}"',
        f"dependencies = {json.dumps(dependencies)}",
        "[project.optional-dependencies]",
        *(f"{name} = {json.dumps(needed)}" for name, needed in (extras or {}).items()),
        "[tool.uv]",
        f"constraint-dependencies = {json.dumps(constraints or [])}",
    ]
    return "\n".join(lines)


def version() -> str:
    """The version of this package."""
    line = next(
        line
        for line in (ROOT / "airflow_provider_b24" / "__init__.py").read_text().splitlines()
        if line.startswith("__version__")
    )
    return line.split('"')[1]


def uv(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run uv in a temporary folder with this pyproject.toml."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pyproject.toml").write_text(text)
        command = [sys.executable, "-m", "uv", "--quiet", *arguments]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    main()
