"""The main example, started with a click, using a connection that was created in the form."""

import json

import pytest

from airflow_provider_b24.sandbox.http.seed import DEMO_CODE

pytestmark = pytest.mark.ui

DAG = "example_set_contact_companies"
RUN_SECONDS = 90
TASK_ROW = "//tr[.//a[normalize-space()='set_companies']]"
ENDS = " or ".join(f"contains(., '{state}')" for state in ("Success", "Failed", "Up For Retry"))
# The example on the documentation page of crm.contact.company.items.set.
DOCUMENTED_BODY = {
    "id": 82,
    "items": [
        {"COMPANY_ID": 8, "IS_PRIMARY": "Y", "SORT": 100},
        {"COMPANY_ID": 9, "SORT": 200},
        {"COMPANY_ID": 10, "SORT": 400},
    ],
}


@pytest.fixture(scope="module")
def finished_run(browser, connection, api) -> str:
    """The address of the page of a successful run."""
    browser.open(f"/dags/{DAG}")
    browser.click("//button[@aria-label='Trigger Dag']")
    browser.click("//*[@role='dialog']//button[normalize-space()='Trigger']")
    row = browser.read(f"{TASK_ROW}[{ENDS}]", RUN_SECONDS)
    browser.picture("run")
    assert "Success" in row, "\n".join(logs(api))
    return browser.driver.current_url


def logs(api) -> list[str]:
    """Return everything that the DAG's tasks logged."""
    runs = f"/api/v2/dags/{DAG}/dagRuns"
    return [
        json.dumps(api("GET", f"{runs}/{task['dag_run_id']}/taskInstances/{task['task_id']}/logs/1"))
        for task in api("GET", f"{runs}/~/taskInstances")["task_instances"]
    ]


def test_the_run_wrote_to_the_portal_of_the_connection(finished_run, new_portal):
    entries = [entry for entry in new_portal.portal.journal if "items.set" in entry.method]
    assert [(entry.http_method, entry.body) for entry in entries] == [("POST", DOCUMENTED_BODY)]


def test_the_task_log_shows_the_result_and_no_secret(finished_run, browser, api):
    browser.driver.get(finished_run)
    browser.click(f"{TASK_ROW}//a[normalize-space()='set_companies']")
    browser.see("//*[contains(text(), 'Contact 82 now has 3 companies')]")
    browser.picture("task-log")
    said = logs(api)
    assert len(said) == 2
    assert DEMO_CODE not in "".join(said)


def test_the_task_has_a_link_to_the_contact(finished_run, browser, new_portal):
    browser.driver.get(finished_run)
    browser.click(f"{TASK_ROW}//a[normalize-space()='set_companies']")
    browser.click("//a[normalize-space()='Details'][contains(@href, 'set_companies')]")
    browser.see("//a[normalize-space()='Bitrix24 contact']")
    browser.picture("task-link")
    browser.click_for_new_tab("//a[normalize-space()='Bitrix24 contact']")
    try:
        card = browser.read("//main")
        browser.picture("contact-card")
        assert browser.driver.current_url == f"{new_portal.url}crm/contact/details/82/"
    finally:
        browser.close_tab()
    assert "Ana Petrović" in card
    assert card.index("Aurora Foods") < card.index("Bellweather") < card.index("Cobalt Robotics")
