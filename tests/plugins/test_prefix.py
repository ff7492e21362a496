"""The report tab where Airflow is served below a path: what a browser makes of the address in its frame."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

if not find_spec("airflow") or not find_spec("airflow.api_fastapi"):
    pytest.skip("needs the API server of Airflow 3", allow_module_level=True)
pytestmark = pytest.mark.airflow

# In a process of its own: Airflow reads the path when its API server is imported.
ASK = """
import json, re, sys
from urllib.parse import quote, urljoin
from airflow.api_fastapi.app import create_app, get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow_provider_b24.plugins.bitrix24 import Bitrix24Plugin
from fastapi.testclient import TestClient

prefix = sys.argv[1]
app = create_app()
token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="somebody", role="viewer"))
client = TestClient(app, base_url="http://airflow.example", headers={"Authorization": f"Bearer {token}"})
page = f"http://airflow.example{prefix}/dags/d/runs/r/tasks/t/plugin/bitrix24-report"
(base,) = re.findall('<base href="([^"]+)"', client.get(f"{prefix}/").text)
(view,) = Bitrix24Plugin.external_views
filled = view["href"]
for name, value in {"DAG_ID": "d.1", "RUN_ID": "manual__2026-11-29T10:00:00+00:00", "TASK_ID": "g.t"}.items():
    filled = filled.replace("{%s}" % name, quote(value, safe=""))
frame = urljoin(urljoin(page, base), filled)
answers = {name: client.get(urljoin(frame, name)) for name in ("", "summary?" + frame.partition("?")[2])}
print("ANSWER", json.dumps({
    "frame": frame.partition("?")[0],
    "page": [answers[""].status_code, "Bitrix24 report" in answers[""].text],
    "summary": [(name, one.status_code, one.text) for name, one in answers.items() if name][0][1:],
}))
"""


@pytest.mark.parametrize("prefix", ["", "/teams/data/airflow"])
def test_the_frame_stays_below_the_path_of_airflow(airflow_console, prefix, tmp_path):
    environment = os.environ | {"AIRFLOW__API__BASE_URL": f"http://airflow.example{prefix}"}
    done = subprocess.run(
        [sys.executable, "-c", ASK, prefix], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("ANSWER"))
    answer = json.loads(line.removeprefix("ANSWER"))
    assert answer["frame"] == f"http://airflow.example{prefix}/bitrix24-report/"
    assert answer["page"] == [200, True]
    status, text = answer["summary"]
    assert (status, "not returned a summary" in text) == (404, True)
