"""The report tab of a sync, in Airflow's page of its task."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from selenium.webdriver.common.by import By

from airflow_provider_b24.errors import Bitrix24InputError
from tests.sync.conftest import contact_row
from tests.ui.conftest import wait_for

pytestmark = pytest.mark.ui

DAG = "example_sync_file"
RUN_SECONDS = 120


@pytest.fixture(scope="module")
def run_id(connection, api) -> str:
    """A successful run of the example, with a report."""
    run = api("POST", f"/api/v2/dags/{DAG}/dagRuns", json={"logical_date": None})["dag_run_id"]
    path = f"/api/v2/dags/{DAG}/dagRuns/{quote(run)}"
    state = wait_for(
        lambda: (api("GET", path)["state"] in ("success", "failed")) and api("GET", path), RUN_SECONDS
    )
    assert state["state"] == "success"
    return run


@pytest.fixture
def tab(browser, run_id):
    """Open the tab of the task, and return to Airflow's own page at the end."""

    def open_tab(theme: str = "light"):
        browser.driver.execute_script("localStorage.setItem('theme', arguments[0])", theme)
        browser.open(f"/dags/{DAG}/runs/{quote(run_id)}/tasks/sync")
        browser.click("//a[normalize-space()='Bitrix24 report']")
        browser.driver.switch_to.frame(browser.see("//iframe"))
        browser.wait(lambda: not browser.driver.find_element(By.ID, "message").text, "the summary")
        return browser

    yield open_tab
    browser.driver.switch_to.default_content()
    browser.driver.execute_script("localStorage.setItem('theme', 'light')")


@pytest.fixture
def result(api, running, run_id):
    """Replace what the task returned and its report: so many contacts failed."""

    def replace(failed: int) -> None:
        report = Path(running["files"]) / f"failed-{failed}.jsonl"
        lines = [
            contact_row(
                line,
                1000 + line,
                "failed",
                error=Bitrix24InputError(f"company {line} does not exist, or this user may not read it"),
            )
            for line in range(1, failed + 1)
        ]
        report.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        counts = {
            "contacts": 10_000,
            "unchanged": 9_800 - failed,
            "written": 200,
            "failed": failed,
            "unknown": 0,
        }
        summary = {**counts, "requests": 204, "seconds": 83.4, "failures": [], "report_path": str(report)}
        # Within the first half the bucket is used up, then the portal refuses a request.
        timeline = [
            [1_800_000_000 + 4 * n, 500 * n, 10 * n, int(n > 12), max(0, n - 8) * 3] for n in range(21)
        ]
        base = f"/api/v2/dags/{DAG}/dagRuns/{quote(run_id)}/taskInstances/sync/xcomEntries"
        portal = api("GET", f"{base}/bitrix24_report")["value"]["portal"]
        value = {"portal": portal, "timeline": timeline}
        for key, stored in (("return_value", summary), ("bitrix24_report", value)):
            api("PATCH", f"{base}/{key}", json={"value": stored, "map_index": -1})

    return replace


def text(browser) -> str:
    return browser.driver.find_element(By.TAG_NAME, "body").text


def rows(browser) -> int:
    return len(browser.all("//tbody/tr"))


def test_what_a_sync_changed_is_shown_with_links_to_the_cards(tab, new_portal):
    browser = tab()
    browser.click("//select[@id='status']/option[normalize-space()='All']")
    browser.wait(lambda: rows(browser) == 4, "four contacts")
    browser.picture("report-tab")
    assert "Contacts\n4" in text(browser)
    browser.click_for_new_tab("//tbody//a[normalize-space()='83']")
    try:
        assert browser.driver.current_url == f"{new_portal.url}crm/contact/details/83/"
    finally:
        browser.close_tab()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("failed", [0, 30, 5_000])
def test_failures_are_listed_page_by_page_and_found_by_a_search(tab, result, theme, failed):
    result(failed)
    browser = tab(theme)
    shown = min(failed, 50)
    browser.wait(lambda: rows(browser) == shown, f"{shown} failures")
    browser.picture(f"report-tab-{failed}-{theme}")
    assert browser.driver.find_element(By.TAG_NAME, "html").get_attribute("data-theme") == theme
    if failed == 0:
        browser.see("//*[normalize-space()='The report has no such contacts.']")
    if failed > 50:
        browser.click("//button[normalize-space()='Next']")
        browser.see("//tbody//a[normalize-space()='1051']")
        browser.fill("//input[@id='search']", "company 4711 ")
        browser.click("//button[normalize-space()='Search']")
        browser.wait(lambda: rows(browser) == 1, "one contact")
        browser.see("//tbody//a[normalize-space()='5711']")
