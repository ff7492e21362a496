"""A process that exports is killed with SIGKILL, several times; the next one finishes the file."""

import json
import subprocess
import sys
import time

import pytest

from airflow_provider_b24.export.scratch import FOLDER
from airflow_provider_b24.sandbox import Portal, PortalServer

pytestmark = pytest.mark.slow

EXPORT = """
import sys
from pathlib import Path
from airflow_provider_b24.export.job import ExportOptions, export_list
from airflow_provider_b24.rest.auth.webhook import WebhookAuth
from airflow_provider_b24.rest.client import Client
from airflow_provider_b24.rest.config import PortalConfig, Webhook
from airflow_provider_b24.rest.transport import Transport

url, code, path = sys.argv[1:]
webhook = Webhook(1, code)
client = Client(Transport(PortalConfig(url, webhook, plan="none")), WebhookAuth(webhook))
params = {"entityTypeId": 2, "select": ["id", "title"]}
print(export_list(client, "crm.item.list", params, ExportOptions(Path(path), owner="task"), print)["rows"])
"""


def test_a_file_is_exact_after_three_kills(tmp_path):
    portal = Portal()
    code = portal.add_webhook(user_id=1)
    portal.add_generated(deal=60_000)
    path = tmp_path / "deals.jsonl"
    with PortalServer(portal) as server:
        command = [sys.executable, "-c", EXPORT, server.url, code, str(path)]
        for requests in (8, 16, 24):
            process = subprocess.Popen(command)
            while portal.requests < requests and process.poll() is None:
                time.sleep(0.005)
            process.kill()
            assert process.wait() < 0
            assert not path.exists()
        subprocess.run(command, check=True)
    assert [json.loads(line)["id"] for line in path.open()] == list(range(1, 60_001))
    assert portal.requests <= 26 + 3 * 6
    assert {one.name for one in tmp_path.iterdir()} <= {path.name, FOLDER}
    left = [one.name for one in tmp_path.glob(f"{FOLDER}/*")]
    assert all(name.endswith(".tmp") for name in left)
