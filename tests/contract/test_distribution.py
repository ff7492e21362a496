"""The wheel holds the package and nothing else, the source archive also its tests and documentation."""

import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string

import pytest

from tests.contract.conftest import ROOT

pytest.importorskip("build", reason="the archives are built in the newest environment only")


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_two_builds_are_equal_byte_for_byte(archives, tmp_path):
    """Also from a copy of the sources with other times, by which a build could be told apart."""
    copy = tmp_path / "copy"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "_build", "dist", "htmlcov", "*.log")
    shutil.copytree(ROOT, copy, ignore=ignored, copy_function=shutil.copy)
    shutil.copyfile(ROOT / ".gitignore", copy / ".gitignore")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

    assert digests(tmp_path / "dist") == digests(archives)


def digests(folder):
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


@pytest.fixture
def wheel(archives):
    with zipfile.ZipFile(next(archives.glob("*.whl"))) as wheel:
        yield wheel


def test_the_wheel_holds_the_package_only(wheel):
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert tops == {"airflow_provider_b24", "airflow_provider_b24-0.1.0.dist-info"}
    in_package = {name for name in wheel.namelist() if name.startswith("airflow_provider_b24/")}
    in_checkout = {str(file.relative_to(ROOT)) for file in (ROOT / "airflow_provider_b24").rglob("*.py")}
    others = {"py.typed", "plugins/static/report.html"}
    assert in_package == in_checkout | {f"airflow_provider_b24/{name}" for name in others}


def test_the_wheel_tells_airflow_and_pip_what_it_is(wheel):
    def read(name):
        return wheel.read(f"airflow_provider_b24-0.1.0.dist-info/{name}").decode()

    assert "[apache_airflow_provider]" in read("entry_points.txt")
    assert "Apache License" in read("licenses/LICENSE")
    metadata = message_from_string(read("METADATA"))
    assert metadata["Name"] == "airflow-provider-b24"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "Framework :: Apache Airflow :: Provider" in metadata.get_all("Classifier")
    needed = {line.partition(">")[0] for line in metadata.get_all("Requires-Dist") if "extra ==" not in line}
    assert needed == {
        "apache-airflow",
        "apache-airflow-providers-common-compat",
        "asgiref",
        "cryptography",
        "jinja2",
        "pendulum",
        "msgspec",
        "requests",
        "urllib3",
    }


def test_the_source_archive_holds_what_the_tests_and_the_documentation_need(archives):
    with tarfile.open(next(archives.glob("*.tar.gz"))) as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
    names = {member.name.partition("/")[2] for member in members}
    folders = {"airflow_provider_b24", "docs", "example_dags", "scripts", "tests"}
    papers = {"CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md"}
    tools = {"Makefile", "pyproject.toml"}
    assert {name.partition("/")[0] for name in names} == folders | papers | tools | {"PKG-INFO", ".gitignore"}
    python = {str(file.relative_to(ROOT)) for folder in folders for file in (ROOT / folder).rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == {
        one for one in python if "/_build/" not in one
    }
    assert {name for name in names if re.search(r"__pycache__|_build/|\.(log|pyc)$", name)} == set()
    assert sum(member.size for member in members) < 5_000_000
