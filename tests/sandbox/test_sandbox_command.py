"""The command line, the pytest plugin, and what the sandbox may import."""

from __future__ import annotations

import ast
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import airflow_provider_b24.sandbox as sandbox
from airflow_provider_b24.sandbox.http.seed import DEMO_CODE

ROOM = Path(sandbox.__file__).parent
CHECKOUT = ROOM.parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1"}
COMMAND = [sys.executable, "-m", "airflow_provider_b24.sandbox"]

pytestmark = pytest.mark.slow


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([*COMMAND, *arguments], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)


def wait_for(path: Path) -> int:
    for _ in range(500):
        if path.exists() and path.read_text().endswith("\n"):
            return int(path.read_text())
        time.sleep(0.02)
    raise TimeoutError(path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_prints_the_connection_and_stops_cleanly(tmp_path, number):
    options = [
        "--port",
        "0",
        "--port-file",
        str(tmp_path / "port"),
        "--journal",
        str(tmp_path / "journal.jsonl"),
    ]
    options += ["--generate", "deal=700", "--generate", "task=5"]
    process = start(*options, "--contacts", "500", "--bucket", "standard", "--speed", "10")
    port = wait_for(tmp_path / "port")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("POST", f"/rest/1/{DEMO_CODE}/crm.contact.get?id=500")
    assert json.loads(connection.getresponse().read())["result"]["ID"] == "500"
    connection.request("POST", f"/rest/1/{DEMO_CODE}/crm.deal.list")
    assert json.loads(connection.getresponse().read())["total"] == 700
    connection.close()
    process.send_signal(number)
    out, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert f"http://127.0.0.1:{port}/" in out
    assert f"bitrix24://1:{DEMO_CODE}@127.0.0.1:{port}/http?" in out
    assert "airflow connections add bitrix24_default --conn-json '{" in out
    entries = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert [(entry["method"], entry["status"]) for entry in entries] == [
        ("crm.contact.get", 200),
        ("crm.deal.list", 200),
    ]


def test_a_port_in_use_is_one_line_and_status_2():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*COMMAND, "--port", str(port)], env=ENVIRONMENT, capture_output=True, text=True, check=False
        )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert done.stdout == ""


def test_an_unknown_table_is_refused_with_the_known_ones():
    done = subprocess.run(
        [*COMMAND, "--generate", "deals=5"], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "expected TABLE=N; tables are activity, address, calendar_event, call, company" in done.stderr


def test_help_names_every_option():
    done = subprocess.run([*COMMAND, "--help"], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    options = (
        "--host --port --rules --bucket --operating-limit --token-lifetime --contacts --companies --latency"
    )
    for option in [*options.split(), "--generate", "--speed", "--tls", "--journal", "--port-file"]:
        assert option in done.stdout


PLUGIN_TEST = """
import http.client, json, os
import pytest
from airflow_provider_b24.sandbox import Bucket
from airflow_provider_b24.sandbox.model.limits import ENTERPRISE

def test_portal(bitrix24_connection, bitrix24_server, bitrix24_portal):
    assert bitrix24_connection == "bitrix24_default"
    stated = json.loads(os.environ["AIRFLOW_CONN_BITRIX24_DEFAULT"])
    connection = http.client.HTTPConnection("127.0.0.1", stated["port"])
    connection.request("GET", f"/rest/{stated['login']}/{stated['password']}/profile")
    assert connection.getresponse().status == 200
    assert bitrix24_portal.journal[0].method == "profile"
    assert bitrix24_server.connections == 1

def test_each_test_has_a_portal_of_its_own(bitrix24_portal):
    assert bitrix24_portal.journal == []
    assert "AIRFLOW_CONN_BITRIX24_DEFAULT" not in os.environ

@pytest.mark.bitrix24_portal(contacts=1000, rules="observed", latency=0.01)
def test_options(bitrix24_portal, bitrix24_connection, tmp_path):
    assert bitrix24_portal.contacts.last_id == 1000
    assert (bitrix24_portal.rules, bitrix24_portal.latency) == ("observed", 0.01)
    assert json.loads(os.environ["AIRFLOW_CONN_BITRIX24_DEFAULT"])["extra"]["plan"] == "none"
    assert os.environ["AIRFLOW__BITRIX24__PACING_DIR"].startswith(str(tmp_path))

def test_several_portals(bitrix24_portal_factory):
    first = bitrix24_portal_factory(bucket=Bucket(*ENTERPRISE))
    second = bitrix24_portal_factory("bitrix24_second", bucket=Bucket())
    assert first is not second
    stated = [os.environ[f"AIRFLOW_CONN_BITRIX24_{name}"] for name in ("DEFAULT", "SECOND")]
    assert [json.loads(one)["extra"]["plan"] for one in stated] == ["enterprise", "standard"]
    with pytest.raises(TypeError, match="no attribute 'buket'"):
        bitrix24_portal_factory(buket=Bucket())
"""


def test_the_plugin_gives_users_a_portal_and_a_connection(tmp_path):
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["airflow_provider_b24.sandbox.pytest_plugin"]')
    (tmp_path / "test_dag.py").write_text(PLUGIN_TEST)
    environment = {name: value for name, value in ENVIRONMENT.items() if not name.startswith("AIRFLOW_CONN_")}
    arguments = ["-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "4 passed in" in done.stdout, done.stdout + done.stderr


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("path", sorted(ROOM.glob("*.py")), ids=lambda path: path.name)
def test_the_sandbox_imports_the_standard_library_and_itself(path):
    foreign = {
        name
        for name in imported(path)
        if name.partition(".")[0] not in sys.stdlib_module_names
        and not name.startswith("airflow_provider_b24.sandbox")
    }
    assert foreign == ({"pytest"} if path.name == "pytest_plugin.py" else set())
