"""What `make airflow` offers after its start."""

import pytest

from tests.ui.conftest import CONNECTION, ROOT, wait_for

pytestmark = pytest.mark.ui

PARSE_SECONDS = 60


def test_the_examples_are_loaded(api):
    wanted = {file.stem for file in (ROOT / "example_dags").glob("*.py")}
    wait_for(lambda: {dag["dag_id"] for dag in api("GET", "/api/v2/dags")["dags"]} >= wanted, PARSE_SECONDS)
    assert api("GET", "/api/v2/importErrors")["import_errors"] == []


def test_the_connection_is_there_and_its_secret_is_not_shown(api):
    connection = api("GET", f"/api/v2/connections/{CONNECTION}")
    assert connection["conn_type"] == "bitrix24"
    assert connection["password"] == "***"
