"""Fixtures: everything that `make airflow` starts, a browser that is logged in, and a connection.

Screenshots are saved in .ui, also one of the moment at which a test failed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests

from airflow_provider_b24.sandbox import PortalServer, seeded_portal
from airflow_provider_b24.sandbox.http.seed import DEMO_CODE

if TYPE_CHECKING:
    from tests.ui.browser import Browser
    from tests.ui.connection_form import ConnectionPages

# Only the newest Airflow's environment has Selenium.
collect_ignore_glob = [] if find_spec("selenium") else ["test_*.py"]

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / ".ui"
START_SECONDS = 240
CONNECTION = "bitrix24_default"  # used by the examples

Api = Callable[..., Any]


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Airflow's web server, scheduler and triggerer, and a sandbox portal: their addresses and the login."""
    ready = tmp_path_factory.mktemp("ui") / "ready.json"
    # Below a path, as behind many a proxy: an address that begins with a slash leaves it.
    options = ["--port", "0", "--path", "/airflow", "--ready-file", str(ready)]
    command = [sys.executable, str(ROOT / "scripts/airflow_ui.py"), *options]
    with subprocess.Popen(command, cwd=ROOT) as script:
        try:
            wait_for(lambda: ready.is_file() or script.poll() is not None, START_SECONDS)
            yield json.loads(ready.read_text())
        finally:
            script.terminate()


def wait_for(condition: Callable[[], Any], seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.5)
    return result


@pytest.fixture(scope="session")
def api(running: dict[str, str]) -> Iterator[Api]:
    with requests.Session() as session:
        session.trust_env = False  # no proxy for this machine
        login = {"username": running["user"], "password": running["password"]}
        token = session.post(f"{running['airflow']}/auth/token", json=login).json()["access_token"]
        session.headers["Authorization"] = f"Bearer {token}"

        def call(verb: str, path: str, **data: Any) -> Any:
            answer = session.request(verb, running["airflow"] + path, **data)
            assert answer.ok, answer.text
            return answer.json() if answer.content else None

        yield call


@pytest.fixture(scope="session")
def pictures() -> Path:
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir()
    return PICTURES


@pytest.fixture(scope="session")
def browser(
    running: dict[str, str], pictures: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    """A headless Chromium that is logged in to Airflow."""
    from tests.ui.browser import Browser, chromium

    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        browser = Browser(driver, running["airflow"], pictures)
        browser.log_in(running["user"], running["password"])
        yield browser


@pytest.fixture(scope="session")
def pages(browser: Browser) -> ConnectionPages:
    """Airflow's pages for connections."""
    from tests.ui.connection_form import ConnectionPages

    return ConnectionPages(browser)


@pytest.fixture(scope="session")
def new_portal() -> Iterator[PortalServer]:
    """A sandbox portal without a connection."""
    with PortalServer(seeded_portal()) as server:
        yield server


@pytest.fixture(scope="session")
def connection(pages: ConnectionPages, api: Api, new_portal: PortalServer) -> str:
    """A connection to the new portal, created in the form with the id that the examples use."""
    api("DELETE", f"/api/v2/connections/{CONNECTION}")
    portal = urlsplit(new_portal.url)
    pages.open_new_form()
    pages.fill(connection_id=CONNECTION, description="created in the form")
    pages.fill(host=f"http://{portal.hostname}", port=str(portal.port), login="1", password=DEMO_CODE)
    pages.browser.picture("form-standard-fields-filled")
    pages.open_section("Extra Fields")
    pages.choose("plan", "enterprise")
    pages.switch("allow_http")
    pages.browser.picture("form-extra-fields-filled")
    pages.save()
    pages.browser.picture("connections")
    return CONNECTION


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Save a screenshot when a test fails."""
    report = yield
    browser = getattr(item, "funcargs", {}).get("browser")
    if report.failed and browser:
        browser.picture(f"failed-{item.name}")
    return report
