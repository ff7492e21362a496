"""`make airflow`: the parts of a real Airflow together, as its users meet them."""

import json
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.contract.conftest import ROOT

pytestmark = pytest.mark.ui
START_SECONDS, RUN_SECONDS = 240, 60


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """Airflow's web server, scheduler and triggerer, an imitation portal, and where they are."""
    ready = tmp_path_factory.mktemp("ui") / "ready.json"
    command = [sys.executable, str(ROOT / ".dev/airflow_ui.py"), "--port", "0", "--ready-file", str(ready)]
    with subprocess.Popen(command, cwd=ROOT) as script:
        try:
            wait_for(lambda: ready.is_file() or script.poll() is not None, START_SECONDS)
            yield json.loads(ready.read_text())
        finally:
            script.terminate()


@pytest.fixture(scope="module")
def api(running):
    with requests.Session() as session:
        session.trust_env = False  # no proxy to this machine
        login = {"username": running["user"], "password": running["password"]}
        token = session.post(f"{running['airflow']}/auth/token", json=login).json()["access_token"]
        session.headers["Authorization"] = f"Bearer {token}"

        def call(verb, path, **data):
            answer = session.request(verb, running["airflow"] + path, **data)
            assert answer.ok, answer.text
            return answer.json()

        yield call


def wait_for(condition, seconds):
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.5)
    return result


def test_the_examples_are_loaded(api):
    wanted = {file.stem for file in Path(ROOT / "example_dags").glob("*.py")}
    wait_for(lambda: {dag["dag_id"] for dag in api("GET", "/api/v2/dags")["dags"]} >= wanted, RUN_SECONDS)
    assert api("GET", "/api/v2/importErrors")["import_errors"] == []


def test_the_connection_form_has_our_labels_and_hides_secrets(api):
    (form,) = (
        kind for kind in api("GET", "/ui/connections/hook_meta") if kind["connection_type"] == "bitrix24"
    )
    assert form["hook_name"] == "Bitrix24"
    assert form["standard_fields"]["host"]["title"] == "Portal"
    assert form["extra_fields"]["client_secret"]["schema"]["format"] == "password"
    assert form["extra_fields"]["refresh_token"]["schema"]["format"] == "password"


def test_the_connection_is_there_and_its_secret_is_not_shown(api):
    connection = api("GET", "/api/v2/connections/bitrix24_default")
    assert connection["conn_type"] == "bitrix24"
    assert connection["password"] == "***"


def test_the_test_button_names_the_portal_s_user(api, running):
    portal = urlsplit(running["portal"])
    connection = {
        "connection_id": "tried_out",
        "conn_type": "bitrix24",
        "host": f"http://{portal.hostname}",
        "port": portal.port,
        "login": "1",
        "password": "demo0webhook0code",
        "extra": json.dumps({"allow_http": True}),
    }
    answer = api("POST", "/api/v2/connections/test", json=connection)
    assert answer["status"] is True
    assert "Alex Morgan" in answer["message"]


def test_the_main_example_runs_under_the_scheduler_and_links_to_the_contact_s_card(api):
    dag = "/api/v2/dags/example_set_contact_companies"
    run = api("POST", f"{dag}/dagRuns", json={"logical_date": None})["dag_run_id"]

    def final_state():
        state = api("GET", f"{dag}/dagRuns/{run}")["state"]
        return state if state in ("success", "failed") else None

    assert wait_for(final_state, RUN_SECONDS) == "success"
    links = api("GET", f"{dag}/dagRuns/{run}/taskInstances/set_companies/links")["extra_links"]
    (address,) = links.values()
    card = requests.get(address, proxies={"http": ""}, timeout=10).text
    assert card.index("Aurora Foods") < card.index("Bellweather") < card.index("Cobalt Robotics")
    log = api("GET", f"{dag}/dagRuns/{run}/taskInstances/set_companies/logs/1?full_content=true")
    assert "demo0webhook0code" not in json.dumps(log)
