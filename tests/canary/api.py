"""Read everything that Airflow's REST API and pages return."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import airflow
import requests

AIRFLOW_2 = airflow.__version__.startswith("2.")
API = "/api/v1" if AIRFLOW_2 else "/api/v2"
PAGE = 100  # the most entries that Airflow returns at once
MOST_ENTRIES = 1000  # in any list
IN_DETAIL = re.compile(
    "plant$|fine|echo|wrong_|no_rights|refused"
)  # tasks; the others are only read in lists
NAMES = re.compile(r"\{([a-z_]+)(?::path)?\}")
REPORT = "dag_id={dag_id}&run_id={quoted_run_id}&task_id={task_id}&map_index=-1"  # of the plugin's tab
UI_PAGES = {
    True: (
        "/connection/list/",
        "/connection/edit/{connection_number}",
        "/rendered-templates?dag_id={dag_id}&task_id={task_id}&map_index=-1&execution_date={date}",
        "/log/list/",
        "/variable/list/",
    ),
    False: (
        "/ui/connections/hook_meta",
        "/ui/structure/structure_data?dag_id={dag_id}",
        "/ui/grid/ti_summaries/{dag_id}?run_ids={dag_run_id}",
        "/ui/gantt/{dag_id}/{dag_run_id}",
        "/ui/dags",
        *(f"/bitrix24-report/{part}?{REPORT}" for part in ("", "summary", "contacts", "report.jsonl")),
    ),
}[AIRFLOW_2]


class Api:
    """
    A client of Airflow's web server.

    :param url: its address.
    :param session: may be logged in already.
    """

    def __init__(self, url: str, session: requests.Session) -> None:
        self.url = url
        self._session = session

    def log_in(self) -> None:
        """Become an administrator; the server must be configured to make everyone one."""
        token = self.ask("GET", "/auth/token").json()["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"

    def ask(self, method: str, path: str, **body: Any) -> requests.Response:
        """Send one request."""
        return self._session.request(method, self.url + path, timeout=60, **body)

    def entries(self, path: str) -> list[dict[str, Any]]:
        """Return all entries of a list."""
        found: list[dict[str, Any]] = []
        for offset in itertools.count(0, PAGE):
            answer = self.ask("GET", f"{API}{path}?limit={PAGE}&offset={offset}").json()
            entries = next(value for value in answer.values() if isinstance(value, list))
            found += entries
            if len(entries) < PAGE:
                return found
        raise AssertionError


def read_everything(api: Api, dag_id: str, conn_ids: list[str], file: Path) -> dict[str, int]:
    """
    Write to ``file`` what every GET path of the API, and some pages, return.

    :return: the number of answers by HTTP status.
    """
    spec = api.ask("GET", "/api/v1/openapi.json" if AIRFLOW_2 else "/openapi.json").json()
    paths = [path for path, verbs in spec["paths"].items() if "get" in verbs]
    paths = [
        path if path.startswith(API) else API + path
        for path in paths
        if not path.endswith(("/wait", "/logout"))
    ]
    facts = collect_facts(api, dag_id, conn_ids)
    statuses: dict[str, int] = {}
    with file.open("a") as answers:
        for path in dict.fromkeys(itertools.chain(*(fill(path, facts) for path in (*paths, *UI_PAGES)))):
            answer = api.ask("GET", path)
            answers.write(f"===== {answer.status_code} {path}\n{answer.text}\n")
            statuses[str(answer.status_code)] = statuses.get(str(answer.status_code), 0) + 1
    return statuses


def collect_facts(api: Api, dag_id: str, conn_ids: list[str]) -> dict[str, list[Any]]:
    """Return the values of the parameters in paths."""
    (run,) = api.entries(f"/dags/{dag_id}/dagRuns")
    tasks = api.entries(f"/dags/{dag_id}/dagRuns/{run['dag_run_id']}/taskInstances")
    return {
        "dag_id": [dag_id],
        "dag_run_id": [run["dag_run_id"]],
        "run_id": [run["dag_run_id"]],
        "quoted_run_id": [quote(run["dag_run_id"], safe="")],
        "date": [str(run["logical_date"]).replace("+", "%2B")],
        "task_id": [task["task_id"] for task in tasks if IN_DETAIL.match(task["task_id"])],
        "map_index": [-1],
        "try_number": [1],
        "task_try_number": [1],
        "version_number": [1],
        "xcom_key": ["return_value", "bitrix24_contact", "bitrix24_report"],
        "connection_id": conn_ids,
        "connection_number": list(range(1, len(conn_ids) + 1)),
        "variable_key": [variable["key"] for variable in api.entries("/variables")],
        "offset": list(range(0, MOST_ENTRIES, PAGE)),
    }


def fill(path: str, facts: dict[str, list[Any]]) -> Iterator[str]:
    """Yield a path with each combination of values; lists are read to their end."""
    names = NAMES.findall(path)
    if not set(names) <= set(facts):
        return
    for values in itertools.product(*(facts[name] for name in names)):
        filled = path
        for name, value in zip(names, values, strict=True):
            filled = re.sub(rf"\{{{name}(?::path)?\}}", str(value), filled)
        yield filled
        if path.endswith("s") and "{task_id}" not in path and "?" not in path:
            yield from (f"{filled}?limit={PAGE}&offset={offset}" for offset in facts["offset"])
